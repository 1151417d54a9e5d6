"""Kills processes of commands that write what belongs to a user, or to the cache, or lets the disk be full meanwhile.

    python -m tests.faults.store --runs 50 [--seed 1] [--directory DIRECTORY] [--commands checkout,reset,...]

Checkouts, expiry, ``cache prune`` and ``cache check --repair``, workspaces, tracking, in turn.  In every second run one
process, a frontend, a backend or a worker, is killed at a random instant; in the others everything is on a tmpfs with
less space than the command needs.  A *loss* is a file of the user's that is neither the old nor the new one, a place
that must change as a whole and did not, an object of the cache that is not what its name says, or the same command
failing afterwards.  The exit status is 1 if there was a loss.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from grilse import platform
from grilse.platform.files import free_space
from grilse.storage.store import Store

from .cancel import say
from .kill import AFTERMATH, damage_but_strays, kill_one
from .surroundings import CampaignFailed, Home, campaign_directory, damage, wait_until_alone

# Elements, files of each, and bytes of a file.
ELEMENTS, FILES, FILE_SIZE = 6, 12, 30_000
# Bytes that the cache may hold while it expires: what all elements need, but not twice as much.
QUOTA = 3_200_000
# The part of an undisturbed command's time that instants are chosen from: before, hardly anything is written.
SPAN = (0.3, 1.05)
# The part of the space that an undisturbed command takes which is left to it.
ROOM = (0.0, 1.2)
# Bytes of a tmpfs that is not to be full.
AMPLE = 512 << 20
# How files are named that nobody has finished; the next command that works there removes them.
UNFINISHED = ".grilse-"
FAULTS = ("kill", "full")

# What a place holds: bytes of files, targets of links, None for directories.
Contents = dict[str, bytes | str | None]


@dataclass(frozen=True, slots=True)
class Command:
    """A command and what it works on.

    Attributes:
        words: of the command line, with ``{user}`` for the user's directory.
        prepare: makes what is there before it, after the project has been built.
        whole: what must be as before or as after as a whole, below the user's directory; elsewhere that holds for each
            file.
        settings: more of how the user has configured the cache.
        mends: whether the cache is damaged before.
    """

    words: tuple[str, ...]
    prepare: Callable[[Arena], None] = lambda arena: None
    whole: tuple[str, ...] = ()
    settings: str = ""
    mends: bool = False


@dataclass(slots=True)
class Run:
    """One fault: what it was, the command's exit status, and what was lost, each in words."""

    command: str
    fault: str
    status: int | None
    loss: list[str] = field(default_factory=list)


class Arena:
    """Everything that a command works on, below `path`, which is always the same one since workspaces name it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.user = path / "user"
        self.project = self.user / "project"

    def home(self, settings: str = "") -> Home:
        """The homes and caches, with more of how the user has configured these."""
        home = Home(self.path / "home")
        with open(home.path / "user.conf", "a") as file:
            # No reserve: a write has to fail in the end, not only be refused.
            file.write(f"cache: {{reserved-disk-space: 0, {settings}}}\n")
        return home

    def run(self, *words: str) -> None:
        """Run a command to its good end."""
        self.home().finish(self.project, *words)

    def contents(self) -> Contents:
        """All that is the user's."""
        found: Contents = {}
        for top, folders, files in os.walk(self.user):
            for name in (*folders, *files):
                path = Path(top, name)
                relative = str(path.relative_to(self.user))
                mode = path.lstat().st_mode
                if stat.S_ISLNK(mode):
                    found[relative] = os.readlink(path)
                elif not stat.S_ISREG(mode):
                    found[relative] = None
                else:
                    found[relative] = members(path) if path.suffix == ".tar" else path.read_bytes()
        return found


def members(path: Path) -> bytes:
    """What an archive holds, without the times of its members; the file itself if it is no whole archive."""
    content = path.read_bytes()
    digest = hashlib.sha256()
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                digest.update(repr((member.name, member.type, member.mode, member.size, member.linkname)).encode())
                if (file := archive.extractfile(member)) is not None:
                    digest.update(file.read())
            whole = content[archive.offset - tarfile.BLOCKSIZE :]
    except (tarfile.TarError, OSError, EOFError):
        return content
    return digest.digest() if len(whole) >= 2 * tarfile.BLOCKSIZE else content


