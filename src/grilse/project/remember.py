"""Makes a snapshot of a session's resolved elements, for sessions in which nothing has changed.

Must not know commands, nor how a snapshot is used: `recall` does.  What cannot be repeated from what was noted is not
kept at all.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ..plugin.importing import ROOT
from ..plugin.plain import is_plain
from ..protocol.records import PluginRecord, ProjectRecord, Ref
from .load_element import BUILD, RUNTIME
from .recognition import key_digest, traits
from .record import project_ref, source_key, source_records
from .snapshot import (
    WHOLE,
    DependencyDetail,
    ElementEntry,
    Index,
    Parts,
    PartWriter,
    Place,
    PluginEntry,
    Said,
    write_snapshot,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..plugin.plugin import Plugin
    from .inputs import Inputs
    from .planning import Planner
    from .resolved import ResolvedElement


def remember(
    path: str, planner: Planner, targets: Sequence[ResolvedElement], said: Sequence[Said], *, whole: bool
) -> None:
    """Write the snapshot of a session, if it can be repeated.

    Args:
        path: the snapshot's file.
        planner: has loaded and resolved everything.
        targets: what was asked for.
        said: what was said meanwhile.
        whole: whether all is kept, or what plugins are asked with and what every command needs to know.
    """
    inputs = planner.session.files.inputs
    if not inputs.repeatable:
        return
    plugins = _Plugins()
    projects = _Projects()
    parts = _Parts()
    elements: list[ElementEntry] = []
    places: dict[int, int] = {}
    # What single sources said is not known.
    talkative = {one.element for one in said}
    try:
        for element in planner.resolver.all():
            entry = _entry(element, plugins, projects, places, element.full_name in talkative)
            if whole or WHOLE in entry.asked:
                entry = replace(entry, parts=parts.add(element), records=parts.add_sources(element))
            elif entry.asked or None in entry.sources:
                entry = replace(entry, records=parts.add_sources(element))
            places[id(element)] = len(elements)
            elements.append(entry)
    except (TypeError, UnicodeEncodeError, RecursionError):
        return  # a plugin's own data that is not plain
    _note_code(inputs, plugins.records())
    if not inputs.repeatable or not projects.repeatable:
        return
    index = Index(
        inputs=inputs.record(),
        project=planner.session.project.name,
        count=planner.session.count,
        whole=whole,
        said=list(said),
        plugins=plugins.entries,
        projects=projects.records,
        elements=elements,
        targets=[places[id(target)] for target in targets],
    )
    write_snapshot(path, index, parts.writer.data)


class _Plugins:
    """The plugins used, each once."""

    def __init__(self) -> None:
        self.entries: list[PluginEntry] = []
        self._places: dict[PluginRecord, int] = {}

    def place(self, record: PluginRecord, plugin: type[Plugin]) -> int:
        place = self._places.get(record)
        if place is None:
            place = self._places[record] = len(self.entries)
            plain = record.origin == "core" or _is_plain_file(record)
            self.entries.append(PluginEntry(record, plain, [] if plain else traits(plugin)))
        return place

    def is_plain(self, record: PluginRecord, plugin: type[Plugin]) -> bool:
        return self.entries[self.place(record, plugin)].plain

    def records(self) -> Iterable[PluginRecord]:
        return self._places


class _Projects:
    """The projects of elements, each once."""

    def __init__(self) -> None:
        self.repeatable = True
        self.records: list[ProjectRecord] = []
        self.refs: dict[int, Ref] = {}

    def add(self, record: ProjectRecord) -> Ref:
        """Keep a record; gives its place."""
        # What the plugin of a mirror does with a URL may depend on anything.
        if any(mirror.plugin.origin != "core" for mirror in record.mirrors):
            self.repeatable = False
        self.records.append(record)
        return len(self.records) - 1, 0


def _entry(
    element: ResolvedElement,
    plugins: _Plugins,
    projects: _Projects,
    places: dict[int, int],
    talkative: bool,
) -> ElementEntry:
    """What every command needs to know of an element."""
    plugin = element.plugin
    plain = plugins.is_plain(plugin.record, plugin.type)
    sources = element.sources
    asked = [
        index
        for index, source in enumerate(sources)
        if not plugins.is_plain(source._grilse.plugin, type(source)) or source._reads_host()
    ]
    if not plain or (asked and talkative):
        asked = [WHOLE]
    return ElementEntry(
        name=element.name,
        full_name=element.full_name,
        description=element.description,
        project=project_ref(element.project, projects, projects.refs)[0],
        plugin=plugins.place(plugin.record, plugin.type),
        depends=[
            (places[id(below)], BUILD * dependency.build | RUNTIME * dependency.runtime)
            for dependency, below in element.dependencies()
        ],
        weak_key=element.weak_key,
        strict_key=element.strict_key,
        sources_key=element.sources_key(),
        sources=[source._presence() for source in sources],
        asked=asked,
        unique_key=key_digest(element.element().get_unique_key()) if WHOLE in asked else b"",
        source_keys=_source_keys(element) if asked else [],
        records=None,
        parts=None,
    )


def _source_keys(element: ResolvedElement) -> list[bytes]:
    keys = (source_key(element, index, source) for index, source in enumerate(element.sources))
    return [key_digest(key) if resolved else b"" for resolved, key in keys]


class _Parts:
    """Keeps the parts of elements."""

    def __init__(self) -> None:
        self.writer = PartWriter()
        # By project and plugin, variables that an element of theirs has.
        self._bases: dict[tuple[int, PluginRecord], dict[str, str]] = {}

    def add(self, element: ResolvedElement) -> Parts:
        """Keep those of one element."""
        writer = self.writer
        base, variables = self._variables(element)
        details = [
            DependencyDetail(
                dependency.path, [element.expanded(config).strip_node_info() for config in dependency.config] or None
            )
            for dependency in element.load_element.dependencies
        ]
        return Parts(
            base=writer.add_shared(base),
            variables=writer.add(variables),
            config=writer.add(element.plain_config()),
            environment=writer.add_shared(element.plain_environment()),
            public=writer.add_shared(element.plain_public()),
            sandbox=writer.add(element.sandbox),
            details=writer.add(details),
            nocache=element.nocache,
            provenance=str(element.node.get_provenance()),
        )

    def add_sources(self, element: ResolvedElement) -> Place:
        """Keep the records of the sources of one element."""
        return self.writer.add(source_records(element, keys=False))

    def _variables(self, element: ResolvedElement) -> tuple[dict[str, str], dict[str, str]]:
        """The variables of an element: some that others share, and those to be laid over them."""
        variables = element.variables()
        base = self._bases.setdefault((id(element.project), element.plugin.record), variables)
        own = dict(item for item in variables.items() if base.get(item[0]) != item[1])
        if list({**base, **own}) != list(variables):
            return {}, variables  # in another order, or without some
        return base, own


def _is_plain_file(record: PluginRecord) -> bool:
    try:
        with open(record.path, "rb") as file:
            return is_plain(file.read(), record.setup)
    except OSError:
        return False


def _note_code(inputs: Inputs, records: Iterable[PluginRecord]) -> None:
    """Note the code that was at work: ours, that of plugins and of what stands beside them, and where it was found."""
    package = __name__.partition(".")[0]
    for name, module in list(sys.modules.items()):
        if name.startswith((f"{package}.", f"{ROOT}.")):
            path = getattr(module, "__file__", None)
            if path is not None:
                inputs.code(path)
    packages = False
    for record in records:
        if not record.path:
            continue
        inputs.code(record.path)
        directory, name = os.path.split(record.path)
        stem = os.path.splitext(name)[0]
        if stem == "__init__":
            inputs.presence(f"{directory}.py")  # would have come first
            inputs.presence(f"{directory}.yaml")
        # Where defaults are, or would be
        inputs.presence(os.path.join(directory, f"{stem}.yaml"))
        packages = packages or "python package" in record.package or record.origin == "pip"
    if packages:
        # Installing or removing a Python package changes one of these directories.
        for path in sys.path:
            inputs.presence(path or os.curdir)
