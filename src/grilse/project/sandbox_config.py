"""Reads the sandbox configuration of an element.

Must not know sandboxes.  The plain form, whose parts are there only if they are configured, counts in cache keys.
"""

from __future__ import annotations

from typing import Any

from ..plugin.node import MappingNode
from ..protocol.errors import ErrorDomain, GrilseError
from ..sandbox.architecture import canonical_architecture, host_architecture, host_system

_KEYS = ["build-uid", "build-gid", "build-os", "build-arch", "remote-apis-socket"]
_SOCKET_KEYS = ["path", "action-cache-enable-update"]


def read_sandbox_config(node: MappingNode) -> dict[str, Any]:
    """The plain form of a sandbox configuration: ``build-os``, ``build-arch`` and what else is configured.

    Raises:
        LoadError: INVALID_DATA.
        GrilseError: PLATFORM, if the architecture is not known.
    """
    node.validate_keys(_KEYS)
    system = node.get_str("build-os", None)
    config: dict[str, Any] = {"build-os": (system or host_system()).lower(), "build-arch": _architecture(node)}
    for key in ("build-uid", "build-gid"):
        number = node.get_int(key, None)
        if number is not None:
            config[key] = number
    socket = node.get_mapping("remote-apis-socket", None)
    if socket is not None:
        socket.validate_keys(_SOCKET_KEYS)
        config["remote-apis-socket"] = {"path": socket.get_str("path")}
        if socket.get_bool("action-cache-enable-update", False):
            config["remote-apis-socket"]["action-cache-enable-update"] = True
    return config


def _architecture(node: MappingNode) -> str:
    name = node.get_str("build-arch", None)
    if not name:
        return host_architecture()
    found = canonical_architecture(name)
    if found is None:
        raise GrilseError(
            f"Unknown architecture: {name}",
            domain=ErrorDomain.PLATFORM,
            where=str(node.get_scalar("build-arch").get_provenance()),
        )
    return found
