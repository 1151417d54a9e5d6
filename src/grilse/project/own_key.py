"""What an element itself contributes to its keys, and the keys that come of it.

Must not know how elements are resolved; `keys` knows how those of dependencies count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..plugin import keytext
from ..plugin.exceptions import PluginError
from .keys import KeyText, key_fragment

if TYPE_CHECKING:
    from ..plugin.element import Element
    from ..plugin.plugin import Plugin
    from .resolved import ResolvedElement


def compute_keys(resolved: ResolvedElement, element: Element, *, strict: bool) -> None:
    """Compute the keys of an element whose dependencies have theirs; without the ref of a source there are none.

    Args:
        resolved: the element.
        element: its plugin.
        strict: whether build plans are strict, so that the strict key is the full one.

    Raises:
        PluginError: ``plugin-bug`` if a unique key is no plain data.
    """
    sources = element._grilse.sources
    if not all(source.is_resolved() for source in sources):
        return
    keys: list[dict[str, Any]] = []
    for source in sources:
        entry: dict[str, Any] = {"key": source.get_unique_key(), "name": source.get_kind()}
        if source._grilse.spec.directory:
            entry["directory"] = source._grilse.spec.directory
        keys.append(entry)
    resolved.source_keys = keys
    resolved.encoded_sources = b"[" + b",".join(map(_encoded, sources, keys)) + b"]"
    text = resolved.key_text = KeyText(_key_parts(resolved, element))
    closure = resolved.build_closure
    if element.BST_STRICT_REBUILD or not resolved.strict_dependencies:
        weak = text.weak(closure, element.BST_STRICT_REBUILD)
    else:
        weak = text.weak(closure, resolved.strict_dependencies)
    if weak is None:
        return
    strict_key = text.strict(closure, weak)
    names = resolved.fragments[0]
    assert names is not None
    resolved.weak_key = weak
    resolved.fragments[1] = key_fragment(names, weak)
    resolved.strict_key = strict_key
    resolved.fragments[2] = key_fragment(names, strict_key)
    if strict:
        resolved.cache_key = strict_key
    element._grilse.key = strict_key


def compute_missing_keys(elements: Iterable[ResolvedElement], *, strict: bool) -> list[ResolvedElement]:
    """Compute the keys of elements in staging order that had none: their sources may have refs now.

    Returns:
        those that have one now.

    Raises:
        PluginError: as `compute_keys`.
    """
    missing = [element for element in elements if element.strict_key is None]
    for element in missing:
        element.build_closure.look_again()
        compute_keys(element, element.element(), strict=strict)
    return [element for element in missing if element.strict_key is not None]


def _key_parts(resolved: ResolvedElement, element: Element) -> bytes:
    """What of an element counts in its keys, dependencies left out: a mapping with sorted keys."""
    text = keytext.encode_text
    parts = [
        b'{"element-base-key":' + text({"build-root": resolved.variable("build-root")}),
        b'"element-plugin-key":' + _encoded(element, element.get_unique_key()),
        b'"element-plugin-name":' + text(resolved.kind),
        b'"element-plugin-version":' + keytext.encode(element.BST_ARTIFACT_VERSION),
    ]
    if element.BST_RUN_COMMANDS:
        environment = {name: value for name, value in resolved.environment().items() if name not in resolved.nocache}
        parts.append(b'"environment":' + text(environment))
    parts.append(b'"fatal-warnings":' + text(sorted(resolved.project.fatal_warnings)))
    parts.append(b'"public":' + resolved.encoded_public())
    if element.BST_RUN_COMMANDS:
        parts.append(b'"sandbox":' + text(resolved.sandbox))
    parts.append(b'"sources":' + resolved.encoded_sources + b"}")
    return b",".join(parts)


def _encoded(plugin: Plugin, key: Any) -> bytes:
    """The text of what a plugin gave as its unique key.

    Raises:
        PluginError: it is no plain data.
    """
    try:
        return keytext.encode(key)
    except TypeError as error:
        raise PluginError(
            f"{plugin}: get_unique_key() of the plugin '{plugin.get_kind()}' should give plain data: {error}",
            reason="plugin-bug",
        ) from error
