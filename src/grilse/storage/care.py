"""Looks after the cache: verifies it, repairs it, cleans it, and says in numbers what is in it.

Knows what can go wrong on disk; returns data, which others show.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from grilse.platform.files import free_space, thread_count
from grilse.storage import refs
from grilse.storage.census import Blob, Kind, Progress, Reach, blobs, object_files, record_base, records
from grilse.storage.errors import cas_error
from grilse.storage.expiry import Limits, Removed, Room, reduce, remove_stale, room
from grilse.storage.sessions import Session, guard, oldest_start
from grilse.storage.store import Store

_CHUNK = 1 << 20  # bytes read at once when hashing
_MAX_THREADS = 8
_STAT_CACHE_AGE = 30 * 24 * 3600.0  # seconds after which a host directory's remembered digests are dropped


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the cache.

    Attributes:
        path: below the cache directory.
        why: what is wrong.
    """

    path: str
    why: str


@dataclass(slots=True)
class Checked:
    """What a check found.

    Attributes:
        blobs: how many were verified.
        size: bytes of them.
        records: how many records of artifacts and sources were looked at.
        bad_blobs: blobs that are not what their name says.
        broken_records: records that cannot be read, or lack a blob they require.
        strays: files that do not belong where they are.
        repaired: how many of these were removed.
    """

    blobs: int = 0
    size: int = 0
    records: int = 0
    bad_blobs: list[Fault] = field(default_factory=list)
    broken_records: list[Fault] = field(default_factory=list)
    strays: list[Fault] = field(default_factory=list)
    repaired: int = 0

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong that matters to a build (strays do not)."""
        return not self.bad_blobs and not self.broken_records


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the cache.

    Attributes:
        count: records, or blobs for parts without records.
        size: bytes of its blobs, each counted once.
        alone: bytes of the blobs that no other part needs.
    """

    count: int
    size: int
    alone: int


@dataclass(frozen=True, slots=True)
class Info:
    """What is in the cache.

    Attributes:
        room: how much it holds and may hold.
        blobs: number of blobs.
        disk_size: bytes of the file system that the cache is on.
        parts: by name: "artifacts", "build trees" (and sources and sandboxes kept with artifacts), "sources",
            "unnamed" (what no record names).
        oldest: last use of the least recently used record, seconds since the epoch, or None without records.
        trees: bytes of unpacked trees and other files of grilse's own.
        in_use_since: beginning of the oldest running session, or None.
    """

    room: Room
    blobs: int
    disk_size: int
    parts: dict[str, Share]
    oldest: float | None
    trees: int
    in_use_since: float | None


def check(store: Store, *, repair: bool = False, elsewhere: bool = False, progress: Progress | None = None) -> Checked:
    """Verify every blob against its name, and every record against the blobs it requires.

    Args:
        store: the cache.
        repair: whether to remove what is wrong: bad blobs, then records that lack one.  A record that a running
            session may still be fetching blobs for is left.
        elsewhere: whether a storage service has what records name, so that nothing is wrong with one that lacks blobs.
        progress: called with bytes verified and bytes in all.

    Raises:
        CasError: the cache cannot be read, or not be repaired.
    """
    report = Checked()
    present = blobs(store)
    total = sum(blob.size for blob in present.values())
    for path, name in _strays(store):
        report.strays.append(Fault(os.path.relpath(path, store.cachedir), "not a blob"))
        if repair and name != "":
            report.repaired += _unlink(path)
    done = 0
    for name, why in _verify(store, list(present)):
        report.blobs += 1
        report.size += present[name].size
        done += present[name].size
        if why:
            path = f"{store.objects}/{name[:2]}/{name[2:]}"
            report.bad_blobs.append(Fault(os.path.relpath(path, store.cachedir), why))
            del present[name]
            if repair:
                report.repaired += _remove_bad(store, name)
        if progress is not None:
            progress(done, total)
    # The store may have decoded directories that are gone now.
    _check_records(Store(store.cachedir), present, report, repair=repair, elsewhere=elsewhere)
    return report


def _remove_bad(store: Store, name: str) -> int:
    """Remove a bad blob, unless somebody has replaced it by a good one; 1 if that was done."""
    path = f"{store.objects}/{name[:2]}/{name[2:]}"
    with store.scratch_file() as aside:
        try:
            os.rename(path, aside)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise cas_error(error, f"remove '{path}'") from error
        if _fault(aside, name) == "":
            os.rename(aside, path)
            return 0
    return 1


def _check_records(store: Store, present: dict[str, Blob], report: Checked, *, repair: bool, elsewhere: bool) -> None:
    """Verify that records are whole, with what is in the store."""
    with guard(store.cachedir):
        start = oldest_start(store.cachedir)
    reach = Reach(store, present)
    for record in records(store):
        report.records += 1
        if reach.record(record, set()) or (record.readable and elsewhere):
            continue
        if not record.readable:
            why = "cannot be read"
        else:
            absent = next((tree for tree in record.trees + record.blobs if not reach.has(tree)), None)
            why = f"blob {absent} is missing" if absent else "part of its tree is missing"
        report.broken_records.append(Fault(f"{record.kind.value}/{record.ref}", why))
        if repair and (start is None or record.used < start * 1e9):
            report.repaired += refs.remove_ref(record_base(store, record.kind), record.ref)


