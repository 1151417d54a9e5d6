"""The syntax of a remote cache given on the command line: ``URL`` or ``url=URL,key=value,...``.

Knows only what can be wrong with it; the backend reads it again to use it.
"""

from __future__ import annotations

_KEYS = ("url", "instance-name", "type", "push", "server-cert", "client-key", "client-cert", "access-token")
_TYPES = ("index", "storage", "all")


class RemoteSyntaxError(Exception):
    """A remote is not written as it should be."""


def check_remote(text: str, *, both_ways: bool) -> None:
    """Check one remote.

    Args:
        text: as given on the command line.
        both_ways: the command may pull and push, so that ``push`` is a choice.

    Raises:
        RemoteSyntaxError: with a sentence that says what is wrong.
    """
    parts = text.split(",")
    if len(parts) == 1:
        if not text:
            raise RemoteSyntaxError("The remote has no URL.")
        return
    values: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or "=" in value:
            raise RemoteSyntaxError(f"'{part}' in the remote '{text}' is not of the form key=value.")
        if key not in _KEYS:
            raise RemoteSyntaxError(f"'{key}' is no key of a remote; the keys are {', '.join(_KEYS)}.")
        values[key] = value
    if not values.get("url"):
        raise RemoteSyntaxError(f"The remote '{text}' has no URL: url=... is missing.")
    if values.get("type", "all") not in _TYPES:
        raise RemoteSyntaxError(f"The type of a remote is one of {', '.join(_TYPES)}, not '{values['type']}'.")
    if "push" in values:
        if not both_ways:
            raise RemoteSyntaxError("This command itself says whether it pushes: leave 'push' out of the remote.")
        if values["push"] not in ("True", "true", "False", "false"):
            raise RemoteSyntaxError(f"'push' is True or False, not '{values['push']}'.")
