"""Makes a base system for sandboxes, a directory tree with a shell and a C compiler, from Debian packages.

Needs apt-get and dpkg-deb, but neither root nor debootstrap: packages are only unpacked, none of their scripts are run.
Which packages, from where and with which hashes is what the machine's own package lists say, whose signatures apt has
checked.  The packages are kept in the user's cache directory; the same packages always make the same tree.  Knows
nothing of grilse.  Standard library only.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "examples" / "compile" / "base"

# Exit statuses.
DONE, FAILED, USAGE, UNSUPPORTED = 0, 1, 2, 3

# What a shell script and a C compiler need; their dependencies come by themselves.
PACKAGES = (
    *("dash", "bash", "coreutils", "sed", "grep", "mawk", "findutils", "diffutils", "tar", "gzip", "xz-utils"),
    *("hostname", "libc-bin", "gcc", "libc6-dev", "make"),
)

# Part of the stamp: to be changed when the same packages make another tree.
FORMAT = 1

# Directories that are links into /usr today, whatever a package says.
MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")

# Documentation, translations and what only the package manager or rarely used options of the compiler need.
OMITTED = (
    "usr/share/doc/*",
    "usr/share/doc-base/*",
    "usr/share/man/*",
    "usr/share/info/*",
    "usr/share/locale/*",
    "usr/share/i18n/*",
    "usr/share/zoneinfo/*",
    "usr/share/lintian/*",
    "usr/share/bug/*",
    "usr/share/bash-completion/*",
    "usr/share/gdb/*",
    "usr/share/gcc/*",
    "usr/lib/*/gconv/*",
    "usr/lib/gcc/*/lto1",
    "usr/lib/gcc/*/lib[alt]san*",
    "usr/lib/gcc/*/libubsan*",
    "usr/lib/gcc/*/libhwasan*",
    "usr/lib/*/lib[alt]san*",
    "usr/lib/*/libubsan*",
    "usr/lib/*/libhwasan*",
    "usr/bin/*lto-dump*",
    "usr/libexec/gcc/*/lto1",
    "var/*",
    "etc/cron*/*",
    "etc/apt/*",
)

# What the scripts of the packages would have linked.
LINKS = {"usr/bin/awk": "mawk", "usr/bin/cc": "gcc", "usr/bin/c++": "g++", "usr/bin/sh": "dash"}

FILES = {"etc/passwd": "root:x:0:0:root:/root:/bin/sh\n", "etc/group": "root:x:0:\n"}

DIRECTORIES = ("dev", "proc", "sys", "tmp", "root", "run", "var/tmp", "etc")

DOWNLOAD_LIMIT_SECONDS = 900
QUERY_LIMIT_SECONDS = 120


class MakeFailed(Exception):
    """What could not be done, and what to try."""


class Unsupported(MakeFailed):
    """This machine has no Debian packages."""


@dataclass(frozen=True)
class Package:
    """A package as the package lists name it.

    Attributes:
        file: its file name.
        hash: algorithm and hexadecimal hash, ``SHA256:...``.
    """

    file: str
    hash: str


def say(text: str) -> None:
    print(f"make-base-system: {text}", file=sys.stderr, flush=True)


def cache_directory() -> Path:
    """Where packages are kept for the next time."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "grilse" / "base-system"


