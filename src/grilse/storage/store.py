"""The content-addressed store: blobs in files named by their digest, in the layout that buildbox-casd uses.

Knows blobs only: not what is in them, nor who needs them.  Any number of processes, of grilse and of BuildStream, may
use one store at the same time, and any of them may be killed at any instant: a blob is written under a temporary name
and renamed, and a file whose size is not the one in its digest counts as absent.

Layout (observed of buildbox-casd 1.4.25): ``cas/objects/XX/REST`` with mode 0444, modification time = last use,
temporary files in ``cas/tmp``; ``cas/disk_usage`` is casd's own note of the total, valid while casd is not running.
"""

from __future__ import annotations

import itertools
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from grilse.platform.files import BLOB_MODE, NEW, NEW_READABLE, READ, clone_or_copy
from grilse.protocol.errors import CasError
from grilse.storage.digest import EMPTY, Digest, digest_bytes
from grilse.storage.errors import NO_SPACE, cas_error
from grilse.storage.hashing import SMALL, Incoming, hash_descriptor
from grilse.storage.messages import Listing, decode_listing, encode_listing, in_message_order
from grilse.storage.supply import Gate, Supplier
from grilse.storage.wire import MessageError

TMP_PREFIX = "grilse-"


# Decoded directories that a store keeps, counted in entries; an entry takes about 300 bytes.
_LISTING_BUDGET = 400_000


def temporary_prefix(pid: int, owner: str) -> str:
    """What the names of the temporary files of a process begin with in a session; see `expiry.remove_orphans`."""
    return f"{TMP_PREFIX}{pid}-{owner}-" if owner else f"{TMP_PREFIX}{pid}-"


