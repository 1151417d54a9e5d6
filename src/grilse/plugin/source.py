"""`Source`: the base of all source plugins, and `SourceFetcher` for those with several URLs.

Must not know how sources are cached or in which order they are staged.  Names and signatures are BuildStream's
(``buildstream.source``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .aliases import SEPARATOR, AliasSubstitution, extract_alias
from .exceptions import ImplError, LoadError, LoadErrorReason, PluginError, SourceError
from .plugin import Plugin, PluginState
from .sourceinfo import SourceInfo, SourceInfoMedium, SourceVersionType
from .types import CoreWarnings, SourceRef

if TYPE_CHECKING:
    from ..protocol.records import PluginRecord
    from ..storage.digest import Digest
    from ..storage.directory import CasDirectory
    from .host import Host, ProjectHost
    from .node import MappingNode, Node

__all__ = [
    "AliasSubstitution",
    "Source",
    "SourceError",
    "SourceFetcher",
    "SourceInfo",
    "SourceInfoMedium",
    "SourceVersionType",
]


class SourceFetcher:
    """Fetches one of several URLs of a source; plugins derive from it."""

    _url_alias: str | None = None

    def __init__(self) -> None:
        self._url_alias = None

    def fetch(self, alias_override: AliasSubstitution | None = None, **kwargs: Any) -> None:
        """Make sure that what this fetcher stands for is on this machine.

        Args:
            alias_override: to be passed to `Source.translate_url`.

        Raises:
            SourceError: it cannot be had.
        """
        raise ImplError(f"The source fetcher {type(self).__name__} does not implement fetch()")

    def get_source_info(self) -> SourceInfo | None:
        """Where its content comes from, or None."""
        return None

    def mark_download_url(self, url: str) -> None:
        """Say which URL this fetcher uses; to be called when it is made."""
        self._url_alias = extract_alias(url)

    def _alias(self) -> str | None:
        return self._url_alias


class SourceSpec:
    """What a source is made from; a mirror's variant of it is made from the same.

    Attributes:
        name: its element's name and its index.
        element_name: its element.
        full_name: its element as users see it.
        kind: its kind.
        node: its declaration.
        config: its configuration, variables replaced; free to be changed.
        directory: where below the build root it is staged, or None.
        provenance: provenance attributes that the declaration gives, or None.
        ref_node: where its ref is stored if not in the declaration, or None.
        clear_ref: whether a ref in the declaration does not count.
    """

    __slots__ = (
        "clear_ref",
        "config",
        "directory",
        "element_name",
        "full_name",
        "kind",
        "name",
        "node",
        "provenance",
        "ref_node",
    )

    def __init__(
        self,
        element_name: str,
        index: int,
        full_name: str,
        kind: str,
        node: Node,
        config: MappingNode,
        *,
        directory: str | None = None,
        provenance: MappingNode | None = None,
        ref_node: MappingNode | None = None,
        clear_ref: bool = False,
    ) -> None:
        self.name = f"{element_name}-{index}"
        self.element_name = element_name
        self.full_name = full_name
        self.kind = kind
        self.node = node
        self.config = config
        self.directory = directory
        self.provenance = provenance
        self.ref_node = ref_node
        self.clear_ref = clear_ref


class SourceState(PluginState):
    """What the core keeps of a source.

    Attributes:
        spec: what it was made from.
        override: alias and what replaces it, in a variant made for one mirror.
        alias: the alias of its primary URL, None until it is known.
        urls: URLs marked so far.
        redundant_ref: a ref in the declaration that does not count, or None.
        trees: digests of host files and directories that were asked for.
        plugin: where its plugin comes from.
    """

    __slots__ = ("alias", "override", "plugin", "redundant_ref", "spec", "trees", "urls")

    plugin: PluginRecord

    def __init__(
        self, spec: SourceSpec, project: ProjectHost, host: Host, override: tuple[str, AliasSubstitution | None] | None
    ) -> None:
        super().__init__(host, project, spec.kind, "source", spec.full_name, spec.node)
        self.spec = spec
        self.override = override
        self.alias: str | None = None
        self.urls: set[str] = set()
        self.redundant_ref: SourceRef = None
        self.trees: dict[str, Digest] = {}


class Source(Plugin):
    """Base of sources."""

    BST_CUSTOM_SOURCE_PROVENANCE: bool = False
    """Whether the plugin reports provenance of its own, so that the declaration may not give any."""

    BST_REQUIRES_PREVIOUS_SOURCES_TRACK: bool = False
    """Whether `track` is called with a directory in which the sources before this one are staged."""

    BST_REQUIRES_PREVIOUS_SOURCES_FETCH: bool = False
    """Whether `fetch` is called with a directory in which the sources before this one are staged."""

    BST_REQUIRES_PREVIOUS_SOURCES_STAGE: bool = False
    """Whether the sources before this one are staged in the directory that `stage` gets."""

    BST_STAGE_VIRTUAL_DIRECTORY: bool = False
    """Whether `stage_directory` and `init_workspace_directory` are called, not `stage` and `init_workspace`."""

    COMMON_CONFIG_KEYS = ["kind", "directory", "provenance"]
    """Keys of a declaration that are not the plugin's own, to be allowed by `MappingNode.validate_keys`."""

    _grilse: SourceState

    def __init__(
        self,
        spec: SourceSpec,
        project: ProjectHost,
        host: Host,
        override: tuple[str, AliasSubstitution | None] | None = None,
    ) -> None:
        super().__init__(spec.name, SourceState(spec, project, host, override))
        if spec.provenance is not None and self.BST_CUSTOM_SOURCE_PROVENANCE:
            raise SourceError(
                f"{self}: '{spec.kind}' sources report their own provenance, so the declaration cannot give any",
                reason="top-level-provenance-on-custom-implementation",
            )
        self._configure(spec.config)

    # Abstract methods

    def load_ref(self, node: MappingNode) -> None:
        """Take the ref from `node`, which is part of ``project.refs``."""
        raise self._missing("load_ref")

    def get_ref(self) -> SourceRef:
        """The ref, or None."""
        raise self._missing("get_ref")

    def set_ref(self, ref: SourceRef, node: MappingNode) -> None:
        """Change the ref, here and in `node`, which is written to a file then.

        Args:
            ref: what `get_ref` or `track` gave, or None.
            node: the mapping that the ref stands in.
        """
        raise self._missing("set_ref")

    def track(self, *, previous_sources_dir: str | None = None) -> SourceRef:
        """The newest ref of what the declaration tracks, None if it tracks nothing; optional.

        Args:
            previous_sources_dir: only with `BST_REQUIRES_PREVIOUS_SOURCES_TRACK`.

        Raises:
            SourceError: it cannot be found out.
        """
        return None

    def fetch(self, *, previous_sources_dir: str | None = None) -> None:
        """Make sure that what the ref names is on this machine.

        Args:
            previous_sources_dir: only with `BST_REQUIRES_PREVIOUS_SOURCES_FETCH`.

        Raises:
            SourceError: it cannot be had.
        """
        raise self._missing("fetch")

    def stage(self, directory: str) -> None:
        """Put the content into a directory of the host.

        Raises:
            SourceError: it cannot be done.
        """
        raise self._missing("stage")

    def stage_directory(self, directory: CasDirectory) -> None:
        """As `stage`, into a `Directory`; with `BST_STAGE_VIRTUAL_DIRECTORY`."""
        raise self._missing("stage_directory")

    def init_workspace(self, directory: str) -> None:
        """Put the content into a new workspace; as `stage` by default."""
        self.stage(directory)

    def init_workspace_directory(self, directory: CasDirectory) -> None:
        """As `init_workspace`, into a `Directory`; with `BST_STAGE_VIRTUAL_DIRECTORY`."""
        self.stage_directory(directory)

    def get_source_fetchers(self) -> Iterable[SourceFetcher]:
        """The fetchers of a source with several URLs; each is used before the next is asked for."""
        return []

    def validate_cache(self) -> None:
        """Check what was fetched, before it is staged; optional."""

    def is_cached(self) -> bool:
        """Whether what the ref names is on this machine."""
        raise self._missing("is_cached")

    def collect_source_info(self) -> Iterable[SourceInfo] | None:
        """Where the content comes from; by default what the fetchers say, or None with a warning."""
        found = [info for fetcher in self.get_source_fetchers() if (info := fetcher.get_source_info()) is not None]
        if found:
            return found
        self.warn(
            f"{self}: the plugin does not say where its content comes from",
            warning_token=CoreWarnings.UNAVAILABLE_SOURCE_INFO,
        )
        return None

    # For plugins

    def get_mirror_directory(self) -> str:
        """The directory in which sources of this kind keep what they download; it exists."""
        state = self._grilse
        directory = os.path.join(state.host.source_directory, state.kind)
        if not os.path.isdir(directory):  # asked for often, and `makedirs` would ask thrice
            os.makedirs(directory, exist_ok=True)
        return directory

    def translate_url(
        self,
        url: str,
        *,
        alias_override: AliasSubstitution | None = None,
        primary: bool = True,
        suffix: str | None = None,
        extra_data: dict[str, Any] | None = None,
    ) -> str:
        """A URL with its alias replaced, which also marks it (`mark_download_url`).

        Args:
            url: as declared.
            alias_override: what to replace the alias by: what a fetcher was called with.
            primary: whether this is the main URL.
            suffix: to be appended to `url`, which was marked without it.
            extra_data: gets what the mirror has to say, such as ``http-auth``.

        Raises:
            SourceError: the alias is not declared or not mapped.
        """
        state = self._grilse
        self.mark_download_url(url, primary=primary)
        if suffix:
            url += suffix
        override = alias_override
        if state.override is not None:
            if extract_alias(url) != state.override[0]:
                return url
            override = state.override[1]
        if override is None:
            return state.project.aliases.translate(url, self)
        alias, _, body = url.partition(SEPARATOR)
        if isinstance(override.mirror, str):
            return override.mirror + body
        return override.mirror.translate_url(
            alias=override.alias,
            alias_url=state.project.aliases.url(alias) or "",
            source_url=body,
            extra_data=extra_data,
        )

    def mark_download_url(self, url: str, *, primary: bool = True) -> None:
        """Say that the source downloads from a URL; for every one that the declaration names, in `configure`.

        Args:
            url: as declared.
            primary: whether this is the main URL, whose alias mirrors replace.

        Raises:
            SourceError: the alias is not declared, not mapped, or leads nowhere.
            PluginError: the URL has no alias, and the project declares that fatal.
        """
        state = self._grilse
        alias = extract_alias(url)
        if primary and state.override is None:
            if state.alias not in (None, alias):
                raise AssertionError(
                    f"{self}: the primary URL has alias '{alias}', but was marked with '{state.alias}'"
                )
            state.alias = alias
        if state.configuring:
            state.urls.add(url)
        elif alias and url not in state.urls:
            raise AssertionError(f"{self}: the URL '{url}' was not marked in configure()")
        if not alias:
            self.warn(f"{self}: The URL '{url}' is written without an alias", warning_token=CoreWarnings.UNALIASED_URL)
            return
        aliases = state.project.aliases
        if not aliases.exists(alias, self):
            raise SourceError(
                f"{self}: The URL '{url}' has the alias '{alias}', which the project does not declare",
                reason="invalid-source-alias",
            )
        for tracking, word in ((False, "fetch"), (True, "track")):
            if not aliases.uris(alias, tracking=tracking):
                raise SourceError(
                    f"{self}: There is nothing to {word} from for the alias '{alias}'",
                    detail=f"The user configuration restricts what to {word} from ('{word}: source').",
                    reason="missing-source-alias-target",
                )

    def get_project_directory(self) -> str:
        """The project's directory, absolute."""
        return self._grilse.project.directory

    @contextmanager
    def tempdir(self) -> Iterator[str]:
        """A temporary directory on the file system of the mirror directory, removed after the block."""
        from ..sandbox.scratch import DOWNLOADS, Scratch
        from .utils import get_umask

        with Scratch(self.get_mirror_directory(), DOWNLOADS) as directory:
            # What is in it, or the directory itself, may be given another name: with the mode that directories have.
            os.chmod(directory, 0o777 & ~get_umask())
            yield directory

    def is_resolved(self) -> bool:
        """Whether it is known which content will be staged; whether there is a ref, unless overridden."""
        return self.get_ref() is not None

    def create_source_info(
        self,
        url: str,
        medium: SourceInfoMedium | str,
        version_type: SourceVersionType | str,
        version: str,
        *,
        version_guess: str | None = None,
        extra_data: dict[str, str] | None = None,
        provenance_node: MappingNode | None = None,
    ) -> SourceInfo:
        """Make a `SourceInfo`.

        Args:
            url: translated.
            medium, version_type, version, version_guess, extra_data: as `SourceInfo` has them.
            provenance_node: provenance attributes, by default those of the declaration.

        Raises:
            LoadError: an attribute is not declared by the project, or is no text.
        """
        state = self._grilse
        provenance = state.spec.provenance
        if provenance_node is not None:
            check_provenance(provenance_node, state.project.provenance_attributes or ())
            provenance = provenance_node
        homepage = provenance.get_str("homepage", None) if provenance is not None else None
        tracker = provenance.get_str("issue-tracker", None) if provenance is not None else None
        return SourceInfo(
            state.kind,
            url,
            homepage,
            tracker,
            provenance,
            medium,
            version_type,
            version,
            version_guess=version_guess,
            extra_data=extra_data,
        )

    # Private

    def _tree_digest(self, path: str, *, mtimes: bool = False) -> Digest:
        """The digest of a host file or directory as a tree; computed once."""
        trees = self._grilse.trees
        digest = trees.get(path)
        if digest is None:
            digest = trees[path] = self._grilse.host.tree_digest(path, mtimes=mtimes)
        return digest

    def _stage_tree(self, path: str, *, mtimes: bool = False) -> CasDirectory:
        """A host file or directory as a tree in the store, as it is now."""
        return self._grilse.host.stage_tree(path, mtimes=mtimes)

    def _reads_host(self) -> bool:
        """Of a source of ours: whether its key, or whether it works, depends on more than its configuration."""
        return False

    def _needs_room(self) -> bool:
        """Of a source of ours: whether it refuses to replace files of earlier sources in a new workspace."""
        return False

    def _presence(self) -> str | bool | None:
        """What tells whether the source is cached: True if it always is, the path of a file that exists if it is, or
        None if `is_cached` must be asked.
        """
        return None

    def _alias(self) -> str | None:
        """The alias of the primary URL, if the project declares it."""
        state = self._grilse
        return state.alias if state.alias and state.project.aliases.exists(state.alias, self) else None

    def _for_mirror(self, alias: str, mirror: AliasSubstitution | None) -> Source:
        """The same source made anew, with `alias` replaced."""
        state = self._grilse
        variant = type(self)(state.spec, state.project, state.host, None if mirror is None else (alias, mirror))
        variant._preflight()
        variant._load_ref()
        return variant

    def _preflight(self) -> None:
        """Call `preflight`, and say where the source is declared if it fails."""
        from .exceptions import BstError

        try:
            self.preflight()
        except BstError as error:
            raise SourceError(f"{self}: {error}", detail=error.detail, reason=error.reason) from error

    def _load_ref(self) -> None:
        """Load the ref from where the project keeps refs, if that is not the declaration.

        Raises:
            SourceError: ``unsupported-load-ref`` if the plugin cannot do that.
        """
        state = self._grilse
        spec = state.spec
        if spec.clear_ref:
            from .node import MappingNode

            state.redundant_ref = self.get_ref()
            if state.redundant_ref is not None:
                self.set_ref(None, MappingNode.from_plain({}))
        if spec.ref_node is not None:
            try:
                self.load_ref(spec.ref_node)
            except ImplError as error:
                raise SourceError(
                    f"{self}: '{state.kind}' sources cannot have their refs in project.refs",
                    reason="unsupported-load-ref",
                ) from error

    def _is_cached(self) -> bool:
        """Call `is_cached`; a bug in it is reported as such.

        Raises:
            PluginError: ``source-bug`` if it raises anything but a `SourceError`.
        """
        try:
            return bool(self.is_cached())
        except SourceError:
            raise
        except Exception as error:
            raise PluginError(
                f"{self}: is_cached() of the '{self.get_kind()}' plugin raised {type(error).__name__}: {error}",
                reason="source-bug",
            ) from error


def check_provenance(node: MappingNode, attributes: Iterable[str] | Mapping[str, Any]) -> None:
    """Make sure that provenance attributes are declared by the project and are text.

    Raises:
        LoadError: UNDEFINED_SOURCE_PROVENANCE_ATTRIBUTE or INVALID_DATA.
    """
    from .node import ScalarNode

    try:
        node.validate_keys(list(attributes))
    except LoadError as error:
        raise LoadError(
            f"The project does not declare this source provenance attribute: {error.message}",
            reason=LoadErrorReason.UNDEFINED_SOURCE_PROVENANCE_ATTRIBUTE,
            where=error.where,
        ) from None
    for name, value in node.items():
        if type(value) is not ScalarNode:
            raise LoadError(
                f"The provenance attribute '{name}' should be a string",
                reason=LoadErrorReason.INVALID_DATA,
                where=str(value.get_provenance()),
            )
