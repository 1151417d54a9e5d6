"""What a plugin that is asked again is known by: what its class says, and the digest of its unique key.

Must not know snapshots.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ..plugin import keytext

if TYPE_CHECKING:
    from ..plugin.plugin import Plugin


def traits(plugin: type[Plugin]) -> list[list[Any]]:
    """What a plugin's class says about all that it makes."""
    found: list[list[Any]] = []
    for name in sorted(dir(plugin)):
        if name.startswith("BST_"):
            value = getattr(plugin, name)
            found.append([name, value if isinstance(value, str | int | None) else repr(value)])
    return found


def key_digest(key: Any) -> bytes:
    """A digest of a unique key.

    Raises:
        TypeError: it is not plain.
    """
    return hashlib.blake2b(keytext.encode(key), digest_size=16).digest()
