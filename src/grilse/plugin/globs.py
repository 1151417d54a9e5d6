"""The glob patterns of split rules, whitelists, plugins and command lines, as regular expressions.

``*`` stands for anything within a path component, ``**`` also for slashes, ``?`` for one character other than a slash,
``[abc]``, ``[a-z]`` and ``[!abc]`` for one character of a set.  Must not know what is matched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def translate(pattern: str) -> str:
    """The regular expression, without anchors, that matches what `pattern` matches."""
    out: list[str] = []
    at = 0
    end = len(pattern)
    while at < end:
        character = pattern[at]
        at += 1
        if character == "*":
            if pattern.startswith("*", at):
                out.append(".*")
                at += 1
            else:
                out.append("[^/]*")
        elif character == "?":
            out.append("[^/]")
        elif character == "[" and (close := _end_of_set(pattern, at)) >= 0:
            out.append(_set(pattern[at:close]))
            at = close + 1
        else:
            out.append(re.escape(character))
    return "".join(out)


def matcher(patterns: Iterable[str]) -> re.Pattern[str]:
    """An expression whose `match` accepts the paths or names that any of `patterns` describes."""
    body = "|".join(translate(pattern) for pattern in patterns)
    return re.compile(rf"(?:{body})\Z" if body else r"(?!)", re.DOTALL)


def _end_of_set(pattern: str, at: int) -> int:
    """Where the bracket that was opened before `at` is closed; -1 if it is not, so that it stands for itself."""
    start = at
    if pattern.startswith("!", start):
        start += 1
    if pattern.startswith("]", start):
        start += 1
    return pattern.find("]", start)


def _set(body: str) -> str:
    body = body.replace("\\", "\\\\")
    if body.startswith("!"):
        return f"[^{body[1:]}]"
    if body.startswith("^"):
        return f"[\\{body}]"
    return f"[{body}]"
