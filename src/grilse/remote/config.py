"""Which remote services a session uses, as plain, frozen data that crosses processes in the header of a plan.

Knows nothing of connections, nor of the YAML and command lines that these come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from grilse.protocol.errors import RemoteError

INDEX = "index"
STORAGE = "storage"
ALL = "all"
ENDPOINT = "endpoint"


class RemoteConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One remote service.

    Attributes:
        url: where it is, ``http://HOST:PORT``, ``https://HOST:PORT`` or ``unix:PATH``.
        type: "index", "storage" or "all" for caches, "endpoint" for the services of remote execution.
        push: whether we may upload to it.
        instance_name: name of the instance at the URL, or None.
        server_cert, client_key, client_cert, access_token: absolute paths of files, or None.
        access_token_reload_interval: minutes after which the token is read again, or None for never.
        keepalive_time: seconds between pings, or None for none.
        retry_limit: how often a request is tried again, or None for our default.
        retry_delay: milliseconds before the first retry, or None for our default.
        request_timeout: seconds that a request may take, or None for our default.
        where: place of its declaration, or "" for the command line; it does not count when remotes are compared.
    """

    url: str
    type: str = ALL
    push: bool = False
    instance_name: str | None = None
    server_cert: str | None = None
    client_key: str | None = None
    client_cert: str | None = None
    access_token: str | None = None
    access_token_reload_interval: int | None = None
    keepalive_time: int | None = None
    retry_limit: int | None = None
    retry_delay: int | None = None
    request_timeout: int | None = None
    where: str = ""

    @property
    def is_index(self) -> bool:
        """Whether it says which digest an artifact or source has."""
        return self.type in (INDEX, ALL)

    @property
    def is_storage(self) -> bool:
        """Whether it has content by digest."""
        return self.type in (STORAGE, ALL, ENDPOINT)

    @property
    def identity(self) -> RemoteConfig:
        """This remote without its place of declaration: equal, and with the same hash, for the same remote."""
        return msgspec.structs.replace(self, where="")

    @property
    def service(self) -> RemoteConfig:
        """What matters to a connection: remotes of equal `service` can share one."""
        return msgspec.structs.replace(self, where="", push=False, type=ALL)

    def to_plain(self) -> dict[str, Any]:
        """As plain data."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    def __str__(self) -> str:
        return self.url


class CacheConfig(msgspec.Struct, frozen=True):
    """Which caches of one kind (artifacts, sources) a user has configured.

    Attributes:
        override_project_caches: leave out those that projects recommend.
        servers: the user's, in order of preference.
    """

    override_project_caches: bool = False
    servers: tuple[RemoteConfig, ...] = ()


class ExecutionConfig(msgspec.Struct, frozen=True, omit_defaults=True):
    """The services of remote execution; at least one of `execution` and `action_cache` is there.

    Attributes:
        execution: runs actions; None to run them here.
        storage: has their inputs and outputs; None if the cache's own storage service does.
        action_cache: knows results of actions, or None.
    """

    execution: RemoteConfig | None = None
    storage: RemoteConfig | None = None
    action_cache: RemoteConfig | None = None


class RemoteSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All remotes of a session; ``remotes`` in the settings of a plan's header, as plain data.

    Attributes:
        artifacts: remotes for artifacts by project name, in order of preference.
        sources: remotes for sources likewise.
        storage: remote store of the local cache's content, or None.
        execution: services of remote execution, or None.
        pull_buildtrees: whether build trees are pulled with artifacts.
        state_directory: host directory where the session's processes tell each other which remotes do not answer,
            or "" for none.
    """

    artifacts: dict[str, tuple[RemoteConfig, ...]] = {}
    sources: dict[str, tuple[RemoteConfig, ...]] = {}
    storage: RemoteConfig | None = None
    execution: ExecutionConfig | None = None
    pull_buildtrees: bool = False
    state_directory: str = ""

    def to_plain(self) -> dict[str, Any]:
        """As plain data, for a plan's header."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain

    @staticmethod
    def from_plain(plain: dict[str, Any] | None) -> RemoteSettings:
        """From what `to_plain` made; None gives a session without remotes.

        Raises:
            RemoteError: `plain` is something else.
        """
        try:
            return msgspec.convert(plain or {}, RemoteSettings)
        except msgspec.ValidationError as error:
            raise RemoteError(f"The remotes of this session cannot be understood: {error}") from error

    def all_remotes(self) -> list[RemoteConfig]:
        """Every remote that artifacts or sources use, each once, in order."""
        found = [remote for remotes in (*self.artifacts.values(), *self.sources.values()) for remote in remotes]
        return deduplicate(found)

    def without(self, dead: Iterable[RemoteConfig]) -> RemoteSettings:
        """These settings without caches that could not be initialized."""
        gone = {remote.identity for remote in dead}

        def alive(table: dict[str, tuple[RemoteConfig, ...]]) -> dict[str, tuple[RemoteConfig, ...]]:
            return {name: tuple(r for r in remotes if r.identity not in gone) for name, remotes in table.items()}

        return msgspec.structs.replace(self, artifacts=alive(self.artifacts), sources=alive(self.sources))


def deduplicate(remotes: Iterable[RemoteConfig]) -> list[RemoteConfig]:
    """Each remote once, at its first place."""
    unique: dict[RemoteConfig, RemoteConfig] = {}
    for remote in remotes:
        unique.setdefault(remote.identity, remote)
    return list(unique.values())


def choose_remotes(
    command_line: Sequence[RemoteConfig],
    project_override: CacheConfig,
    user: CacheConfig,
    recommended: Iterable[RemoteConfig],
    *,
    ignore_recommended: bool = False,
) -> tuple[RemoteConfig, ...]:
    """Decide which remotes one project uses, in order of preference.

    Args:
        command_line: given with ``--artifact-remote`` or ``--source-remote``; these replace the user's own.
        project_override: what the user configured for this project; it replaces what is configured for all.
        user: what the user configured for all projects.
        recommended: what projects recommend: the outermost one first, the project itself last.
        ignore_recommended: ``--ignore-project-artifact-remotes`` or ``--ignore-project-source-remotes``.
    """
    chosen = list(command_line or project_override.servers or user.servers)
    if not (ignore_recommended or (project_override.override_project_caches or user.override_project_caches)):
        chosen += recommended
    return tuple(deduplicate(chosen))


def can_pull(remotes: Iterable[RemoteConfig]) -> bool:
    """Whether something can be pulled from these: both an index and a storage are among them."""
    remotes = list(remotes)
    return any(r.is_index for r in remotes) and any(r.is_storage for r in remotes)


def can_push(remotes: Iterable[RemoteConfig]) -> bool:
    """Whether something can be pushed to these: both an index and a storage that allow it are among them."""
    return can_pull(remote for remote in remotes if remote.push)
