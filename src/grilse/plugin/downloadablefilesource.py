"""`DownloadableFileSource`: the base of sources that download one file from a URL and know it by its SHA-256.

Must not know what is in the file.  Where files are kept, the parts of the unique key and the keys of the configuration
are BuildStream's (``buildstream.downloadablefilesource``): both tools use what the other downloaded.  Some plugins use
methods that are not public, so these have BuildStream's names, too.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from . import utils
from .exceptions import SourceError
from .source import Source
from .sourceinfo import SourceInfo, SourceInfoMedium, SourceVersionType

if TYPE_CHECKING:
    from .node import MappingNode


class DownloadableFileSource(Source):
    """A file at a URL; derived classes implement `Source.stage`, and may add to the unique key."""

    COMMON_CONFIG_KEYS = [*Source.COMMON_CONFIG_KEYS, "url", "ref", "version-guess-pattern", "version"]

    def configure(self, node: MappingNode) -> None:
        """Read URL, ref and how to guess a version."""
        self.original_url = node.get_str("url")
        self.ref = node.get_str("ref", None)
        extra_data: dict[str, Any] = {}
        self.url = self.translate_url(self.original_url, extra_data=extra_data)
        self.bearer_auth = extra_data.get("http-auth") == "bearer"
        self._guess_pattern_string = node.get_str("version-guess-pattern", None)
        self._guess_pattern = None if self._guess_pattern_string is None else re.compile(self._guess_pattern_string)
        self._version = node.get_str("version", None)

    @property
    def _mirror_dir(self) -> str:
        """Where downloads from this URL are kept."""
        return os.path.join(self.get_mirror_directory(), utils.url_directory_name(self.original_url))

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> Any:
        """URL as declared, ref, and what decides the guessed version."""
        key: list[Any] = [self.original_url, self.ref]
        if self._version is not None:
            key.append(self._version)
        elif self._guess_pattern_string is not None:
            key.append(self._guess_pattern_string)
        return key

    def is_cached(self) -> bool:
        """Whether the file has been downloaded."""
        return os.path.isfile(self._get_mirror_file())

    def load_ref(self, node: MappingNode) -> None:
        """Take the ref from ``project.refs``."""
        self.ref = node.get_str("ref", None)

    def get_ref(self) -> Any:
        """The SHA-256 of the file, or None."""
        return self.ref

    def set_ref(self, ref: Any, node: MappingNode) -> None:
        """Change the ref."""
        node["ref"] = self.ref = ref

    def track(self, **_: Any) -> Any:
        """Download the file and take its SHA-256."""
        found = self._ensure_mirror(f"Tracking {self.url}")
        if self.ref and self.ref != found:
            self.warn(
                "Potential man-in-the-middle attack!",
                detail=f"The file at {self.url} is not the one that it was:\n"
                f"  its SHA-256 was {self.ref}\n  and is now  {found}\n",
            )
        return found

    def fetch(self, **_: Any) -> None:
        """Download the file and make sure that it is the one that the ref names.

        Raises:
            SourceError: it cannot be had, or is another.
        """
        if os.path.isfile(self._get_mirror_file()):
            return
        found = self._ensure_mirror(f"Fetching {self.url}")
        if found != self.ref:
            raise SourceError(f"File downloaded from {self.url} has sha256sum '{found}', not '{self.ref}'!")

    def collect_source_info(self) -> list[SourceInfo]:
        """The URL and the SHA-256."""
        guess = self._version
        if guess is None:
            guess = utils.guess_version(self.original_url, pattern=self._guess_pattern)
        return [
            self.create_source_info(
                self.url, SourceInfoMedium.REMOTE_FILE, SourceVersionType.SHA256, self.ref or "", version_guess=guess
            )
        ]

    def _presence(self) -> str | None:
        kind, ours = type(self), DownloadableFileSource
        if kind.is_cached is ours.is_cached and kind._get_mirror_file is ours._get_mirror_file:
            return self._get_mirror_file()
        return None

    # Not public, but used by plugins in the wild

    def _get_mirror_file(self, sha: str | None = None) -> str:
        """Where the file with a given SHA-256 is kept, the ref by default."""
        return os.path.join(self._mirror_dir, sha or self.ref or "")

    def _get_etag(self, ref: str) -> str | None:
        """What the server called the file, if it said so."""
        try:
            with open(f"{self._get_mirror_file(ref)}.etag", encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _store_etag(self, ref: str, etag: str) -> None:
        """Remember what the server called the file."""
        with utils.save_file_atomic(f"{self._get_mirror_file(ref)}.etag") as file:
            file.write(etag)

    def _ensure_mirror(self, activity_name: str) -> str | None:
        """Download the file, unless the server says that it has not changed; gives its SHA-256.

        Raises:
            SourceError: it cannot be downloaded.
        """
        from .download import download, read_netrc

        netrc, problem = read_netrc()
        if problem:
            self.warn(f"{self}: The file .netrc cannot be used: {problem}")
        etag = self._get_etag(self.ref) if self.ref and self.is_cached() else None
        with self.tempdir() as directory:
            outcome = self.blocking_activity(
                download, (self.url, directory, etag, netrc, self.bearer_auth), activity_name
            )
            if outcome.error:
                raise SourceError(f"{self}: Error mirroring {self.url}: {outcome.error}", temporary=True)
            if outcome.path is None:
                return self.ref
            try:
                os.makedirs(self._mirror_dir, exist_ok=True)
            except FileExistsError as error:
                raise SourceError(f"{self}: '{self._mirror_dir}' is not a directory") from error
            sha256 = utils.sha256sum(outcome.path)
            # A file that is there already may have been damaged.
            os.replace(outcome.path, self._get_mirror_file(sha256))
            if outcome.etag:
                self._store_etag(sha256, outcome.etag)
            return sha256
