"""What artifact commands are about: elements of the project, and artifacts named by themselves.

Knows how either leads to a record in the cache; nothing of what commands do with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..plugin.globs import matcher
from ..plugin.node import FileInfo
from ..project.resolved import ResolvedElement
from ..project.targets import is_pattern
from ..project.yaml_reader import read_yaml
from ..protocol.errors import ErrorDomain, GrilseError, StreamError
from ..protocol.records import DependencyRecord, ElementBody, ElementRecord, PluginRecord, ProjectRecord, Ref
from ..storage.artifact import Artifact, artifact_name
from ..storage.digest import Digest

if TYPE_CHECKING:
    from .pipeline import Pipeline
    from .planbook import PlanBook

# The plugin that stands for elements of which only the artifact is known.
_PLUGIN = PluginRecord(kind="artifact", origin="core", module="grilse.plugins.elements.artifact")


@dataclass(frozen=True, slots=True)
class Subject:
    """One artifact, here or not.

    Attributes:
        name: what users call it: an element's name, or the artifact's.
        project: name of its project.
        element_name: name of its element, without junctions; of an artifact that is not here as in the artifact's name.
        keys: the keys that it may be found under, the full one first.
        artifact: what is here, with all its blobs, or None.
        element: the element, or None for an artifact named by itself.
    """

    name: str
    project: str
    element_name: str
    keys: tuple[str, ...]
    artifact: Artifact | None
    element: ResolvedElement | None

    @property
    def artifact_name(self) -> str:
        """``PROJECT/ELEMENT/KEY``."""
        return artifact_name(self.project, self.element_name, self.keys[0] if self.keys else "")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command line is about.

    Attributes:
        elements: the elements that it names.
        artifacts: the artifacts that it names by themselves.
        subjects: what ``--deps`` makes of both.
    """

    elements: list[ResolvedElement]
    artifacts: list[Subject]
    subjects: list[Subject]


def load_subjects(
    pipeline: Pipeline,
    names: Sequence[str],
    deps: str,
    needs: Callable[[Subject], Sequence[str]] | None = None,
    *,
    defaults: bool = False,
) -> Chosen:
    """The artifacts that a command line names, with the dependencies asked for.

    Args:
        pipeline: whose project, if there is one, has the elements.
        names: names and patterns of elements and artifacts.
        deps: value of ``--deps``.
        needs: finds out the names of the artifacts in the build closure of one that is not here.
        defaults: whether no names mean the default targets, instead of nothing.

    Raises:
        StreamError: ``deps-not-supported`` for artifact names, or a name cannot be meant.
        GrilseError: an element cannot be loaded.
    """
    project = pipeline.try_open_project()
    if project is None and not names:
        raise StreamError("There is no project here: name artifacts", reason="project-not-loaded")
    if project is None:
        refuse_elements(names)
    found = pipeline.targets_of(names, artifacts=True, defaults=defaults)
    refs = [*found.artifacts, *_matching(pipeline, found.artifact_patterns)]
    elements = pipeline.load_elements(found.elements) if found.elements else []
    if not names:
        elements = without_junctions(elements)
    if refs and deps not in ("none", "build"):
        raise StreamError(f"'--deps {deps}' is not supported for artifact names", reason="deps-not-supported")
    if elements and not pipeline.strict:
        pipeline.states.require(elements)
    chosen = pipeline.select(elements, deps) if elements else []
    subjects = [subject_of(pipeline, element) for element in chosen]
    artifacts = [named_subject(pipeline, ref) for ref in refs]
    for subject in artifacts:
        if deps == "none":
            subjects.append(subject)
        elif subject.artifact is None and needs is not None:
            subjects += [named_subject(pipeline, name) for name in needs(subject)]
        else:
            subjects += dependencies_of(pipeline, subject)
    return Chosen(elements, artifacts, subjects)


def without_junctions(targets: Sequence[ResolvedElement]) -> list[ResolvedElement]:
    """Default targets as far as they have artifacts: that there are junctions among them is nobody's mistake."""
    return [target for target in targets if target.kind != "junction"]


def refuse_elements(names: Sequence[str]) -> None:
    """Without a project, names of elements mean nothing.

    Raises:
        StreamError: ``project-not-loaded``.
    """
    # Patterns are refused by whoever looks for what matches
    elements = [name for name in names if name.endswith(".bst") and not is_pattern(name)]
    if elements:
        raise StreamError(
            f"There is no project here, so that these elements cannot be loaded: {', '.join(elements)}",
            reason="project-not-loaded",
        )


def _matching(pipeline: Pipeline, patterns: Sequence[str]) -> list[str]:
    if not patterns:
        return []
    known = pipeline.states.cache.list()
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = matcher([pattern]).match
        hits = [name for name in known if matches(name)]
        found.update(dict.fromkeys(hits))
        if not hits:
            pipeline.session.reporter.text("warn", f"No artifact names matched the glob expression: {pattern}")
    # An artifact is known by its strong and by its weak key: it is meant once.
    unique: dict[tuple[str, str], str] = {}
    for name in found:
        artifact = pipeline.states.cache.read(name)
        if artifact is not None:
            project, element, _ = name.split("/")
            unique.setdefault((f"{project}/{element}", artifact.strong_key), name)
    return [f"{element}/{key}" for element, key in unique]


