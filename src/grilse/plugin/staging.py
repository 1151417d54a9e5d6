"""Stages artifacts into sandboxes, lists what is in them, and integrates what was staged.

Must not know how artifacts are stored or how commands run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .exceptions import ElementError
from .globs import matcher
from .overlaps import OverlapCollector
from .splits import split_filter

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult
    from .element import Element
    from .host import ElementFacts
    from .node import MappingNode
    from .sandbox import Sandbox

_KEY_SHOWN = 8  # digits of a cache key


@contextmanager
def collecting(owner: Element, sandbox: Sandbox) -> Iterator[None]:
    """Allow staging into `sandbox` within a block, and watch for overlaps."""
    whitelists: dict[int, object] = {}

    def whitelisted(facts: ElementFacts, path: str) -> bool:
        pattern = whitelists.get(id(facts))
        if pattern is None:
            bst = _bst(owner, facts)
            globs = bst.get_str_list("overlap-whitelist", default=[]) if bst is not None else []
            pattern = whitelists[id(facts)] = matcher(globs).match
        return pattern(path) is not None  # type: ignore[operator]

    collectors = owner._grilse.collectors
    collectors[id(sandbox)] = OverlapCollector(owner, whitelisted)
    try:
        yield
    finally:
        del collectors[id(sandbox)]


def collector(owner: Element, sandbox: Sandbox) -> OverlapCollector:
    """What watches over `sandbox`.

    Raises:
        AssertionError: `owner` does not stage at the moment; only `Element.stage` may.
    """
    found: OverlapCollector | None = owner._grilse.collectors.get(id(sandbox))
    if found is None:
        raise AssertionError(f"{owner}: artifacts can only be staged in Element.stage()")
    return found


def stage_one(
    owner: Element,
    facts: ElementFacts,
    sandbox: Sandbox,
    path: str | None,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    orphans: bool,
    overlaps: OverlapCollector,
) -> FileListResult:
    """Stage the artifact of one element below `path` of the sandbox; domains as for `split_filter`.

    Raises:
        ElementError: there is no artifact.
    """
    host = owner._grilse.host
    files = host.run.artifact_files(facts)
    owner.status(f"Staging {facts.name}/{(facts.cache_key or '')[:_KEY_SHOWN]}")
    root = sandbox.get_virtual_directory()
    target = root if path is None else root.open_directory(path.lstrip("/"), create=True)
    accept = split_filter(lambda: split_rules(owner, facts), include, exclude, orphans)
    result = target.import_files(files, filter_callback=accept)
    assert result is not None
    if accept is None and (path is None or path == "/"):
        sandbox.grilse_note_layer(files.digest())
    overlaps.add(facts, result)
    return result


def stage_all(
    owner: Element,
    facts: Iterable[ElementFacts],
    sandbox: Sandbox,
    path: str | None,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    orphans: bool,
    overlaps: OverlapCollector,
) -> None:
    """Stage many artifacts in order; see `stage_one`."""
    for one in facts:
        stage_one(owner, one, sandbox, path, include, exclude, orphans, overlaps)


def manifest(
    owner: Element,
    facts: ElementFacts,
    include: Sequence[str] | None,
    exclude: Sequence[str] | None,
    orphans: bool,
) -> Iterator[str]:
    """Relative paths of what is in an element's artifact and in the selected domains.

    Raises:
        ElementError: there is no artifact.
    """
    files = owner._grilse.host.run.artifact_files(facts)
    accept = split_filter(lambda: split_rules(owner, facts), include, exclude, orphans)
    paths = files.list_relative_paths()
    return paths if accept is None else filter(accept, paths)


def integrate(owner: Element, facts: ElementFacts, sandbox: Sandbox) -> None:
    """Run an element's integration commands, or what its plugin has in their place."""
    from .element import Element

    if facts.plugin_class().integrate is not Element.integrate:
        facts.element().integrate(sandbox)
        return
    bst = _bst(owner, facts)
    if bst is None:
        return
    commands = bst.get_str_list("integration-commands", default=[])
    if commands:
        environment = facts.environment()
        with sandbox.batch():
            for command in commands:
                sandbox.run(["sh", "-e", "-c", command], env=environment, cwd="/", label=command)


def split_rules(owner: Element, facts: ElementFacts) -> MappingNode:
    """The split rules that an element was built with.

    Raises:
        ElementError: it has none, which means that its artifact is broken.
    """
    bst = _bst(owner, facts)
    if bst is None:
        raise ElementError(f"{facts.full_name}: the artifact has no split rules")
    return bst.get_mapping("split-rules", default={})


def _bst(owner: Element, facts: ElementFacts) -> MappingNode | None:
    return owner._grilse.host.run.artifact_public(facts).get_mapping("bst", default=None)
