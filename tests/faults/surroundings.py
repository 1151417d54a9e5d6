"""A directory of its own for a campaign: caches, the base system, sessions of the program, and what these leave behind.

Knows nothing of what is done to the sessions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from grilse import platform
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.care import check
from grilse.storage.store import Store

REPOSITORY = Path(__file__).resolve().parents[2]
# Seconds within which an undisturbed session must end, on a machine that has much else to do.
SESSION_LIMIT = 300.0
# Seconds between two looks at what still runs.
LOOK_INTERVAL = 0.01


class CampaignFailed(Exception):
    """The campaign itself could not be carried out."""


def base_system(output: Path | None = None) -> Path:
    """The base system of ``examples/compile``, made now if it is not there yet.

    Raises:
        CampaignFailed: it cannot be made on this machine.
    """
    place = output or REPOSITORY / "examples" / "compile" / "base"
    tool = REPOSITORY / "tools" / "make-base-system"
    done = subprocess.run([sys.executable, str(tool), str(place)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CampaignFailed(f"The base system cannot be made: {done.stderr.strip() or done.returncode}")
    return place


@dataclass(slots=True)
class Left:
    """What is there after a session that should not be: each in words."""

    processes: list[str] = field(default_factory=list)
    mounts: list[str] = field(default_factory=list)
    scratch: list[str] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """Everything, with what it is."""
        named = (("process", self.processes), ("mount", self.mounts), ("scratch", self.scratch), ("cache", self.damage))
        return [f"{kind}: {what}" for kind, found in named for what in found]


class Home:
    """Caches, logs and temporary files of sessions, below `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cachedir = path / "bst"
        self.temporary = path / "tmp"
        self.events = path / "events.jsonl"
        self.output = path / "output"
        self.temporary.mkdir(parents=True, exist_ok=True)
        (path / "user.conf").write_text(
            f"cachedir: {self.cachedir}\nsourcedir: {path}/sources\nlogdir: {path}/logs\n"
            "scheduler: {on-error: continue, network-retries: 0}\n"
        )

    def environment(self) -> dict[str, str]:
        """The environment of sessions."""
        homes = {f"XDG_{name}_HOME": str(self.path / name.lower()) for name in ("CACHE", "CONFIG", "DATA", "STATE")}
        return {
            **os.environ,
            **homes,
            "PYTHONPATH": str(REPOSITORY / "src"),
            "TMPDIR": str(self.temporary),
            "GRILSE_EVENTS": str(self.events),
        }

    def start(self, project: Path, *words: str) -> subprocess.Popen[bytes]:
        """Start a session; what it says goes to the file `output`, its events to the file `events`."""
        self.events.unlink(missing_ok=True)
        with open(self.output, "wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "grilse", "--no-interactive", "--config", str(self.path / "user.conf"), *words],
                cwd=project,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, project: Path, *words: str) -> float:
        """Run a session to its good end; seconds.

        Raises:
            CampaignFailed: it failed, or took too long.
        """
        started = time.monotonic()
        process = self.start(project, *words)
        try:
            status = process.wait(SESSION_LIMIT)
        except subprocess.TimeoutExpired:
            platform.kill_tree(process.pid)
            raise CampaignFailed(f"'{' '.join(words)}' did not end:\n{self.last_words()}") from None
        if status != 0:
            raise CampaignFailed(f"'{' '.join(words)}' ended with status {status}:\n{self.last_words()}")
        return time.monotonic() - started

    def last_words(self) -> str:
        """The end of what the last session said."""
        return self.output.read_bytes()[-4000:].decode(errors="replace")

    def told(self) -> list[dict[str, Any]]:
        """The events of the last session, as far as they are whole."""
        try:
            lines = self.events.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1]]

    def artifacts(self) -> dict[str, tuple[bool, str]]:
        """Whether each artifact is one of a success, and the digest of its files; by name and key."""
        cache = ArtifactCache(Store(str(self.cachedir)))
        found = {}
        for name in cache.list():
            project, element, key = name.split("/")
            artifact = cache.lookup(project, element, key)
            if artifact is not None:
                found[name] = (artifact.success, str(artifact.files))
        return found

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.path)


def own_processes() -> list[psutil.Process]:
    """Everything that descends from this process, which must be a subreaper, zombies left out.

    Orphans that have ended are reaped.
    """
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def reap_orphans(keep: int) -> None:
    """Reap the orphans of dead sessions that have come to this process; `keep` is a child that others wait for."""
    for child in psutil.Process().children():
        if child.pid == keep:
            continue
        try:
            if child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)
        except (psutil.NoSuchProcess, ChildProcessError):
            continue


def wait_until_alone(process: subprocess.Popen[bytes], limit: float, progress: Path | None = None) -> list[str]:
    """Wait at most `limit` seconds until a session and all its processes are gone; those that are not, in words.

    What is left is killed then, so that the next run is a fair one.  With a file that shows the session's progress, the
    limit begins anew whenever that has grown: a session that goes on is given the time that it needs.
    """
    deadline = time.monotonic() + limit
    size = 0
    while True:
        if progress is not None and process.poll() is None and size != (size := progress.stat().st_size):
            deadline = time.monotonic() + limit
        process.poll()
        reap_orphans(process.pid)
        left = own_processes()
        if not left:
            process.wait()
            return []
        if time.monotonic() > deadline:
            break
        time.sleep(LOOK_INTERVAL)
    words = []
    for one in left:
        try:
            words.append(f"{one.pid} {' '.join(one.cmdline())[:200]}")
        except psutil.NoSuchProcess:
            continue
    platform.kill_tree(os.getpid(), spare_root=True)
    process.wait()
    reap_orphans(-1)
    return words


def look_after(home: Home) -> Left:
    """What mounts, scratch files and damage a session has left that has ended."""
    left = Left()
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:
        left.mounts = [line.split()[4] for line in mounts if str(home.path) in line]
    left.scratch = sorted(_scratch(home))
    left.damage = damage(home.cachedir)
    return left


def damage(cachedir: Path) -> list[str]:
    """What is wrong with a cache: every object is compared with its name."""
    found = check(Store(str(cachedir)))
    return [f"{fault.path}: {fault.why}" for fault in (*found.bad_blobs, *found.broken_records, *found.strays)]


# Directories, below the cache directory, in which jobs work: nobody is left to work in them.
_WORKPLACES = ("build", "tmp", "cas/tmp", "cas/staging", "grilse/sandbox", "grilse/sessions")


def _scratch(home: Home) -> Iterator[str]:
    for place in [home.temporary, *(home.cachedir / name for name in _WORKPLACES)]:
        if place.is_dir():
            yield from (str(path.relative_to(home.path)) for path in place.iterdir())
    sources = home.path / "sources"
    for pattern in ("*/*tmp*", "*/*/*tmp*"):
        yield from (str(path.relative_to(home.path)) for path in sources.glob(pattern))


@contextmanager
def campaign_directory(prefix: str, parent: str | None) -> Iterator[Path]:
    """A directory for one campaign, which is kept when something went wrong."""
    import tempfile

    if parent is not None:
        Path(parent).mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    yield path
    shutil.rmtree(path)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all values do not exceed (nearest rank); nan without values."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]
