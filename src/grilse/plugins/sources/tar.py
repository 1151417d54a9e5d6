"""``kind: tar``: the content of an archive from a URL.

Must not know how it is downloaded.  Configuration besides that of `DownloadableFileSource`: ``base-dir``, a pattern for
the directory of the archive to take; the first that matches is taken, and "" stands for the whole archive.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import Any

from ...plugin import utils
from ...plugin.api import DownloadableFileSource, MappingNode, Source, SourceError


class TarSource(DownloadableFileSource):
    """An archive, compressed as Python's `tarfile` understands it or with lzip."""

    BST_MIN_VERSION = "2.0"

    def configure(self, node: MappingNode) -> None:
        """Read what to take."""
        super().configure(node)
        self.base_dir = node.get_str("base-dir", "*")
        node.validate_keys([*DownloadableFileSource.COMMON_CONFIG_KEYS, "base-dir"])

    def preflight(self) -> None:
        """Make sure that there is lzip, if it is needed."""
        self.host_lzip = utils.get_host_tool("lzip") if self.url.endswith(".lz") else None

    def _reads_host(self) -> bool:
        return self.host_lzip is not None

    def get_unique_key(self) -> list[Any]:
        """The archive, and what is taken."""
        return [*super().get_unique_key(), self.base_dir]

    def stage(self, directory: str) -> None:
        """Extract what is taken.

        Raises:
            SourceError: the archive is damaged, or would put files outside of `directory`.
        """
        umask = utils.get_umask()
        try:
            with self._archive() as archive:
                members = archive.getmembers()
                prefix = self._base(members)
                chosen = [member for member in members if self._choose(member, prefix, directory, umask)]
                if hasattr(tarfile, "tar_filter"):
                    archive.extractall(directory, chosen, filter="tar")
                else:
                    archive.extractall(directory, chosen)
        except (tarfile.TarError, OSError, EOFError) as error:
            raise SourceError(f"{self}: Error staging source: {error}") from error
        except KeyError as error:
            raise SourceError(f"{self}: A hard link in the archive leads nowhere: {error}") from error

    @contextmanager
    def _archive(self) -> Iterator[tarfile.TarFile]:
        if self.host_lzip is None:
            with tarfile.open(self._get_mirror_file()) as archive:
                yield archive
            return
        with TemporaryFile() as unpacked:
            with open(self._get_mirror_file(), "rb") as packed:
                self.call([self.host_lzip, "-d"], "Failed to decompress the archive", stdin=packed, stdout=unpacked)
            unpacked.seek(0)
            with tarfile.open(fileobj=unpacked, mode="r:") as archive:
                yield archive

    def _base(self, members: list[tarfile.TarInfo]) -> str:
        """The directory to take with a slash behind it, or "" for everything.

        Raises:
            SourceError: no directory matches.
        """
        if not self.base_dir:
            return ""
        directories: set[str] = set()
        for member in members:
            name = _plain_name(member.name)
            parts = name.split("/")
            if member.isdir():
                # "" is the archive's own directory, which matches "*" before any other does.
                directories.add(name)
            # Archives need not list the directories that files are in.
            directories.update("/".join(parts[:count]) for count in range(1, len(parts)))
        found = min(utils.glob(directories, self.base_dir), default=None)
        if found is None:
            raise SourceError(f"{self}: Could not find base directory matching pattern: {self.base_dir}")
        return f"{found}/" if found else ""

    def _choose(self, member: tarfile.TarInfo, prefix: str, directory: str, umask: int) -> bool:
        """Whether to extract a member, whose name and mode become what they should be.

        Raises:
            SourceError: it would be put outside of `directory`.
        """
        if prefix:
            member.name = member.name.removeprefix("./")
            if not member.name.startswith(prefix):
                return False
            if member.islnk():
                target = member.linkname.removeprefix("./")
                self._check(member, target, directory)
                member.linkname = target.removeprefix(prefix)
            self._check(member, member.name, directory)
            member.name = member.name[len(prefix) :]
        else:
            # An absolute name is taken as one below the root of the archive.
            member.name = member.name.lstrip("/")
            self._check(member, member.name, directory)
            if member.islnk():
                self._check(member, member.linkname, directory)
        if member.isdev():
            return False
        if not member.issym():
            # Of the mode only whether it can be executed is kept, so that it does not matter who made the archive.
            executable = member.isdir() or member.mode & 0o100
            member.mode = (0o777 if executable else 0o666) & ~umask
        return True

    def _check(self, member: tarfile.TarInfo, path: str, directory: str) -> None:
        inside = os.path.abspath(directory)
        target = os.path.abspath(os.path.join(directory, path))
        if target != inside and not target.startswith(f"{inside}/"):
            raise SourceError(
                f"{self}: Tarfile attempts to extract outside the staging area: {member.name} -> {target}"
            )


def _plain_name(name: str) -> str:
    """A member's name without ``./`` in front and ``/`` behind; "" for the archive's own directory."""
    name = name.strip("/")
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name


def setup() -> type[Source]:
    """The plugin's class."""
    return TarSource