class Store:
    """The store below a cache directory.

    One object may be used by many threads.  It is cheap to make: directories are made when something is written.

    Args:
        cachedir: bst's ``cachedir``; the store is its ``cas`` directory.
        since: a blob that was last used before this moment (seconds since the epoch; now if None) is marked when it is
            used again, others are recent enough.
        owner: the mark of the session it is used in (see `sessions`): its temporary files are garbage without that.

    Attributes:
        written: bytes of blobs written since this was last set to zero; roughly, when several threads write.
        admission: asked before a record is written that names blobs of this store, or None.
        supplier: brings blobs that are read and not here, or None.  What the store says is here is here without it.
    """

    def __init__(self, cachedir: str, *, since: float | None = None, owner: str = "") -> None:
        self.cachedir = cachedir
        self.supplier: Supplier | None = None
        self.admission: Gate | None = None
        self.written = 0
        self.objects = os.path.join(cachedir, "cas", "objects")
        self.tmpdir = os.path.join(cachedir, "cas", "tmp")
        self._prefix = os.path.join(self.tmpdir, f"{temporary_prefix(os.getpid(), owner)}{os.urandom(4).hex()}-")
        self._counter = itertools.count()
        self._prepared = False
        # Whether this process's umask takes bits of BLOB_MODE away; the first file that is written shows it.
        self._chmod: bool | None = None
        self.clones = True  # whether to try to share extents; until it has failed once
        self._listings: dict[Digest, Listing] = {}
        self._listing_weight = 0
        self._since = time.time() if since is None else since

    # Reading

    def path(self, digest: Digest) -> str:
        """Where the blob is or would be; never to be written to.  Use `contains` to know whether it is there."""
        return f"{self.objects}/{digest.hash[:2]}/{digest.hash[2:]}"

    def contains(self, digest: Digest) -> bool:
        """Whether the whole blob is here.  The blob of no bytes always is, once it was asked for."""
        try:
            return os.stat(self.path(digest)).st_size == digest.size
        except OSError:
            return digest == EMPTY and self._restore_empty()

    def missing(self, digests: Iterable[Digest]) -> list[Digest]:
        """Those of `digests` that are not here, each once, in order."""
        return [digest for digest in dict.fromkeys(digests) if not self.contains(digest)]

    def open(self, digest: Digest) -> BinaryIO:
        """The blob as a file open for reading.

        Raises:
            CasError: it is not here (reason ``missing-blob``) or cannot be read.
        """
        path = self.path(digest)
        try:
            file = open(path, "rb", buffering=0)  # noqa: SIM115 - the caller closes it
        except FileNotFoundError:
            if (digest == EMPTY and self._restore_empty()) or self._supplied(digest):
                return self.open(digest)
            raise _missing(digest) from None
        except OSError as error:
            raise cas_error(error, f"read blob {digest}") from error
        if os.fstat(file.fileno()).st_size != digest.size:
            file.close()
            raise _missing(digest)
        return file

    def complete(self, trees: Sequence[Digest], *, files: bool = True) -> None:
        """Bring what is missing of trees, or only their directories, all at once if there is a supplier.

        What is not to be had is found out when it is read.

        Raises:
            RemoteError: the supplier does not answer.
        """
        if self.supplier is not None:
            self.supplier.supply_trees(trees, files=files)

    def gather(self, digests: Sequence[Digest]) -> None:
        """Likewise for single blobs.

        Raises:
            RemoteError: the supplier does not answer.
        """
        if self.supplier is not None:
            self.supplier.supply(digests)

    def settle(self, blobs: Sequence[Digest], trees: Sequence[Digest]) -> None:
        """Called before a record is written that names these, for a supplier that has some of them.

        Raises:
            RemoteError: they cannot be had.
            CasError: something of it is nowhere.
        """
        if self.supplier is not None:
            self.supplier.settle(blobs, trees)

    def read(self, digest: Digest, *, verify: bool = False) -> bytes:
        """The content of a blob.

        Args:
            digest: names it.
            verify: whether to compare the content with the digest.

        Raises:
            CasError: it is not here (reason ``missing-blob``), cannot be read, or is not what its digest says
                (reason ``corrupt-blob``).
        """
        with self.open(digest) as file:
            try:
                data = file.read()
            except OSError as error:
                raise cas_error(error, f"read blob {digest}") from error
        if len(data) != digest.size or (verify and digest_bytes(data) != digest):
            raise CasError(f"Blob {digest} is corrupt in '{self.path(digest)}'", reason="corrupt-blob")
        return data

    def listing(self, digest: Digest) -> Listing:
        """The decoded directory that `digest` names; shared with other callers, so not to be changed.

        Raises:
            CasError: the blob is not here (``missing-blob``), or is not a directory (``corrupt-blob``).
        """
        found = self._listings.get(digest)
        if found is None:
            try:
                found = decode_listing(self.read(digest))
            except MessageError as error:
                raise CasError(f"Blob {digest} is not a directory: {error}", reason="corrupt-blob") from error
            self._remember(digest, found)
        return found

    # Writing

    def add_bytes(self, data: bytes) -> Digest:
        """Put `data` into the store.

        Raises:
            CasError: it cannot be written; reason ``cache-too-full`` if there is no space.
        """
        digest = digest_bytes(data)
        self._put(digest, data)
        return digest

    def add_known(self, digest: Digest, data: bytes) -> None:
        """Put `data` into the store whose digest was just worked out, as `digest`.

        Raises:
            CasError: it cannot be written; reason ``cache-too-full`` if there is no space.
        """
        self._put(digest, data)

    def add_listing(self, listing: Listing) -> Digest:
        """Put a directory into the store, as a ``Directory`` message."""
        digest = self.add_bytes(encode_listing(listing))
        self._remember(digest, listing._replace(nodes=in_message_order(listing.nodes)))
        return digest

    def add_file(self, path: str, *, move: bool = False) -> Digest:
        """Put the content of a host file into the store.

        Args:
            path: a regular file (a symbolic link is followed).
            move: whether the file may be taken away: it is renamed into the store if it is ours and in the same file
                system.  Nothing may have it open for writing.

        Raises:
            CasError: it cannot be read or written.
        """
        try:
            descriptor = os.open(path, READ)
        except OSError as error:
            raise cas_error(error, f"read '{path}'") from error
        try:
            return self.add_descriptor(descriptor, os.fstat(descriptor), path, move=move)
        finally:
            os.close(descriptor)

    def add_descriptor(self, descriptor: int, status: os.stat_result, path: str, *, move: bool = False) -> Digest:
        """As `add_file`, for a file that is open at offset 0 and whose status is known."""
        doing = f"read '{path}'"
        try:
            if status.st_size <= SMALL:
                # One byte more than there should be: a file that grew meanwhile is streamed.
                data = os.read(descriptor, status.st_size + 1)
                if len(data) <= status.st_size:
                    digest = digest_bytes(data)
                    if not (move and self._take(digest, path, status)):
                        self._put(digest, data)
                    return digest
                os.lseek(descriptor, 0, os.SEEK_SET)
            digest = hash_descriptor(descriptor)
            if move and self._take(digest, path, status):
                return digest
            if self._use(digest):
                return digest
            os.lseek(descriptor, 0, os.SEEK_SET)
            doing = f"copy '{path}' into the cache '{self.cachedir}'"
            return self._copy(descriptor, status.st_size)
        except OSError as error:
            raise cas_error(error, doing) from error

    @contextmanager
    def receive(self, digest: Digest) -> Iterator[Incoming]:
        """Something to write a blob to that comes from elsewhere; it is in the store when the block ends.

        Raises:
            CasError: what was written is not what `digest` says (reason ``corrupt-blob``), or cannot be written.
                Nothing is kept then, nor when the block itself raises.
        """
        temporary = self._temporary()
        try:
            try:
                descriptor = os.open(temporary, NEW, BLOB_MODE)
                try:
                    incoming = Incoming(descriptor)
                    yield incoming
                finally:
                    os.close(descriptor)
                actual = incoming.digest()
                if actual != digest:
                    raise CasError(f"Blob {digest} was received as {actual}", reason="corrupt-blob")
                self._publish(temporary, digest)
            except OSError as error:
                raise cas_error(error, f"write blob {digest} to the cache '{self.cachedir}'") from error
        finally:
            _unlink(temporary)

    @contextmanager
    def scratch_file(self) -> Iterator[str]:
        """A path in the store's file system that does not exist yet; whatever is there at the end is removed.

        Raises:
            CasError: the cache directory cannot be written to.
        """
        temporary = self._temporary()
        try:
            yield temporary
        finally:
            _unlink(temporary)

    def admit(self) -> None:
        """Called before a record is written, once its blobs are here.

        Raises:
            CasError: there is no room for it (reason ``cache-too-full``).
        """
        if self.admission is not None:
            self.admission.admit(self)

    def use(self, digests: Iterable[Digest]) -> list[Digest]:
        """Mark blobs as used just now, so that they are the last to be expired; returns those that are not here."""
        return [digest for digest in digests if not self._use(digest) and not self.contains(digest)]

    # Private

    def _supplied(self, digest: Digest) -> bool:
        return self.supplier is not None and not self.supplier.supply((digest,))

    def _remember(self, digest: Digest, listing: Listing) -> None:
        """Keep a decoded directory, within the budget."""
        if self._listing_weight > _LISTING_BUDGET:
            self._listings = {}
            self._listing_weight = 0
        self._listings[digest] = listing
        self._listing_weight += len(listing.nodes) + 4

    def _use(self, digest: Digest) -> bool:
        """Whether the whole blob is here; if so it is marked as used."""
        path = self.path(digest)
        try:
            status = os.stat(path)
        except OSError:
            return False
        if status.st_size != digest.size:
            return False
        if status.st_mtime < self._since:
            try:
                os.utime(path)
            except FileNotFoundError:
                return False  # expired between the two calls
            except OSError:
                pass  # somebody else's file in a shared cache: its time is theirs to set
        return True

    def _put(self, digest: Digest, data: bytes) -> None:
        """Write `data` unless the blob is here."""
        if self._use(digest):
            return
        temporary = self._temporary()
        try:
            descriptor = os.open(temporary, NEW, BLOB_MODE)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            finally:
                os.close(descriptor)
            self._publish(temporary, digest)
        except OSError as error:
            _unlink(temporary)
            raise cas_error(error, f"write blob {digest} to the cache '{self.cachedir}'") from error

    def _copy(self, descriptor: int, size: int) -> Digest:
        """Copy an open file into the store; the digest is that of the copy, which nobody else can change."""
        temporary = self._temporary()
        try:
            copy = os.open(temporary, NEW_READABLE, BLOB_MODE)
            try:
                self.clones = clone_or_copy(descriptor, copy, size, clone=self.clones)
                os.lseek(copy, 0, os.SEEK_SET)
                digest = hash_descriptor(copy)
            finally:
                os.close(copy)
            self._publish(temporary, digest)
        except OSError:
            _unlink(temporary)
            raise
        return digest

    def _take(self, digest: Digest, path: str, status: os.stat_result) -> bool:
        """Rename a host file into the store, if that is safe; otherwise False and the file is as it was."""
        if status.st_nlink != 1 or not stat.S_ISREG(status.st_mode) or not _is_ours(status):
            return False
        # Whether the blob is here is not asked: taking its place costs no more, and most of what is moved is new.
        self._prepare()
        try:
            os.chmod(path, BLOB_MODE)
            if not self._since <= status.st_mtime <= time.time():
                os.utime(path)
            self._rename(path, digest)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise
            return False
        return True

    def _temporary(self) -> str:
        """A name in the temporary directory that nobody else uses."""
        self._prepare()
        return f"{self._prefix}{next(self._counter)}"

    def _prepare(self) -> None:
        """Make the directories that the first write needs."""
        if self._prepared:
            return
        try:
            if not os.path.isdir(self.tmpdir):
                os.makedirs(self.objects, exist_ok=True)
                os.makedirs(self.tmpdir, exist_ok=True)
            # What casd noted of the total is about to be wrong; without the note it counts anew.
            _unlink(os.path.join(self.cachedir, "cas", "disk_usage"))
        except OSError as error:
            raise cas_error(error, f"prepare the cache directory '{self.cachedir}'") from error
        self._prepared = True

    def _publish(self, temporary: str, digest: Digest) -> None:
        """Give a finished temporary file its name."""
        if self._chmod is None:
            self._chmod = stat.S_IMODE(os.stat(temporary).st_mode) != BLOB_MODE
        if self._chmod:
            os.chmod(temporary, BLOB_MODE)
        self._rename(temporary, digest)

    def _rename(self, source: str, digest: Digest) -> None:
        target = self.path(digest)
        self.written += digest.size
        try:
            os.replace(source, target)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            os.replace(source, target)

    def _restore_empty(self) -> bool:
        """Write the blob of no bytes: everybody knows its content, so it never counts as missing."""
        try:
            self._put(EMPTY, b"")
        except CasError:
            return False
        return True


def _missing(digest: Digest) -> CasError:
    return CasError(f"Blob {digest} is not in the local cache", reason="missing-blob")


def _is_ours(status: os.stat_result) -> bool:
    geteuid: Callable[[], int] | None = getattr(os, "geteuid", None)
    return geteuid is None or status.st_uid == geteuid()


def _unlink(path: str) -> None:
    """Remove a file that may be gone."""
    try:
        os.unlink(path)
    except OSError:
        pass
