"""URL aliases of a project: what they stand for, which mirrors serve them, how a junction maps them to its parent.

Must not know how aliases are declared or how a mirror's plugin is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from .exceptions import SourceError

if TYPE_CHECKING:
    from .sourcemirror import SourceMirror

SEPARATOR = ":"
SCHEMES = frozenset(("http", "https", "ftp", "file", "git", "sftp", "ssh"))

# Names of the policies that say where sources may come from.
_MIRRORS_OF_PROJECT = ("all", "mirrors")
_ALIASES = ("all", "aliases")
_USER = "user"


class AliasSubstitution(msgspec.Struct, frozen=True):
    """What stands for an alias in one try of a download; opaque to plugins.

    Attributes:
        alias: the alias that the URL has, in the project that knows `mirror`.
        mirror: text that replaces alias and colon, or the mirror that translates.
    """

    alias: str
    mirror: SourceMirror | str


def extract_alias(url: str) -> str:
    """The alias that `url` begins with, "" if it has none."""
    head, separator, _ = url.partition(SEPARATOR)
    return head if separator and head.lower() not in SCHEMES else ""


class Mapping(msgspec.Struct, frozen=True):
    """How a junction maps the aliases of its project to those of the project that it is in.

    Attributes:
        parent: aliases of that project.
        names: from the alias in the junction's project to that in the parent.
        identity: whether aliases that are not in `names` map to the same name.
        only: whether an alias that is not mapped may not be used.
        label: the junction, for messages.
    """

    parent: Aliases
    names: dict[str, str]
    identity: bool
    only: bool
    label: str

    def name(self, alias: str) -> str | None:
        """The parent's alias for an alias of the junction's project."""
        return self.names.get(alias, alias if self.identity else None)


class Aliases(msgspec.Struct):
    """The aliases that sources of one project use.

    Attributes:
        urls: from alias to the text that it stands for.
        mirrors: gives the mirrors by name; called whenever one is looked for.
        default_mirror: name of the mirror that is asked first, or None.
        fetch, track: policies: "all", "aliases", "mirrors" or "user".
        user_mirrors: whether the mirrors come from the user's configuration.
        mapping: how the junction maps them, or None.
    """

    urls: dict[str, str]
    mirrors: Callable[[], dict[str, SourceMirror]] = dict
    default_mirror: str | None = None
    fetch: str = "all"
    track: str = "aliases"
    user_mirrors: bool = False
    mapping: Mapping | None = None

    def url(self, alias: str) -> str | None:
        """What an alias stands for in this project, mapped or not."""
        return self.urls.get(alias)

    def exists(self, alias: str, source: object) -> bool:
        """Whether an alias can be used.

        Raises:
            SourceError: ``invalid-source-alias`` if it maps to one that the parent does not have,
                ``missing-alias-mapping`` if it must be mapped and is not.
        """
        if self.mapping is not None:
            mapped = self.mapping.name(alias)
            if mapped:
                if self.mapping.parent.exists(mapped, source):
                    return True
                raise SourceError(
                    f"{self.mapping.label}: The alias '{alias}' is mapped to '{mapped}', "
                    "which the parent project does not have",
                    reason="invalid-source-alias",
                )
            if self.mapping.only:
                raise _not_mapped(alias, source)
        return alias in self.urls

    def uris(self, alias: str | None, *, tracking: bool = False) -> Sequence[AliasSubstitution | None]:
        """What to try in place of an alias, in order; ``[None]`` if there is nothing to replace."""
        if not alias or alias not in self.urls:
            return [None]
        if self.mapping is not None:
            mapped = self.mapping.name(alias)
            if mapped:
                return self.mapping.parent.uris(mapped, tracking=tracking)
            if self.mapping.only:
                return [None]
        policy = self.track if tracking else self.fetch
        candidates: list[SourceMirror | str] = []
        if policy in _MIRRORS_OF_PROJECT or (policy == _USER and self.user_mirrors):
            for name, mirror in self.mirrors().items():
                offers = mirror.grilse_offers(alias)
                candidates = [*offers, *candidates] if name == self.default_mirror else [*candidates, *offers]
        if policy in _ALIASES:
            candidates.append(self.urls[alias])
        return [AliasSubstitution(alias, mirror) for mirror in candidates]

    def translate(self, url: str, source: object) -> str:
        """`url` with its alias replaced by what it stands for.

        Raises:
            SourceError: ``missing-alias-mapping`` if the alias must be mapped and is not.
        """
        alias, separator, body = url.partition(SEPARATOR)
        if not separator:
            return url
        prefix = self.urls.get(alias)
        if not prefix:
            return url
        if self.mapping is not None:
            mapped = self.mapping.name(alias)
            if mapped:
                return self.mapping.parent.translate(f"{mapped}{SEPARATOR}{body}", source)
            if self.mapping.only:
                raise _not_mapped(alias, source)
        return prefix + body


def _not_mapped(alias: str, source: object) -> SourceError:
    return SourceError(
        f"{source}: The junction does not map the alias '{alias}', and its project allows mapped aliases only",
        reason="missing-alias-mapping",
    )