def write_project(path: Path) -> None:
    """Imports below ``all.bst``, and an element to be tracked; refs are stored inline."""
    (path / "elements").mkdir(parents=True)
    (path / "project.conf").write_text("name: faults\nmin-version: 2.0\nelement-path: elements\n")
    dice = random.Random(0)
    for number in range(ELEMENTS):
        for file in range(FILES):
            place = path / "files" / str(number) / f"d{file % 3}" / f"f{number}-{file}"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(dice.randbytes(FILE_SIZE))
        text = f"kind: import\nsources:\n- kind: local\n  path: files/{number}\n"
        (path / "elements" / f"e{number}.bst").write_text(text)
    names = ", ".join(f"e{number}.bst" for number in range(ELEMENTS))
    (path / "elements" / "all.bst").write_text(f"kind: stack\ndepends: [{names}]\n")
    sources = "".join(f"- kind: remote  # number {n}\n  url: file://{path}/files/{n}/d0/f{n}-0\n" for n in range(3))
    (path / "elements" / "tracked.bst").write_text(f"# What is tracked\nkind: import\n\nsources:\n{sources}")


def _taken(arena: Arena) -> None:
    """The user has a directory with files, some of which have names that the checkout has, too."""
    place = arena.user / "out"
    (place / "d0").mkdir(parents=True)
    for name in ("mine", "d0/f0-0", "d0/f3-3", "d0/own"):
        (place / name).write_text(f"the user's {name}\n" * 100)
    (place / "d1").symlink_to("d0")
    (arena.user / "out.tar").write_text("an old archive\n" * 1000)


def _opened(arena: Arena) -> None:
    """The user works in a workspace."""
    arena.run("workspace", "open", "--directory", str(arena.user / "ws"), "e1.bst")
    arena.run("build", "e1.bst")
    (arena.user / "ws" / "d0" / "f1-0").write_text("edited\n" * 3000)
    (arena.user / "ws" / "new").write_text("written by the user\n" * 3000)


def _in_use(arena: Arena) -> None:
    place = arena.user / "ws"
    place.mkdir()
    (place / "notes").write_text("what the user wrote\n" * 1000)


def _used(arena: Arena) -> None:
    """The cache holds what nobody names any more, and what was used long ago."""
    store = Store(str(arena.path / "home" / "bst"))
    for number in range(40):
        store.add_bytes(b"%d" % number * 4000)
    for top, _, files in os.walk(store.cachedir):
        for number, name in enumerate(files):
            os.utime(os.path.join(top, name), (1000.0 + number % 7, 1000.0 + number % 7))


def _changed(arena: Arena) -> None:
    """Everything is to be built again, into a cache that is too small for both."""
    _used(arena)
    for number in range(ELEMENTS):
        for place in (arena.project / "files" / str(number)).glob("d0/*"):
            place.write_bytes(random.Random(f"changed {place.name}").randbytes(FILE_SIZE))


def _damaged(arena: Arena) -> None:
    """Some of the cache is not what its name says."""
    for number, path in enumerate(sorted((arena.path / "home" / "bst" / "cas" / "objects").glob("*/*"))):
        if number % 5 == 0:
            path.chmod(0o644)
            path.write_bytes(b"damaged")


def _apart(arena: Arena) -> None:
    """Refs are stored in one file, in which there are some already."""
    with open(arena.project / "project.conf", "a") as file:
        file.write("ref-storage: project.refs\n")
    arena.run("source", "track", "tracked.bst")
    (arena.project / "files" / "1" / "d0" / "f1-0").write_text("changed upstream\n")