class Apt:
    """apt-get as if nothing were installed, with directories of our own.

    Args:
        cache: our directory.
    """

    def __init__(self, cache: Path) -> None:
        self.archives = cache / "archives"
        self._lists = cache / "lists"
        self._status = cache / "nothing-installed"
        self._own_lists = False
        (self.archives / "partial").mkdir(parents=True, exist_ok=True)
        (self._lists / "partial").mkdir(parents=True, exist_ok=True)
        self._status.touch()

    def _run(self, *words: str, limit: float) -> str:
        settings = {
            "Dir::State::status": self._status,
            "Dir::Cache::archives": self.archives,
            "Debug::NoLocking": "1",
            # As root apt would download as another user, who cannot write here.
            "APT::Sandbox::User": "",
            "APT::Install-Recommends": "0",
            "Acquire::ForceHash": "SHA256",
            "APT::Get::Assume-Yes": "1",
        }
        if self._own_lists:
            settings["Dir::State::lists"] = self._lists
        command = ["apt-get", "-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
        try:
            done = subprocess.run(
                [*command, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=limit,
                env={**os.environ, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired as error:
            raise MakeFailed(f"apt-get did not end within {limit:.0f} s") from error
        if done.returncode != 0:
            raise MakeFailed(f"apt-get {' '.join(words)} failed\n{done.stderr.strip()}")
        return done.stdout

    def resolve(self, names: Sequence[str]) -> list[Package]:
        """The packages and all they depend on.

        Raises:
            MakeFailed: one is unknown even after fetching fresh lists.
        """
        words = ["--print-uris", "install", *names]
        try:
            output = self._run(*words, limit=QUERY_LIMIT_SECONDS)
        except MakeFailed:
            # A fresh machine has no package lists, and only root may fetch the machine's own.
            say("fetching package lists")
            self._own_lists = True
            self._run("update", limit=DOWNLOAD_LIMIT_SECONDS)
            output = self._run(*words, limit=QUERY_LIMIT_SECONDS)
        packages = []
        for line in output.splitlines():
            if line.startswith("'"):
                _, _, rest = line[1:].partition("' ")
                file, _, *hashes = rest.split()
                if not hashes:
                    raise MakeFailed(f"the package lists have no SHA-256 of '{file}'")
                packages.append(Package(file, hashes[0]))
        if not packages:
            # What is in the archives directory already is not listed.
            raise MakeFailed("apt-get named no packages")
        return sorted(packages, key=lambda package: package.file)

    def download(self, names: Sequence[str]) -> None:
        """Fetch what is missing of the packages."""
        self._run("--download-only", "install", *names, limit=DOWNLOAD_LIMIT_SECONDS)


def matches(path: Path, package: Package) -> bool:
    """Whether a file is the package that the lists name."""
    algorithm, _, wanted = package.hash.partition(":")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, algorithm.lower()).hexdigest() == wanted
    except (FileNotFoundError, ValueError):
        return False


def unpack(package: Path, root: Path) -> None:
    """Unpack one package into the tree, leaving out what is not needed.

    Raises:
        MakeFailed: it is no package.
    """
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(package)], stdout=subprocess.PIPE) as process:
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                for member in archive:
                    unpack_member(archive, member, root)
        except (tarfile.TarError, EOFError) as error:
            raise MakeFailed(f"'{package}' cannot be unpacked: {error}") from error
    if process.returncode != 0:
        raise MakeFailed(f"'{package}' cannot be unpacked: dpkg-deb ended with status {process.returncode}")


def place(name: str) -> str:
    """Where something of a package goes, relative to the root and in /usr where that is one today."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise MakeFailed(f"a package wants to put something at '{name}'")
    if parts and parts[0] in MERGED:
        parts.insert(0, "usr")
    return "/".join(parts)


def unpack_member(archive: tarfile.TarFile, member: tarfile.TarInfo, root: Path) -> None:
    name = place(member.name)
    if not name or name in (f"usr/{link}" for link in MERGED if member.issym()):
        return
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in OMITTED):
        return
    target = root / name
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or target.exists():
        target.unlink()
    if member.issym():
        target.symlink_to(member.linkname)
    elif member.islnk():
        # A copy: trees of sources know no hard links.
        shutil.copy2(root / place(member.linkname), target)
    elif member.isfile():
        content = archive.extractfile(member)
        assert content is not None
        with content, open(target, "wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        target.chmod(0o755 if member.mode & stat.S_IXUSR else 0o644)


def finish(root: Path) -> None:
    """Add what no package holds."""
    for name in MERGED:
        if (root / "usr" / name).is_dir():
            (root / name).symlink_to(f"usr/{name}")
    for name in DIRECTORIES:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name, content in FILES.items():
        (root / name).write_text(content)
    for name, link in LINKS.items():
        path = root / name
        if (path.parent / link).exists() and not path.exists():
            path.unlink(missing_ok=True)
            path.symlink_to(link)


@contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Wait until nobody else makes a base system."""
    import fcntl

    with open(cache / "lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove(path: Path) -> None:
    """Remove a tree, if there is one."""
    if path.exists():
        shutil.rmtree(path)


def make(output: Path, names: Sequence[str], cache: Path) -> bool:
    """Make the tree at `output` unless it is there already; returns whether it was made.

    Raises:
        Unsupported: this machine has no Debian packages.
        MakeFailed: something else is wrong.
        OSError: a file cannot be read or written.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unsupported(f"there is no '{program}' here: base systems are made from Debian packages")
    cache.mkdir(parents=True, exist_ok=True)
    with only_one(cache):
        apt = Apt(cache)
        packages = resolve_all(apt, names)
        recipe = {"format": FORMAT, "packages": [[package.file, package.hash] for package in packages]}
        stamp = output.with_name(f".{output.name}.json")
        if output.is_dir() and read_stamp(stamp) == recipe:
            return False
        if not all(matches(apt.archives / package.file, package) for package in packages):
            say(f"downloading {len(packages)} packages")
            for package in packages:
                if not matches(apt.archives / package.file, package):
                    (apt.archives / package.file).unlink(missing_ok=True)
            apt.download(names)
        making = output.with_name(f".{output.name}.making")
        remove(making)
        making.mkdir(parents=True)
        try:
            say(f"unpacking {len(packages)} packages")
            for package in packages:
                if not matches(apt.archives / package.file, package):
                    raise MakeFailed(f"'{package.file}' is not what the package lists say: try 'apt-get update'")
                unpack(apt.archives / package.file, making)
            finish(making)
            stamp.unlink(missing_ok=True)
            remove(output)
            making.rename(output)
        except BaseException:
            remove(making)
            raise
        stamp.write_text(json.dumps(recipe, indent=1) + "\n")
    return True


def resolve_all(apt: Apt, names: Sequence[str]) -> list[Package]:
    """The packages; apt must not see those that it downloaded before, since it names only what is to be fetched."""
    archives = apt.archives
    apt.archives = archives.with_name("no-archives")
    (apt.archives / "partial").mkdir(parents=True, exist_ok=True)
    try:
        return apt.resolve(names)
    finally:
        apt.archives = archives


def read_stamp(path: Path) -> object:
    """What the tree was made of, or None."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def measure(root: Path) -> tuple[int, int]:
    """Number of files and links, and bytes, in a tree."""
    files = size = 0
    for directory, _, names in os.walk(root):
        for name in names:
            files += 1
            size += os.lstat(os.path.join(directory, name)).st_size
    return files, size


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="make-base-system",
        description="Make a small base system, with a shell and a C compiler, from Debian packages. Needs apt-get,"
        " dpkg-deb and, the first time, a network; needs no root.",
        epilog=f"exit status: {DONE} done or there already, {FAILED} failed, {USAGE} usage,"
        f" {UNSUPPORTED} no apt-get or dpkg-deb on this machine",
    )
    parser.add_argument("output", nargs="?", type=Path, default=OUTPUT, help="directory to make (default: %(default)s)")
    parser.add_argument(
        "--package", action="append", default=[], metavar="NAME", help="a further package; may be given repeatedly"
    )
    parser.add_argument("--cache", type=Path, default=None, help="where to keep packages (default: the user's cache)")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    output = options.output.absolute()
    try:
        made = make(output, [*PACKAGES, *options.package], options.cache or cache_directory())
    except Unsupported as error:
        say(str(error))
        return UNSUPPORTED
    except (MakeFailed, OSError) as error:
        say(f"failed: {error}")
        return FAILED
    except KeyboardInterrupt:
        say("interrupted")
        return FAILED
    files, size = measure(output)
    word = "made" if made else "is there already:"
    say(f"{word} '{output}', {files} files, {size / 1e6:.0f} MB, in {time.monotonic() - start:.0f} s")
    return DONE
