"""Cached sources: trees of single sources and of all sources of an element, named by their keys.

Knows bst's layout and record (``storage/proto/source.proto``), nothing of source plugins.  A single source is in
``source_protos/KIND/KEY``, the sources of an element together in ``elementsources/KEY``.
"""

from __future__ import annotations

import os

from grilse.protocol.errors import CasError
from grilse.storage import refs
from grilse.storage.closure import Presence
from grilse.storage.digest import Digest
from grilse.storage.store import Store
from grilse.storage.wire import MessageError, as_bytes, decode_digest, encode_digest, field_bytes, fields


def encode_source(files: Digest) -> bytes:
    """The ``Source`` message for a tree, the same bytes as bst writes."""
    return field_bytes(2, encode_digest(files))


def decode_source(data: bytes) -> Digest:
    """The tree that a ``Source`` message names.

    Raises:
        MessageError: it is none.
    """
    found: Digest | None = None
    for number, value in fields(data):
        if number == 2:
            found = decode_digest(as_bytes(value))
    if found is None:
        raise MessageError("a source has no tree")
    return found


class SourceCache:
    """The cached sources below a cache directory.

    Args:
        store: where their blobs are; the records are beside it.
        together: whether this is about the sources of elements as a whole, instead of single ones.
    """

    def __init__(self, store: Store, *, together: bool = False) -> None:
        self.store = store
        self.together = together
        self.base = os.path.join(store.cachedir, "elementsources" if together else "source_protos")

    def lookup(self, name: str, *, touch: bool = True) -> Digest | None:
        """The tree of a source, or None.  Says nothing of whether its blobs are here.

        Args:
            name: ``KIND/KEY`` for a single source, ``KEY`` for an element's.
            touch: whether to mark it as used just now.

        Raises:
            CasError: the record cannot be read for another reason than that it is not there.
        """
        data = refs.read_ref(self.base, _checked(name), touch=touch)
        if data is None:
            return None
        try:
            return decode_source(data)
        except MessageError:
            return None

    def is_cached(self, name: str, presence: Presence | None = None) -> bool:
        """Whether a source and all its blobs are here."""
        tree = self.lookup(name)
        return tree is not None and (presence or Presence(self.store)).tree(tree)

    def write(self, name: str, files: Digest) -> None:
        """Keep a source whose tree is in the store.

        Raises:
            CasError: it cannot be written, or there is no room for it (reason ``cache-too-full``).
            RemoteError: some of it is elsewhere and cannot be had.
        """
        self.store.settle((), (files,))
        self.store.admit()
        refs.write_ref(self.base, _checked(name), encode_source(files))

    def delete(self, name: str) -> bool:
        """Remove a source's record; False if there is none.

        Raises:
            CasError: it cannot be removed.
        """
        return refs.remove_ref(self.base, _checked(name))

    def list(self) -> list[str]:
        """Names of sources, the least recently used first."""
        return [ref for _, ref in refs.list_refs(self.base)]


def _checked(name: str) -> str:
    """A name that stays below the directory of refs.

    Raises:
        CasError: it does not.
    """
    if any(part in ("", ".", "..") for part in name.split("/")):
        raise CasError(f"'{name}' is not the name of a cached source")
    return name