def subject_of(pipeline: Pipeline, element: ResolvedElement) -> Subject:
    """An element as a subject."""
    states = pipeline.states
    artifact = states.artifact(element)
    key = states.key(element)[0]
    keys = [artifact.strong_key if artifact is not None else key, element.weak_key]
    return Subject(
        element.full_name,
        element.project.name,
        element.name,
        tuple(key for key in keys if key is not None),
        artifact,
        element,
    )


def named_subject(pipeline: Pipeline, ref: str) -> Subject:
    """An artifact named by itself.

    Raises:
        GrilseError: the name is malformed.
    """
    parts = ref.split("/")
    if len(parts) != 3:
        raise GrilseError(
            f"'{ref}' is neither the name of an element nor PROJECT/ELEMENT/KEY", domain=ErrorDomain.ELEMENT
        )
    project, element, key = parts
    cache = pipeline.states.cache
    artifact = cache.read(ref)
    if artifact is not None and not cache.is_cached(artifact, pipeline.states.presence):
        artifact = None
    keys = (key,) if artifact is None else (artifact.strong_key, artifact.weak_key)
    return Subject(ref, project, element, keys, artifact, None)


def one_subject(pipeline: Pipeline, target: str) -> Subject:
    """What a command line names for a command that is about one element or artifact; a pattern must match just one.

    Raises:
        StreamError: it cannot be meant, nothing matches, or more than one thing does.
        GrilseError: the element cannot be loaded.
    """
    found = pipeline.targets_of((target,), artifacts=True)
    refs = [*found.artifacts, *_matching(pipeline, found.artifact_patterns)]
    names = [*found.elements, *refs]
    if len(names) != 1:
        raise StreamError(
            f"'{target}' should match one element or artifact, and matches {len(names)}", detail="\n".join(names)
        )
    if refs:
        return named_subject(pipeline, refs[0])
    return subject_of(pipeline, pipeline.load_elements(found.elements)[0])


def dependencies_of(pipeline: Pipeline, subject: Subject) -> list[Subject]:
    """The build closure of an artifact, by what its record says."""
    if subject.artifact is None:
        return []
    return [named_subject(pipeline, needed.artifact) for needed in subject.artifact.build_dependencies]


def artifact_ref(pipeline: Pipeline, subject: Subject) -> Ref:
    """The plan record of an artifact, written now with those of its build closure, for jobs.

    Raises:
        GrilseError: its metadata is not here, or cannot be read.
    """
    book = pipeline.book
    assert subject.artifact is not None
    project = book.add(_project(pipeline, subject.project))
    below = []
    for needed in subject.artifact.build_dependencies:
        dependency = named_subject(pipeline, needed.artifact)
        if dependency.artifact is not None:
            ref = book.add(_record(pipeline, book, dependency, project, []))
            below.append(DependencyRecord(ref=ref, build=True, runtime=False))
    return book.add(_record(pipeline, book, subject, project, below))


def bare_ref(pipeline: Pipeline, subject: Subject) -> Ref:
    """The plan record of an artifact by its name alone, for jobs that need no more than that."""
    book = pipeline.book
    key = subject.keys[0]
    nothing = ElementBody(
        config={},
        variables={},
        environment={},
        nocache=[],
        public={},
        sandbox={},
        sources=[],
        provenance=subject.name,
    )
    return book.add(
        ElementRecord(
            name=subject.element_name,
            full_name=subject.name,
            project=subject.project,
            project_ref=book.add(_project(pipeline, subject.project)),
            plugin=_PLUGIN,
            project_directory="",
            weak_key=key,
            strict_key=key,
            cache_key=key,
            workspace=None,
            dependencies=[],
            body=book.encode_body(nothing),
        )
    )


def _project(pipeline: Pipeline, name: str) -> ProjectRecord:
    return ProjectRecord(
        name=name,
        directory=pipeline.session.request.invocation.directory,
        junction="",
        fatal_warnings=[],
        provenance_attributes=None,
        aliases={},
        mirrors=[],
        default_mirror=None,
        fetch="all",
        track="all",
        user_mirrors=False,
    )


def _record(
    pipeline: Pipeline, book: PlanBook, subject: Subject, project: Ref, below: list[DependencyRecord]
) -> ElementRecord:
    artifact = subject.artifact
    assert artifact is not None
    low = _document(pipeline, artifact.low_diversity)
    high = _document(pipeline, artifact.high_diversity)
    body = ElementBody(
        config={},
        variables=high.get("variables", {}),
        environment=low.get("environment", {}),
        nocache=[],
        public=_document(pipeline, artifact.public_data),
        sandbox=_sandbox(low.get("sandbox-config", {})),
        sources=[],
        provenance=subject.name,
    )
    return ElementRecord(
        name=subject.element_name,
        full_name=subject.name,
        project=subject.project,
        project_ref=project,
        plugin=_PLUGIN,
        project_directory="",
        weak_key=artifact.weak_key,
        strict_key=artifact.strict_key or artifact.strong_key,
        cache_key=artifact.strong_key,
        workspace=None,
        dependencies=below,
        body=book.encode_body(body),
    )


def _sandbox(config: dict[str, Any]) -> dict[str, Any]:
    numbers = {"build-uid", "build-gid"}
    return {name: int(value) if name in numbers else value for name, value in config.items()}


def _document(pipeline: Pipeline, digest: Digest | None) -> dict[str, Any]:
    if digest is None:
        return {}
    data = pipeline.states.cache.store.read(digest)
    plain: dict[str, Any] = read_yaml(data, FileInfo("", "artifact", "metadata of an artifact")).strip_node_info()
    return plain
