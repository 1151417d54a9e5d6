"""Tries the mirrors of a source one after the other, to fetch or to track it.

Must not know how a source downloads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from .exceptions import BstError, PluginError

if TYPE_CHECKING:
    from .aliases import AliasSubstitution
    from .source import Source, SourceFetcher

_T = TypeVar("_T")


def fetch(source: Source, **arguments: Any) -> None:
    """Make sure that what a source's ref names is on this machine.

    Args:
        source: the source.
        arguments: for `Source.fetch`: the directory of previous sources, where the source wants it.

    Raises:
        SourceError: the last error, if no mirror has it.
    """
    state = source._grilse
    with state.host.silenced():
        fetchers = source.get_source_fetchers()
    if fetchers:
        _each_fetcher(source, _checked(source, fetchers))
        return
    alias = source._alias()
    if not alias:
        source.fetch(**arguments)
        return
    _first(
        state.project.aliases.uris(alias),
        lambda mirror: source._for_mirror(alias, mirror).fetch(**arguments),
    )


def track(source: Source, **arguments: Any) -> Any:
    """The newest ref of what a source tracks, None if it does not track.

    Args:
        source: the source.
        arguments: for `Source.track`.

    Raises:
        SourceError: the last error, if no mirror could tell.
    """
    alias = source._alias()
    if not alias:
        return source.track(**arguments)
    # The project's own URL comes last in the list, and knows best what is new.
    mirrors = list(reversed(source._grilse.project.aliases.uris(alias, tracking=True)))
    return _first(mirrors, lambda mirror: source._for_mirror(alias, mirror).track(**arguments))


def _checked(source: Source, fetchers: Any) -> Iterator[SourceFetcher]:
    """What a plugin gave as fetchers, one after the other.

    Raises:
        PluginError: it is something else.
    """
    from .source import SourceFetcher

    if isinstance(fetchers, Iterable):
        for fetcher in fetchers:
            if not isinstance(fetcher, SourceFetcher):
                break
            yield fetcher
        else:
            return
    raise PluginError(
        f"{source}: get_source_fetchers() of the plugin '{source.get_kind()}' should give objects of SourceFetcher",
        reason="plugin-bug",
    )


def _each_fetcher(source: Source, fetchers: Iterator[SourceFetcher]) -> None:
    """Every fetcher is used before the next is asked for: what one brings may say what the next must bring."""
    state = source._grilse
    while True:
        with state.host.silenced():
            fetcher = next(fetchers, None)
        if fetcher is None:
            return
        _first(state.project.aliases.uris(fetcher._alias()), fetcher.fetch)


def _first(mirrors: Any, attempt: Callable[[AliasSubstitution | None], _T]) -> _T:
    """The result of the first attempt that works."""
    last: BstError | None = None
    for mirror in mirrors:
        try:
            return attempt(mirror)
        except BstError as error:
            last = error
    if last is None:
        raise AssertionError("there is always something to try")
    raise last
