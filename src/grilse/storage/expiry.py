"""Makes room in the cache: what was used least recently goes, what a running session needs stays.

Knows quotas and last uses; what is in the cache it learns from the census, who uses it from the sessions.

Artifacts and sources go as a whole: a record is removed before the blobs that only it needed, so that nobody finds a
record whose blobs are about to go.  Blobs that no record names are kept or removed by their own last use.  Removing
happens in short batches under the guard of `sessions`, each of which first looks for new sessions and for what was
used meanwhile.

The rules are those of bst's ``cache`` configuration: the quota is lowered so that ``reserved-disk-space`` stays free,
and when it is exceeded the cache is brought down to ``low-watermark`` of it.
"""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from enum import Enum

from grilse.platform.files import free_space
from grilse.storage import refs
from grilse.storage.census import Blob, Progress, Reach, Record, Uses, blobs, record_base, records
from grilse.storage.errors import cas_error
from grilse.storage.sessions import Session, bst_sessions, guard, marks, oldest_start
from grilse.storage.store import TMP_PREFIX, Store

# Blobs removed while the guard is held once: some tens of milliseconds.
_BATCH = 1000

# A temporary file as old as this was left by somebody who was killed.
STALE = 24 * 3600.0  # seconds

# Names by `temporary_prefix`: a process, then a mark.
_OWNED = re.compile(rf"{TMP_PREFIX}([0-9]+)-([0-9]+-[0-9a-f]{{8}})-")

_NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the cache may hold.

    Attributes:
        quota: bytes, or None for no limit but the disk.
        reserved: bytes of the disk that are to stay free.
        low_watermark: share of the quota that is kept when it is exceeded.
        elsewhere: whether a storage service has all that records name, so that records live longer than blobs.
    """

    quota: int | None = None
    reserved: int = 0
    low_watermark: float = 0.8
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """How much the cache holds and may hold; bytes.

    Attributes:
        used: in blobs.
        quota: that applies now: the configured one, or less if the disk has not enough room; None without any limit.
        free: that the disk has left for this user.
        reserved: that are to stay free.
    """

    used: int
    quota: int | None
    free: int
    reserved: int

    @property
    def exceeded(self) -> bool:
        """Whether room must be made."""
        return self.quota is not None and self.used > self.quota


@dataclass(slots=True)
class Removed:
    """What was removed.

    Attributes:
        blobs: how many.
        size: bytes of them.
        records: artifacts and sources, by the names of their records below the cache directory.
        left: bytes of blobs that are left.
        enough: whether the goal was reached; if not, running sessions need what is left.
    """

    blobs: int = 0
    size: int = 0
    records: list[str] | None = None
    left: int = 0
    enough: bool = True


def room(store: Store, limits: Limits, used: int) -> Room:
    """What `used` bytes of blobs mean under `limits`, with the disk as it is now.

    Raises:
        CasError: there is no such cache directory.
    """
    try:
        free, total = free_space(_existing(store.cachedir))
    except OSError as error:
        raise cas_error(error, f"look at the disk of '{store.cachedir}'") from error
    del total
    quota = limits.quota
    available = used + free - limits.reserved
    if quota is None or available < quota:
        quota = max(available, 0)
    return Room(used, quota, free, limits.reserved)


def used_bytes(store: Store) -> int:
    """Bytes of all blobs; takes about a microsecond for each.

    Raises:
        CasError: the store cannot be read.
    """
    return sum(blob.size for blob in blobs(store).values())


def expire(store: Store, limits: Limits, *, full: bool = False, progress: Progress | None = None) -> Removed:
    """Bring the cache down to the low watermark if it exceeds its quota.

    What any running session used stays, the caller's included.

    Args:
        store: the cache.
        limits: what it may hold.
        full: whether the disk is known to be full, so that the quota is at most what is used.
        progress: called with blobs removed and blobs to remove.

    Raises:
        CasError: the cache cannot be read or changed.
    """
    present = blobs(store)
    used = sum(blob.size for blob in present.values())
    state = room(store, limits, used)
    quota = state.quota
    if full:
        quota = used if quota is None else min(quota, used)
    elif not state.exceeded:
        return Removed(records=[], left=used)
    assert quota is not None
    goal = int(quota * limits.low_watermark)
    return reduce(store, present, goal, elsewhere=limits.elsewhere, progress=progress)


def reduce(
    store: Store,
    present: dict[str, Blob],
    goal: int,
    *,
    unnamed: bool = False,
    before: float | None = None,
    elsewhere: bool = False,
    session: Session | None = None,
    progress: Progress | None = None,
) -> Removed:
    """Remove what was used least recently until `goal` bytes are left, and nothing that a running session needs.

    Records that lack a blob they require go in any case, unless a storage service has it.

    Args:
        store: the cache.
        present: what is in it, from `census.blobs`.
        goal: bytes to keep.
        unnamed: whether blobs that no record names go in any case.
        before: moment (seconds since the epoch) before which records were last used that go in any case.
        elsewhere: whether a storage service has what records name, so that they need not go with their blobs.
        session: one whose use does not count, the caller's.
        progress: called with blobs removed and blobs to remove.
    """
    cutoff = _moment(oldest_start(store.cachedir, but=session))
    reach = Reach(store, present)
    found = records(store)
    before_use = {(record.kind, record.ref): record.used for record in found}
    keep: set[str] = set()
    units: list[tuple[int, Record | str]] = []
    named: set[str] = set()
    doomed: list[Record] = []
    for record in found:
        own: set[str] = set()
        whole = reach.record(record, own)
        named |= own
        for tree in record.trees:
            root = present.get(tree.hash)
            if root is not None:
                record.used = max(record.used, root.used)
        if record.used >= cutoff:
            keep |= own
        elif not (whole or elsewhere) or (before is not None and record.used < before * _NANO):
            doomed.append(record)
        else:
            units.append((record.used, record))
    for name, blob in present.items():
        if name in keep:
            continue
        if blob.used >= cutoff:
            keep.add(name)
        elif name not in named and not unnamed:
            units.append((blob.used, name))
    kept = sum(present[name].size for name in keep)
    units.sort(key=lambda unit: unit[0], reverse=True)
    full = False
    for _, unit in units:
        if isinstance(unit, str):
            own = {unit}
        else:
            own = set()
            reach.record(unit, own)
            own -= keep
        size = sum(present[name].size for name in own)
        full = full or kept + size > goal
        if full:
            if not (isinstance(unit, str) or elsewhere):
                doomed.append(unit)
            continue
        keep |= own
        kept += size
    going = sorted((name for name in present if name not in keep), key=lambda name: present[name].used)
    removed = Removed(records=[], left=sum(blob.size for blob in present.values()))
    removal = _Removal(store, present, keep, before_use, dict(before_use), session, removed)
    removal.run(doomed, going, progress)
    removed.enough = removed.left <= goal
    return removed


def _moment(start: float | None) -> int:
    """A moment in nanoseconds since which everything is needed; far away if nobody needs anything."""
    return 1 << 62 if start is None else int(start * _NANO)


@dataclass(slots=True)
class _Removal:
    """Removing what was decided on, while others go on using the cache."""

    store: Store
    present: dict[str, Blob]
    keep: set[str]
    decided: Uses  # as they were when it was decided
    uses: Uses  # as they are now
    session: Session | None
    removed: Removed

    def run(self, doomed: list[Record], going: list[str], progress: Progress | None) -> None:
        """Remove records, then blobs, in batches under the guard."""
        for at in range(0, max(len(going), 1), _BATCH):
            with guard(self.store.cachedir, exclusive=True):
                cutoff = _moment(oldest_start(self.store.cachedir, but=self.session))
                # Whatever was used since the decision is needed now.
                reach = Reach(self.store, self.present, live=True)
                for record in records(self.store, but=self.uses):
                    reach.record(record, self.keep)
                    self.uses[record.kind, record.ref] = record.used
                if at == 0:
                    self._records(doomed, cutoff)
                for name in going[at : at + _BATCH]:
                    if name not in self.keep:
                        self._blob(name, cutoff)
            if progress is not None:
                progress(min(at + _BATCH, len(going)), len(going))

    def _blob(self, name: str, cutoff: int) -> None:
        """Remove a blob unless it was used; what another session has removed in the meantime is not left, either."""
        blob = self.present[name]
        fate = _remove_blob(self.store, name, blob, cutoff)
        if fate is _Fate.REMOVED:
            self.removed.blobs += 1
            self.removed.size += blob.size
        if fate is not _Fate.USED:
            self.removed.left -= blob.size

    def _records(self, doomed: list[Record], cutoff: int) -> None:
        """Remove the records, save those that were used since it was decided.

        BuildStream fails if a record vanishes while it looks at it, and does not know the guard; what lacks its blobs
        is not cached for it, with or without a record.
        """
        assert self.removed.records is not None
        if bst_sessions(self.store.cachedir):
            return
        for record in doomed:
            # Its own last use, which `record.used` may have been raised above.
            used = self.uses[record.kind, record.ref]
            if used == self.decided[record.kind, record.ref] and used < cutoff:
                if refs.remove_ref(record_base(self.store, record.kind), record.ref):
                    self.removed.records.append(f"{record.kind.value}/{record.ref}")


class _Fate(Enum):
    """What became of a blob that was to go."""

    REMOVED = "removed"
    ABSENT = "absent"
    USED = "used"


def _remove_blob(store: Store, name: str, blob: Blob, cutoff: int) -> _Fate:
    """Remove a blob unless it was used since it was counted.

    It is taken aside first: a use that comes later finds it absent, and one that came before shows in its time.
    """
    path = f"{store.objects}/{name[:2]}/{name[2:]}"
    aside = f"{store.tmpdir}/{TMP_PREFIX}expired-{os.getpid()}-{name}"
    try:
        if os.stat(path).st_mtime_ns != blob.used or blob.used >= cutoff:
            return _Fate.USED
        os.makedirs(store.tmpdir, exist_ok=True)
        os.rename(path, aside)
        if os.stat(aside).st_mtime_ns != blob.used:
            os.rename(aside, path)
            return _Fate.USED
        os.unlink(aside)
    except FileNotFoundError:
        return _Fate.ABSENT
    except OSError as error:
        raise cas_error(error, f"remove blob {name}") from error
    return _Fate.REMOVED


def remove_stale(store: Store) -> int:
    """Remove temporary files that were left by the killed; returns their bytes.

    Those of BuildStream are included, whose names begin with ``cas-tmpfile``.
    """
    freed = 0
    oldest = time.time() - STALE
    try:
        with os.scandir(store.tmpdir) as entries:
            for entry in entries:
                if not entry.name.startswith((TMP_PREFIX, "cas-tmpfile")):
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_mtime < oldest and entry.is_file(follow_symlinks=False):
                    os.unlink(entry.path)
                    freed += status.st_size
    except FileNotFoundError:
        pass
    except OSError as error:
        raise cas_error(error, f"clean '{store.tmpdir}'") from error
    return freed


def remove_orphans(cachedir: str, dead: tuple[int, str] | None = None) -> int:
    """Remove the temporary files of sessions whose mark is gone; returns how many.

    Args:
        cachedir: bst's ``cachedir``.
        dead: process id and mark of a process that has died: its files only.
    """
    directory = os.path.join(cachedir, "cas", "tmp")
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return 0
    # After the names, as a session is marked before it writes.
    present = marks(cachedir)
    count = 0
    for name in names:
        found = _OWNED.match(name)
        if found is None:
            continue
        alive = found[2] in present if dead is None else (int(found[1]), found[2]) != dead
        if alive:
            continue
        try:
            os.unlink(os.path.join(directory, name))
            count += 1
        except OSError:
            # Somebody else was faster, or it goes with the next expiry.
            continue
    return count


def _existing(path: str) -> str:
    """The nearest directory above that exists."""
    while path and not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path or "."
