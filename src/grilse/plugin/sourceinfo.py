"""What a source says about where its content comes from, for bills of materials.

Must not know sources.  Names, values and the serialized form are BuildStream's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .types import FastEnum

if TYPE_CHECKING:
    from .node import MappingNode


class SourceInfoMedium(FastEnum):
    """How content is obtained."""

    WORKSPACE = "workspace"
    """From an open workspace."""

    LOCAL = "local"
    """From files of the project."""

    REMOTE_FILE = "remote-file"
    """By downloading a file."""

    GIT = "git"
    """From a git repository."""

    BAZAAR = "bzr"
    """From a Bazaar repository."""

    OCI_IMAGE = "oci-image"
    """From an OCI image, as docker and podman use."""

    PYTHON_PACKAGE_INDEX = "pypi"
    """From a package index of Python."""


class SourceVersionType(FastEnum):
    """What kind of name a version is."""

    COMMIT = "commit"
    """A commit of a version control system."""

    SHA256 = "sha256"
    """The SHA-256 of a file's content."""

    CAS_DIGEST = "cas-digest"
    """A digest of a directory in a content-addressed store, as ``HASH/SIZE``."""

    OCI_DIGEST = "oci-digest"
    """The digest of an OCI image."""

    INDEXED_VERSION = "indexed-version"
    """The name of a version in an index that does not promise to keep its content."""


class SourceInfo:
    """Where content comes from; made by `Source.create_source_info`.

    Attributes:
        kind: kind of the source that reports it.
        url: where it is.
        homepage, issue_tracker: URLs about the project, or None.
        provenance: attributes that the declaration gives, or None.
        medium: a `SourceInfoMedium`, or text of the plugin's choice.
        version_type: a `SourceVersionType`, or text of the plugin's choice.
        version: names the content exactly.
        version_guess: the version that a human would say, or None.
        extra_data: whatever else, or None.
    """

    def __init__(
        self,
        kind: str,
        url: str,
        homepage: str | None,
        issue_tracker: str | None,
        provenance: MappingNode | None,
        medium: SourceInfoMedium | str,
        version_type: SourceVersionType | str,
        version: str,
        *,
        version_guess: str | None = None,
        extra_data: dict[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self.url = url
        self.homepage = homepage
        self.issue_tracker = issue_tracker
        self.provenance = provenance
        self.medium = medium
        self.version_type = version_type
        self.version = version
        self.version_guess = version_guess
        self.extra_data = extra_data

    def serialize(self) -> dict[str, Any]:
        """As plain data: a stable interface, which tools read from ``show``."""
        data: dict[str, Any] = {"kind": self.kind, "url": self.url}
        if self.provenance is not None:
            if self.homepage is not None:
                data["homepage"] = self.homepage
            if self.issue_tracker is not None:
                data["issue-tracker"] = self.issue_tracker
            data["provenance"] = self.provenance.strip_node_info()
        data["medium"] = str(self.medium)
        data["version-type"] = str(self.version_type)
        data["version"] = self.version
        if self.version_guess is not None:
            data["version-guess"] = self.version_guess
        if self.extra_data:
            data["extra-data"] = self.extra_data
        return data
