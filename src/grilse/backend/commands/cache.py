"""``cache info``, ``check`` and ``prune``: what the local cache holds, whether it is sound, and making it smaller.

Knows how the numbers of the storage room are shown.
"""

from __future__ import annotations

import os
import time
from dataclasses import asdict
from typing import Any

from ...project.api import open_session
from ...project.user_config import UserConfig
from ...protocol.requests import CacheCheck, CacheInfo, CachePrune
from ...sandbox.trees import drop_trees
from ...storage import care
from ...storage.census import blobs
from ...storage.expiry import room
from ...storage.sessions import Session as CacheUse
from ...storage.store import Store
from ..session import Session
from ..upkeep import limits_of

# Exit status of a check that found faults and left them.
STATUS_UNSOUND = 1

_SHOWN_FAULTS = 50  # of each kind; all of them are in the JSON form


def _open(session: Session) -> tuple[UserConfig, Store]:
    def warn(message: str, detail: str | None = None) -> None:
        session.reporter.text("warn", message, detail=detail)

    config = open_session(session.request.invocation, os.environ, warn=warn).config
    return config, Store(config.cachedir)


def info(session: Session, action: CacheInfo) -> int:
    """Say what is in the cache and how full it is.

    Raises:
        GrilseError: the configuration is wrong, or the cache cannot be read.
    """
    config, store = _open(session)
    found = care.info(store, limits_of(config))
    data: dict[str, Any] = {**asdict(found), "directory": config.cachedir, "exceeded": found.room.exceeded}
    if session.request.output_json:
        session.reporter.values(data)
        return 0
    state = found.room
    lines = [f"Cache directory  {config.cachedir}", f"Blobs            {found.blobs:,}, {size(state.used)}"]
    if config.quota is None:
        lines.append(f"Quota            none; {size(state.reserved)} of the disk stay free")
    else:
        lines.append(f"Quota            {size(config.quota)}; {size(state.reserved)} of the disk stay free")
    lines.append(f"Disk             {size(state.free)} of {size(found.disk_size)} free")
    if state.quota is not None:
        share = f", {100 * state.used // state.quota}% of it used" if state.quota else ""
        lines.append(f"May grow to      {size(state.quota)}{share}")
    lines.append("")
    lines.append("                   records       bytes   only here")
    for name, part in found.parts.items():
        lines.append(f"{name:<14}{part.count:>12,}{size(part.size):>12}{size(part.alone):>12}")
    lines.append(f"{'grilse itself':<14}{'':>12}{size(found.trees):>12}")
    lines.append("")
    if found.oldest is not None:
        lines.append(f"Least recently used  {_day(found.oldest)}")
    if found.in_use_since is not None:
        lines.append(f"In use since         {_day(found.in_use_since)}; what was used since then stays")
    if state.exceeded:
        lines.append("The cache exceeds what it may hold; the next session, or `cache prune`, makes room.")
    session.reporter.output("\n".join(lines).rstrip() + "\n")
    return 0


def check(session: Session, action: CacheCheck) -> int:
    """Verify the cache, and drop what is broken if asked to; the status is 1 if faults are left.

    Raises:
        GrilseError: the configuration is wrong, or the cache cannot be read or repaired.
    """
    config, store = _open(session)
    with session.reporter.span("Checking cache"):
        found = care.check(store, repair=action.repair, elsewhere=config.storage_service is not None)
    if session.request.output_json:
        session.reporter.values({**asdict(found), "sound": found.sound})
    else:
        lines = [f"Verified {found.blobs:,} blobs ({size(found.size)}) and {found.records:,} records"]
        kinds = (("Bad blobs", found.bad_blobs), ("Broken records", found.broken_records), ("Strays", found.strays))
        for title, faults in kinds:
            if faults:
                lines.append(f"{title}: {len(faults):,}")
                lines += [f"  {fault.path}: {fault.why}" for fault in faults[:_SHOWN_FAULTS]]
                if len(faults) > _SHOWN_FAULTS:
                    lines.append(f"  and {len(faults) - _SHOWN_FAULTS:,} more")
        if found.sound and not found.strays:
            lines.append("All is well")
        elif action.repair:
            lines.append(f"Removed {found.repaired:,}")
        else:
            lines.append("`cache check --repair` removes these, so that they are made again")
        session.reporter.output("\n".join(lines) + "\n")
    return 0 if found.sound or action.repair else STATUS_UNSOUND


def prune(session: Session, action: CachePrune) -> int:
    """Remove what nobody names, what was left behind, and what was used longest ago until the low watermark.

    Raises:
        GrilseError: the configuration is wrong, or the cache cannot be changed.
    """
    config, store = _open(session)
    limits = limits_of(config)
    with session.reporter.span("Pruning cache"), CacheUse(store.cachedir) as use:
        trees = drop_trees(store)
        used = sum(blob.size for blob in blobs(store).values())
        quota = room(store, limits, used).quota
        goal = None if quota is None else int(quota * limits.low_watermark)
        removed = care.prune(store, goal=goal, elsewhere=limits.elsewhere, session=use)
    if session.request.output_json:
        session.reporter.values({**asdict(removed), "trees": trees})
        return 0
    names = removed.records or []
    counts = f"{removed.blobs:,} blobs, {len(names):,} records and {trees:,} unpacked trees"
    lines = [f"Removed {counts}: {size(removed.size)} of blobs", f"{size(removed.left)} are left"]
    if not removed.enough:
        lines.append("Running sessions need more than the low watermark")
    session.reporter.output("\n".join(lines) + "\n")
    return 0


def size(count: int) -> str:
    """A number of bytes for people: three digits or so and a binary unit."""
    if count < 1024:
        return f"{count} B"
    value = float(count)
    for unit in ("K", "M", "G", "T"):
        value /= 1024
        if value < 1000 or unit == "T":
            break
    return f"{value:.1f} {unit}"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
