"""Reads remote services as configuration and the command line describe them.

Knows nothing of connections, nor which of these services a session uses.
"""

from __future__ import annotations

import os
from typing import Any, Final

from ..plugin.node import MappingNode
from ..protocol.errors import LoadError, LoadErrorReason, RemoteError
from ..remote.config import ALL, ENDPOINT, INDEX, STORAGE, CacheConfig, ExecutionConfig, RemoteConfig

_TYPES: Final = (INDEX, STORAGE, ALL)
_CONNECTION_KEYS: Final = ("keepalive-time", "retry-limit", "retry-delay", "request-timeout")
_CREDENTIALS: Final = ("server-cert", "client-key", "client-cert", "access-token")


def remote_from_node(
    node: MappingNode, directory: str | None = None, *, execution: bool = False, action_cache: bool = False
) -> RemoteConfig:
    """Read one remote.

    Args:
        node: its declaration.
        directory: what relative credential paths are relative to.
        execution: it is one of the services of remote execution, which have no type.
        action_cache: it is the action cache among these, which may be pushed to.

    Raises:
        LoadError: INVALID_DATA.
    """
    keys = ["url", "instance-name", "auth", "connection-config"]
    kind = ENDPOINT
    push = False
    if not execution:
        keys.append("type")
        kind = node.get_str("type", ALL)
        if kind not in (*_TYPES, ENDPOINT):
            raise _invalid(f"'type' is '{kind}', but should be one of: {', '.join(_TYPES)}", node.get_scalar("type"))
    if not execution or action_cache:
        keys.append("push")
        push = node.get_bool("push", False)
    node.validate_keys(keys)
    url = node.get_str("url")
    if not url:
        raise _invalid("The URL of a remote cannot be empty", node.get_node("url"))
    connection = node.get_mapping("connection-config", {})
    values: dict[str, Any] = {key.replace("-", "_"): connection.get_int(key, None) for key in _CONNECTION_KEYS}
    auth = node.get_mapping("auth", None)
    if auth is not None:
        values.update(_credentials(auth, directory))
    return RemoteConfig(
        url=url,
        type=kind,
        push=push,
        instance_name=node.get_str("instance-name", None),
        where=str(node.get_provenance()),
        **values,
    )


def _credentials(node: MappingNode, directory: str | None) -> dict[str, Any]:
    node.validate_keys([*_CREDENTIALS, "access-token-reload-interval"])
    values: dict[str, Any] = {}
    for key in _CREDENTIALS:
        text = node.get_str(key, None)
        values[key.replace("-", "_")] = _credential_path(text, directory) if text else text
    values["access_token_reload_interval"] = node.get_int("access-token-reload-interval", None)
    for key, other in (("client-key", "client-cert"), ("client-cert", "client-key")):
        if values[key.replace("-", "_")] and not values[other.replace("-", "_")]:
            raise _invalid(f"'{key}' was specified without '{other}'", node.get_node(key))
    return values


def _credential_path(text: str, directory: str | None) -> str:
    path = os.path.expanduser(text)
    return os.path.join(directory, path) if directory else path


def cache_config_from_node(node: MappingNode) -> CacheConfig:
    """Read ``artifacts`` or ``source-caches`` of user configuration.

    Raises:
        LoadError: INVALID_DATA.
    """
    node.validate_keys(["override-project-caches", "servers"])
    servers = node.get_sequence("servers", [], allowed_types=[MappingNode])
    override = node.get_bool("override-project-caches", False)
    return CacheConfig(override, tuple(remote_from_node(server) for server in servers))


def execution_from_node(node: MappingNode, *, storage_elsewhere: bool) -> ExecutionConfig:
    """Read ``remote-execution`` of user configuration.

    Args:
        storage_elsewhere: a storage service is configured for the cache, so that none is needed here.

    Raises:
        LoadError: INVALID_DATA.
    """
    node.validate_keys(["execution-service", "storage-service", "action-cache-service"])
    execution = node.get_mapping("execution-service", None)
    storage = node.get_mapping("storage-service", None)
    if storage is None and not storage_elsewhere:
        raise _invalid("Remote execution needs a 'storage-service', here or in the 'cache' section", node)
    action_cache = node.get_mapping("action-cache-service", None)
    if execution is None and action_cache is None:
        raise _invalid("Remote execution needs an 'execution-service' or an 'action-cache-service'", node)
    return ExecutionConfig(
        remote_from_node(execution, execution=True) if execution is not None else None,
        remote_from_node(storage, execution=True) if storage is not None else None,
        remote_from_node(action_cache, execution=True, action_cache=True) if action_cache is not None else None,
    )


def remote_from_string(text: str, *, purpose: str = "all") -> RemoteConfig:
    """Read a remote as the command line takes it: a URL, or ``key=value`` pairs with commas between them.

    Args:
        purpose: "all", "push" or "pull"; what it is for decides whether it is pushed to, except for "all".

    Raises:
        RemoteError: the text is malformed.
    """
    values: dict[str, Any] = {"push": purpose != "pull"}
    if "," not in text:
        values["url"] = text
    else:
        for part in text.split(","):
            key, separator, value = part.partition("=")
            if not separator or "=" in value:
                raise RemoteError(f"Invalid format '{part}' in remote specification: {text}")
            if key in ("url", "instance-name"):
                values[key.replace("-", "_")] = value
            elif key == "type":
                if value not in _TYPES:
                    raise RemoteError(f"The 'type' of a remote must be one of: {', '.join(_TYPES)}")
                values["type"] = value
            elif key == "push":
                if purpose != "all":
                    raise RemoteError(f"The 'push' key is invalid here, and assumed to be {values['push']}")
                if value not in ("True", "true", "False", "false"):
                    raise RemoteError("The value of 'push' must be 'True' or 'False'")
                values["push"] = value in ("True", "true")
            elif key in _CREDENTIALS:
                values[key.replace("-", "_")] = _credential_path(value, os.getcwd())
            else:
                raise RemoteError(f"Unexpected key '{key}' in remote specification: {text}")
    if not values.get("url"):
        raise RemoteError(f"No URL in remote specification: {text}")
    return RemoteConfig(**values)


def _invalid(message: str, node: Any) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