COMMANDS = {
    "checkout": Command(("artifact", "checkout", "--directory", "{user}/out", "all.bst"), whole=("out",)),
    "reset": Command(("workspace", "reset", "e1.bst"), _opened, whole=("ws",)),
    "expiry": Command(("build", "all.bst"), _changed, settings=f"quota: {QUOTA}, low-watermark: 50%"),
    "track": Command(("source", "track", "tracked.bst")),
    "tar": Command(("artifact", "checkout", "--tar", "{user}/new.tar", "all.bst")),
    "open": Command(("workspace", "open", "--directory", "{user}/ws", "e1.bst"), whole=("ws",)),
    "forced": Command(("artifact", "checkout", "--force", "--directory", "{user}/out", "all.bst"), _taken),
    "prune": Command(("cache", "prune"), _used, settings=f"quota: {QUOTA}"),
    "workspace build": Command(("build", "all.bst"), _opened),
    "hardlinks": Command(
        ("artifact", "checkout", "--hardlinks", "--directory", "{user}/out", "all.bst"), whole=("out",)
    ),
    "repair": Command(("cache", "check", "--repair"), _damaged, mends=True),
    "close": Command(("workspace", "close", "e1.bst"), _opened),
    "apart": Command(("source", "track", "tracked.bst"), _apart),
    "forced tar": Command(("artifact", "checkout", "--force", "--tar", "{user}/out.tar", "all.bst"), _taken),
    "forced open": Command(
        ("workspace", "open", "--force", "--directory", "{user}/ws", "e1.bst"), _in_use, whole=("ws",)
    ),
    "sources": Command(("source", "checkout", "--deps", "all", "--directory", "{user}/src", "all.bst"), whole=("src",)),
    "removal": Command(("workspace", "close", "--remove-dir", "e1.bst"), _opened),
    "source tar": Command(("source", "checkout", "--deps", "all", "--tar", "{user}/src.tar", "all.bst")),
}


class Campaign:
    """The arena, what each command finds in it, and what each command makes of that."""

    def __init__(self, path: Path, faults: tuple[str, ...]) -> None:
        self._path = path
        self._faults = faults
        self.arena = Arena(path / "arena")
        self._before: dict[str, Contents] = {}
        self._after: dict[str, Contents] = {}
        self._needs: dict[str, tuple[float, int]] = {}
        with self._mounted(None):
            write_project(self.arena.project)
            self.arena.run("build", "all.bst")
            self._keep("built")

    def learn(self, name: str) -> None:
        """Run a command undisturbed: what there is before and after, how long it takes, how much space."""
        command = COMMANDS[name]
        with self._mounted(AMPLE if "full" in self._faults else None):
            self._lay("built")
            command.prepare(self.arena)
            self._keep(name)
            self._before[name] = self.arena.contents()
            free = free_space(str(self.arena.path))[0]
            seconds = self._finish(command)
            self._after[name] = self.arena.contents()
            self._needs[name] = seconds, max(free - free_space(str(self.arena.path))[0], 64 << 10)

    def disturb(self, name: str, fault: str, dice: random.Random) -> Run:
        """Run a command with a fault, and look at what is there then; once more without, and look again."""
        command = COMMANDS[name]
        seconds, space = self._needs[name]
        with self._mounted(AMPLE if fault == "full" else None):
            self._lay(name)
            home = self.arena.home(command.settings)
            if fault == "full":
                used = AMPLE - free_space(str(self.arena.path))[0]
                self._resize(used + int(dice.uniform(*ROOM) * space))
            process = home.start(self.arena.project, *self._words(command))
            what = fault
            if fault == "kill":
                try:
                    process.wait(dice.uniform(*SPAN) * seconds)
                except subprocess.TimeoutExpired:
                    what = kill_one(process.pid, dice)
                else:
                    what = "nobody"
            left = wait_until_alone(process, AFTERMATH)
            found = Run(name, what, process.returncode, [f"still runs: {words}" for words in left])
            said = home.last_words()
            if fault == "full":
                self._resize(AMPLE)
                if "Traceback" in said:
                    found.loss.append(f"a traceback: {said[-300:]}")
            if not command.mends:
                found.loss += damage_but_strays(home)
            found.loss += self._judge(name, self._before[name], self._after[name])
            if self.arena.contents() != self._after[name] or self._before[name] == self._after[name]:
                try:
                    self._finish(command)
                except CampaignFailed as error:
                    found.loss.append(str(error)[-1500:])
                found.loss += self._judge(name, self._after[name], self._after[name], last=True)
                found.loss += damage(home.cachedir)
            if found.loss:
                say(f"{name}, {what}, status {found.status}", *found.loss[:10], said[-600:])
        return found

    def _words(self, command: Command) -> list[str]:
        return [word.format(user=self.arena.user) for word in command.words]

    def _finish(self, command: Command) -> float:
        return self.arena.home(command.settings).finish(self.arena.project, *self._words(command))

    def _judge(self, name: str, old: Contents, new: Contents, *, last: bool = False) -> list[str]:
        """Which of the user's files are neither old nor new."""
        now = self.arena.contents()
        loss = []
        for path in sorted({*now, *old, *new}):
            if any(part.startswith(UNFINISHED) for part in path.split(os.sep)):
                loss += [f"left behind: {path}"] if last else []
            elif not (_same(now, old, path) or _same(now, new, path)):
                loss.append(f"neither old nor new: {path}")
        for place in COMMANDS[name].whole:
            mine = _below(now, place)
            if mine not in (_below(old, place), _below(new, place)) and any(
                value is not None for value in mine.values()
            ):
                loss.append(f"half-way: {place}, {len(mine)} entries")
        return loss

    @contextmanager
    def _mounted(self, size: int | None) -> Iterator[None]:
        """The arena, new and empty: a tmpfs of so many bytes, or a plain directory."""
        self.arena.path.mkdir()
        if size is not None:
            _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(self.arena.path))
        try:
            yield
        finally:
            if size is not None:
                subprocess.run(["umount", str(self.arena.path)], check=True)
            shutil.rmtree(self.arena.path)

    def _resize(self, size: int) -> None:
        # Pages are what a tmpfs counts, and no pages mean no limit.
        _mount("-o", f"remount,size={max(size, 1 << 16)}", str(self.arena.path))

    def _keep(self, name: str) -> None:
        shutil.copytree(self.arena.path, self._path / "kept" / name, symlinks=True)

    def _lay(self, name: str) -> None:
        shutil.copytree(self._path / "kept" / name, self.arena.path, symlinks=True, dirs_exist_ok=True)


