"""The base of every message, its encoding, and the version that both ends must speak.

Knows nothing of which messages there are.  Encoding is msgpack (`msgspec`), by type: what is not a message of the
channel cannot be sent, and what does not decode as one is refused.
"""

from __future__ import annotations

import msgspec

# Raised by one whenever a message changes so that an older peer would misunderstand it.
PROTOCOL_VERSION = 2


def _tag(name: str) -> str:
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    return words.lstrip("-")


class Message(msgspec.Struct, frozen=True, tag_field="event", tag=_tag, kw_only=True):
    """A frozen, tagged struct of plain data; the tag is the class name in lower-case words joined by ``-``."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error as data.

    Attributes:
        domain: name of an `ErrorDomain`.
        reason: stable name, or None.
        message: one or a few sentences.
        detail: further text, or None.
        where: ``file [line L column C]`` or "".
        traceback: formatted Python traceback of a bug (ours or a plugin's), or "".
        temporary: whether trying again may help.
    """

    domain: str
    reason: str | None = None
    message: str
    detail: str | None = None
    where: str = ""
    traceback: str = ""
    temporary: bool = False
