"""Generated protobuf messages of REAPI v2, Remote Asset v1, ByteStream and BuildStream's cache records.

``tools/gen-protos`` makes the modules from the ``.proto`` files beside them.  Each is a module of its own, so that an
importer pays for what it names only; the gRPC halves are in ``grilse.remote.proto``.  Proto packages keep their
public names.  ``storage`` itself does not import these: it has its own codec (``storage/messages.py``) for the
messages that lie on disk.
"""
