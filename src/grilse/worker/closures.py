"""Build closures of a plan's elements, as artifacts name them.

Knows records and artifacts; makes no plugins.  An artifact names its whole build closure, so that in a large project
closures are most of what a job looks at: they are walked on records, which are decoded once per worker, and each
element of them is encoded once per worker, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugin.exceptions import ElementError
from ..storage.artifact import BuildDependency, encode_dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..protocol.records import ElementRecord, PlanReader, Ref
    from ..storage.artifact import Artifact
    from ..storage.artifacts import ArtifactCache


class Closures:
    """The build closures of one plan.

    Args:
        reader: reads the plan.
    """

    def __init__(self, reader: PlanReader) -> None:
        self._reader = reader
        self._runtime: dict[int, tuple[Ref, ...]] = {}
        self._encoded: dict[int, bytes] = {}

    def dependencies(self, record: ElementRecord, cache: ArtifactCache) -> list[BuildDependency]:
        """What an element is built with, in staging order.

        Args:
            record: of the element.
            cache: finds the keys that were not known when the plan was written.

        Raises:
            ElementError: an artifact is not here any more.
        """
        return [_dependency(self._reader.element(ref), cache) for ref in self._walk(record)]

    def encoded(self, record: ElementRecord, cache: ArtifactCache) -> bytes:
        """As `dependencies`, in the form that `Artifact` holds."""
        known = self._encoded
        parts = []
        for ref in self._walk(record):
            part = known.get(ref[0])
            if part is None:
                needed = self._reader.element(ref)
                part = encode_dependencies((_dependency(needed, cache),))
                # A key that has to be looked up may become another one while the session lasts.
                if needed.cache_key is not None:
                    known[ref[0]] = part
            parts.append(part)
        return b"".join(parts)

    def _walk(self, record: ElementRecord) -> Iterator[Ref]:
        """Where the records of the closure stand, in the order of `plugin.closure.build_closure`."""
        seen: set[int] = set()
        for item in record.dependencies:
            if not item.build or item.ref[0] in seen:
                continue
            seen.add(item.ref[0])
            stack = [(item.ref, iter(self._needs(item.ref)))]
            while stack:
                ref, remaining = stack[-1]
                for needed in remaining:
                    if needed[0] not in seen:
                        seen.add(needed[0])
                        stack.append((needed, iter(self._needs(needed))))
                        break
                else:
                    stack.pop()
                    yield ref

    def _needs(self, ref: Ref) -> tuple[Ref, ...]:
        """Where the records of an element's runtime dependencies stand."""
        found = self._runtime.get(ref[0])
        if found is None:
            found = tuple(item.ref for item in self._reader.element(ref).dependencies if item.runtime)
            self._runtime[ref[0]] = found
        return found


def _dependency(needed: ElementRecord, cache: ArtifactCache) -> BuildDependency:
    key = needed.cache_key
    if key is None:
        artifact = find_artifact(cache, needed.project, needed.name, (needed.strict_key, needed.weak_key))
        if artifact is None:
            raise ElementError(f"{needed.full_name}: the artifact is not in the local cache any more")
        key = artifact.strong_key
    return BuildDependency(needed.project, needed.name, key, needed.workspace is not None)


def find_artifact(cache: ArtifactCache, project: str, element: str, keys: Iterable[str | None]) -> Artifact | None:
    """The artifact of an element by the first of `keys` that has one; None stands for a key that is not known."""
    for key in keys:
        if key is not None:
            artifact = cache.lookup(project, element, key)
            if artifact is not None:
                return artifact
    return None
