"""The artifacts of a cache directory: records in files named by project, element and key.

Knows bst's layout, trees and blobs; what is in a record stands in ``artifact``.

A record lies in ``artifacts/refs/PROJECT/ELEMENT/KEY``, once for the strong and once for the weak key.  Blobs are in
the store before a record names them, so that a record is never ahead of its content.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from grilse.protocol.errors import ArtifactError
from grilse.storage import refs
from grilse.storage.artifact import Artifact, artifact_name, decode_artifact, encode_artifact
from grilse.storage.closure import Presence, missing_blobs
from grilse.storage.digest import Digest
from grilse.storage.store import Store
from grilse.storage.wire import MessageError


class ArtifactCache:
    """The artifacts below a cache directory.

    Args:
        store: where their blobs are; the records are beside it.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.base = os.path.join(store.cachedir, "artifacts", "refs")

    def lookup(self, project: str, element: str, key: str, *, touch: bool = True) -> Artifact | None:
        """The artifact of an element by any of its keys, or None.  Says nothing of whether its blobs are here.

        Args:
            project: name of the project.
            element: name of the element, with or without suffix.
            key: full, strict or weak key.
            touch: whether to mark it as used just now.

        Raises:
            CasError: the record cannot be read for another reason than that it is not there.
        """
        return self.read(artifact_name(project, element, key), touch=touch)

    def read(self, name: str, *, touch: bool = True) -> Artifact | None:
        """As `lookup`, by the artifact's name.  A record that is cut off or garbled counts as absent."""
        data = refs.read_ref(self.base, _checked(name), touch=touch)
        if data is None:
            return None
        try:
            return decode_artifact(data)
        except MessageError:
            return None

    def is_cached(self, artifact: Artifact, presence: Presence | None = None) -> bool:
        """Whether all that makes an artifact usable is here: output, metadata and logs, as bst counts it.

        Args:
            artifact: from `lookup`.
            presence: to ask only once for blobs that several artifacts share.
        """
        presence = presence or Presence(self.store)
        if not all(presence.blob(digest) for digest in artifact.blobs()):
            return False
        return artifact.files is None or presence.tree(artifact.files)

    def missing(self, artifact: Artifact, *, buildtree: bool = False) -> Iterator[Digest]:
        """Digests of blobs that are not here; those in directories that are not here themselves are unknown.

        Args:
            artifact: from `lookup`, or received.
            buildtree: whether build tree, sources and sandbox are wanted, too.
        """
        trees = artifact.trees() if buildtree else [artifact.files] if artifact.files else []
        yield from missing_blobs(self.store, artifact.blobs(), trees)

    def write(self, project: str, element: str, artifact: Artifact) -> None:
        """Keep an artifact whose blobs are in the store, under its strong and its weak key.

        Raises:
            CasError: it cannot be written, or there is no room for it (reason ``cache-too-full``).
        """
        self.store.admit()
        # The strong one last: a strict build that is killed in between makes both anew, others take the weak one.
        weak = _checked(artifact_name(project, element, artifact.weak_key))
        refs.write_ref(self.base, weak, encode_artifact(artifact))
        if artifact.weak_key != artifact.strong_key:
            refs.link_ref(self.base, weak, _checked(artifact_name(project, element, artifact.strong_key)))

    def link(self, project: str, element: str, key: str, other: str) -> None:
        """Make the artifact known by `key` known by `other`, too; without effect if the two are the same.

        Raises:
            ArtifactError: there is no artifact of that key.
            CasError: it cannot be written.
        """
        name = artifact_name(project, element, key)
        data = refs.read_ref(self.base, _checked(name))
        if data is None:
            raise ArtifactError(f"There is no artifact '{name}'")
        if key != other:
            refs.write_ref(self.base, _checked(artifact_name(project, element, other)), data)

    def delete(self, name: str) -> None:
        """Remove an artifact's record; its blobs go when space is needed.

        Raises:
            ArtifactError: there is none of this name.
            CasError: it cannot be removed.
        """
        if not refs.remove_ref(self.base, _checked(name)):
            raise ArtifactError(f"Could not find ref '{name}'")

    def list(self) -> list[str]:
        """Names of artifacts, the least recently used first."""
        return [ref for _, ref in refs.list_refs(self.base)]

    def touch(self, names: Iterable[str]) -> None:
        """Mark artifacts as used just now."""
        for name in names:
            refs.touch_ref(self.base, _checked(name))


def _checked(name: str) -> str:
    """A name that stays below the directory of refs.

    Raises:
        ArtifactError: it does not.
    """
    parts = name.split("/")
    if len(parts) != 3 or any(part in ("", ".", "..") for part in parts):
        raise ArtifactError(f"'{name}' is not the name of an artifact: PROJECT/ELEMENT/KEY is expected")
    return name