_ABSENT = object()


def _same(one: Contents, other: Contents, path: str) -> bool:
    return one.get(path, _ABSENT) == other.get(path, _ABSENT)


def _below(contents: Contents, place: str) -> Contents:
    return {path: value for path, value in contents.items() if path.startswith(place + os.sep)}


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise CampaignFailed(f"A tmpfs cannot be mounted: {done.stderr.strip()}")


def can_mount(path: Path) -> bool:
    """Whether a tmpfs can be mounted here, for which one must be root."""
    place = path / "mounted"
    place.mkdir()
    try:
        _mount("-t", "tmpfs", "tmpfs", str(place))
    except (CampaignFailed, FileNotFoundError):
        return False
    else:
        subprocess.run(["umount", str(place)], check=True)
        return True
    finally:
        place.rmdir()


def campaign(path: Path, *, runs: int, seed: int, commands: tuple[str, ...], faults: tuple[str, ...]) -> list[Run]:
    """Disturb commands so many times, each in turn."""
    platform.become_subreaper()
    dice = random.Random(seed)
    stage = Campaign(path, faults)
    found: list[Run] = []
    learnt: set[str] = set()
    for number in range(runs):
        name = commands[number % len(commands)]
        if name not in learnt:
            stage.learn(name)
            learnt.add(name)
        found.append(stage.disturb(name, faults[(number + number // len(commands)) % len(faults)], dice))
    return found


def report(found: list[Run]) -> str:
    """The figures: a table in Markdown."""
    lines = [
        "| command | runs | killed | disk full | ended well | losses |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name in [*dict.fromkeys(run.command for run in found), "all"]:
        mine = [run for run in found if name in (run.command, "all")]
        full = sum(run.fault == "full" for run in mine)
        killed = sum(run.fault not in ("full", "nobody") for run in mine)
        well, lost = sum(run.status == 0 for run in mine), sum(bool(run.loss) for run in mine)
        lines.append(f"| {name} | {len(mine)} | {killed} | {full} | {well} | {lost} |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Run the campaign."""
    words = argparse.ArgumentParser(prog="python -m tests.faults.store", description=__doc__.splitlines()[0])
    words.add_argument("--runs", type=int, default=50)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--directory", help="where to work (default: the temporary directory)")
    words.add_argument("--commands", default=",".join(COMMANDS), help="which commands")
    chosen = words.parse_args(arguments)
    started = time.monotonic()
    with campaign_directory("grilse-store-", chosen.directory) as path:
        faults = FAULTS if can_mount(path) else ("kill",)
        if faults != FAULTS:
            say("no tmpfs can be mounted here (that takes root): the disk is never full")
        names = tuple(chosen.commands.split(","))
        found = campaign(path, runs=chosen.runs, seed=chosen.seed, commands=names, faults=faults)
    load = ", ".join(f"{figure:.1f}" for figure in os.getloadavg())
    seconds = time.monotonic() - started
    print(f"{report(found)}\n\n{chosen.runs} runs, seed {chosen.seed}, {seconds:.0f} s, load at the end {load}")
    return 1 if any(run.loss for run in found) else 0


if __name__ == "__main__":
    sys.exit(main())
