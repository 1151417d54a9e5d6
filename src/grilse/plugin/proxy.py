"""What an element's plugin sees of its dependencies: the part of `Element` that is safe to use on another element.

Must not know how artifacts are staged.  A proxy works on facts and asks for the dependency's plugin only when its
sources are wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from . import staging
from .exceptions import PluginError
from .types import OverlapAction

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult
    from .element import Element
    from .host import ElementFacts
    from .node import MappingNode, ScalarNode, SequenceNode
    from .sandbox import Sandbox
    from .source import Source


class ElementProxy:
    """A dependency as `owner` sees it; the same object each time, so that proxies can be compared."""

    # Plugins may note something on it.
    __slots__ = ("__dict__", "_grilse_facts", "_grilse_owner", "name")

    def __init__(self, owner: Element, facts: ElementFacts) -> None:
        self._grilse_owner = owner
        self._grilse_facts = facts
        self.name = facts.name

    def __str__(self) -> str:
        return f"{self._grilse_facts.kind} element at {self._grilse_facts.node.get_provenance()}"

    def __repr__(self) -> str:
        return f"<ElementProxy {self._grilse_facts.full_name}>"

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)

    def __getattr__(self, name: str) -> Any:
        # Only what is not here arrives here.
        if name.startswith("__"):
            raise AttributeError(name)
        if not hasattr(self._grilse_facts.element(), name):
            raise AttributeError(f"{self}: has no attribute '{name}'")
        raise PluginError(
            f"{self._grilse_owner}: '{name}' of a dependency ({self}) is not for other elements to use",
            reason="plugin-bug",
        )

    @property
    def project_name(self) -> str:
        """As `Element.project_name`."""
        return self._grilse_facts.project.name

    @property
    def normal_name(self) -> str:
        """As `Element.normal_name`."""
        from .element import normal_name

        return normal_name(self.name)

    def get_kind(self) -> str:
        """As `Plugin.get_kind`."""
        return self._grilse_facts.kind

    def _has_artifact(self) -> bool:
        """Whether its artifact has content."""
        return self._grilse_facts.plugin_class().BST_ELEMENT_HAS_ARTIFACT

    def sources(self) -> Iterator[Source]:
        """As `Element.sources`."""
        return self._grilse_facts.element().sources()

    def dependencies(self, selection: Sequence[Any] | None = None, *, recurse: bool = True) -> Iterator[ElementProxy]:
        """What this dependency needs to run, itself included if `recurse`."""
        chosen = [self] if selection is None else selection
        return cast("Iterator[ElementProxy]", self._grilse_owner.dependencies(chosen, recurse=recurse))

    def search(self, name: str) -> Any:
        """The element called `name` among this dependency and what it needs to run, or None."""
        from .closure import runtime_closure

        for facts in runtime_closure([self._grilse_facts]):
            if facts.name == name:
                return self._grilse_owner._proxy(facts)
        return None

    def node_subst_vars(self, node: ScalarNode) -> str:
        """As `Element.node_subst_vars`."""
        return self._grilse_owner.node_subst_vars(node)

    def node_subst_sequence_vars(self, node: SequenceNode) -> list[str]:
        """As `Element.node_subst_sequence_vars`."""
        return self._grilse_owner.node_subst_sequence_vars(node)

    def compute_manifest(
        self, *, include: list[str] | None = None, exclude: list[str] | None = None, orphans: bool = True
    ) -> Iterator[str]:
        """As `Element.compute_manifest`."""
        return staging.manifest(self._grilse_owner, self._grilse_facts, include, exclude, orphans)

    def get_artifact_name(self, key: str | None = None) -> str:
        """As `Element.get_artifact_name`."""
        from .element import artifact_name

        return artifact_name(self._grilse_facts, key)

    def stage_artifact(
        self,
        sandbox: Sandbox,
        *,
        path: str | None = None,
        action: OverlapAction = OverlapAction.WARNING,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        orphans: bool = True,
    ) -> FileListResult:
        """As `Element.stage_artifact`."""
        collector = staging.collector(self._grilse_owner, sandbox)
        with collector.session(action, path):
            return staging.stage_one(
                self._grilse_owner, self._grilse_facts, sandbox, path, include, exclude, orphans, collector
            )

    def stage_dependency_artifacts(
        self,
        sandbox: Sandbox,
        selection: Sequence[Any] | None = None,
        *,
        path: str | None = None,
        action: OverlapAction = OverlapAction.WARNING,
        include: list[str] | None = None,
        exclude: list[str] | None = None,
        orphans: bool = True,
    ) -> None:
        """As `Element.stage_dependency_artifacts`, of this dependency and what it needs to run."""
        self._grilse_owner.stage_dependency_artifacts(
            sandbox,
            [self] if selection is None else selection,
            path=path,
            action=action,
            include=include,
            exclude=exclude,
            orphans=orphans,
        )

    def integrate(self, sandbox: Sandbox) -> None:
        """As `Element.integrate`.

        The method of the dependency's own class, which may have overridden it.
        """
        staging.integrate(self._grilse_owner, self._grilse_facts, sandbox)

    def get_public_data(self, domain: str) -> MappingNode | None:
        """As `Element.get_public_data`."""
        data = self._grilse_owner._grilse.host.run.artifact_public(self._grilse_facts)
        found = data.get_mapping(domain, default=None)
        return None if found is None else found.clone()

    def get_environment(self) -> dict[str, str]:
        """As `Element.get_environment`."""
        return self._grilse_facts.environment()

    def get_variable(self, varname: str) -> str | None:
        """As `Element.get_variable`."""
        return self._grilse_facts.variable(varname)
