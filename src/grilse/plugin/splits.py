"""Split rules: which files of an artifact belong to which domains, and which of them a selection of domains takes.

Must not know artifacts or elements.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .globs import matcher

if TYPE_CHECKING:
    from .node import MappingNode

# Elements of a project mostly have the same rules: their expressions are compiled once.
_COMPILED_KEPT = 512


@lru_cache(_COMPILED_KEPT)
def _compiled(patterns: tuple[str, ...]) -> re.Pattern[str]:
    return matcher(patterns)


def split_filter(
    rules: Callable[[], MappingNode], include: Sequence[str] | None, exclude: Sequence[str] | None, orphans: bool
) -> Callable[[str], bool] | None:
    """What decides by relative path whether a file is taken; None if all are.

    A file is taken if one of its domains is in `include` and none in `exclude`.

    Args:
        rules: gives the mapping from domain to a list of globs; called only if the selection needs it.
        include: domains to take; all if empty.
        exclude: domains to leave out.
        orphans: whether files without a domain are taken.
    """
    if orphans and not include and not exclude:
        return None
    domains = [(name, _compiled(tuple(globs.as_str_list()))) for name, globs in rules().items()]
    wanted = set(include or ()) or {name for name, _ in domains}
    unwanted = set(exclude or ())
    patterns = [(expression.match, name in wanted, name in unwanted) for name, expression in domains]

    def accept(path: str) -> bool:
        absolute = f"/{path}"
        taken = claimed = False
        for match, include_it, exclude_it in patterns:
            if match(absolute):
                if exclude_it:
                    return False
                claimed = True
                taken = taken or include_it
        return taken or (orphans and not claimed)

    return accept