def _verify(store: Store, names: list[str]) -> Iterator[tuple[str, str]]:
    """Hash blobs in several threads: each name, and what is wrong or ""."""

    def verify(name: str) -> str:
        return _fault(f"{store.objects}/{name[:2]}/{name[2:]}", name)

    threads = min(_MAX_THREADS, thread_count())
    with ThreadPoolExecutor(threads, thread_name_prefix="check") as pool:
        # Not all at once: a future for each of a million blobs takes a gigabyte.
        for at in range(0, len(names), 1000):
            part = names[at : at + 1000]
            yield from zip(part, pool.map(verify, part))


def _fault(path: str, name: str) -> str:
    """What is wrong with a blob, or ""."""
    state = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while data := file.read(_CHUNK):
                state.update(data)
    except FileNotFoundError:
        return ""  # expired meanwhile
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if state.hexdigest() == name else "its content is not what its name says"


def _strays(store: Store) -> Iterator[tuple[str, str]]:
    """Paths of files among the blobs whose name is no hash, and why they may be removed ("" if they may not)."""
    for name, entry in object_files(store):
        if not name:
            yield entry.path, "" if entry.is_dir(follow_symlinks=False) else "stray"


def prune(
    store: Store,
    *,
    unused_for: float | None = None,
    goal: int | None = None,
    elsewhere: bool = False,
    session: Session | None = None,
    progress: Progress | None = None,
) -> Removed:
    """Remove what nobody needs: blobs that no record names, records that lack a blob, what the killed left.

    What a running session uses stays.

    Args:
        store: the cache.
        unused_for: seconds; records that were not used for so long go, too.
        goal: bytes; the least recently used go, too, until no more than this is left.
        elsewhere: whether a storage service has what records name, so that these stay although blobs go.
        session: one whose use does not count, the caller's.
        progress: called with blobs removed and blobs to remove.

    Raises:
        CasError: the cache cannot be read or changed.
    """
    freed = remove_stale(store)
    _remove_old_stats(store)
    present = blobs(store)
    total = sum(blob.size for blob in present.values())
    before = None if unused_for is None else time.time() - unused_for
    removed = reduce(
        store,
        present,
        total if goal is None else goal,
        unnamed=True,
        before=before,
        elsewhere=elsewhere,
        session=session,
        progress=progress,
    )
    removed.size += freed
    return removed


def info(store: Store, limits: Limits) -> Info:
    """What is in the cache, and how full it is.

    Raises:
        CasError: the cache cannot be read.
    """
    present = blobs(store)
    reach = Reach(store, present)
    parts: dict[str, set[str]] = {"artifacts": set(), "build trees": set(), "sources": set()}
    counts = dict.fromkeys(parts, 0)
    oldest: int | None = None
    for record in records(store):
        name = "artifacts" if record.kind is Kind.ARTIFACT else "sources"
        counts[name] += 1
        extra = record.extra_trees
        record.extra_trees = []
        reach.record(record, parts[name])
        if extra:
            counts["build trees"] += 1
            for tree in extra:
                own: set[str] = set()
                reach.tree(tree, own)
                parts["build trees"] |= own
        oldest = record.used if oldest is None else min(oldest, record.used)
    named: set[str] = set().union(*parts.values())
    parts["unnamed"] = {name for name in present if name not in named}
    counts["unnamed"] = len(parts["unnamed"])
    shares: dict[str, Share] = {}
    for name, own in parts.items():
        others: set[str] = set().union(*(other for key, other in parts.items() if key != name))
        shares[name] = Share(counts[name], _size(present, own), _size(present, own - others))
    used = sum(blob.size for blob in present.values())
    state = room(store, limits, used)
    with guard(store.cachedir):
        since = oldest_start(store.cachedir)
    return Info(
        room=state,
        blobs=len(present),
        disk_size=_disk_size(store),
        parts=shares,
        oldest=None if oldest is None else oldest / 1e9,
        trees=_directory_size(os.path.join(store.cachedir, "grilse")),
        in_use_since=since,
    )


def _size(present: dict[str, Blob], names: set[str]) -> int:
    return sum(present[name].size for name in names if name in present)


def _disk_size(store: Store) -> int:
    try:
        return free_space(store.cachedir)[1]
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise cas_error(error, f"look at the disk of '{store.cachedir}'") from error


def _directory_size(path: str) -> int:
    """Bytes of the files below a directory; what vanishes meanwhile or may not be read does not count."""
    total = 0
    stack = [path]
    while stack:
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _remove_old_stats(store: Store) -> None:
    """Drop what is remembered of host directories that were not captured for long."""
    directory = os.path.join(store.cachedir, "grilse", "stat")
    oldest = time.time() - _STAT_CACHE_AGE
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.stat(follow_symlinks=False).st_mtime < oldest:
                    _unlink(entry.path)
    except OSError:
        return


def _unlink(path: str) -> int:
    """Remove a file; 1 if that was done.

    Raises:
        CasError: it is there and cannot be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise cas_error(error, f"remove '{path}'") from error
    return 1
