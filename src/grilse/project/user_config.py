"""User configuration: defaults, the configuration file, and what the command line says instead.

Knows nothing of projects beyond the overrides that users may give for them by name.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ..plugin.composition import compose
from ..plugin.node import MappingNode, Node
from ..protocol.errors import LoadError, LoadErrorReason
from ..protocol.requests import Invocation
from ..remote.config import CacheConfig, ExecutionConfig, RemoteConfig
from .files import YamlFiles, read_file
from .remotes import cache_config_from_node, execution_from_node, remote_from_node

# In the user's configuration directory, the first that exists.
FILE_NAMES: Final = ("grilse.conf", "buildstream2.conf", "buildstream.conf")

# Jobs of one build, unless somebody says otherwise: more than these gain little.
MAX_DEFAULT_JOBS: Final = 8

_DEFAULTS: Final = os.path.join(os.path.dirname(__file__), "data", "user-defaults.yaml")
_KEYS: Final = [
    "cachedir",
    "sourcedir",
    "logdir",
    "workspacedir",
    "scheduler",
    "build",
    "fetch",
    "track",
    "artifacts",
    "source-caches",
    "logging",
    "projects",
    "cache",
    "remote-execution",
]
_PROJECT_KEYS: Final = [
    "artifacts",
    "source-caches",
    "options",
    "strict",
    "default-mirror",
    "remote-execution",
    "mirrors",
]
_URI_POLICIES: Final = ("all", "aliases", "mirrors", "user")
_SIZE: Final = re.compile(r"([0-9]+\.?[0-9]*)([KMGT%]?)")


class UserConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the user wants, resolved.

    Attributes:
        origin: absolute path of the configuration file read, or None.
        cachedir, sourcedir, logdir: absolute directories.
        workspacedir: absolute directory, or ".".
        quota: bytes, or None for no limit.
        reserved: bytes of the disk to keep free.
        low_watermark: part of the quota that is kept when the cache is cleaned, 0 to 1.
        storage_service: remote store of the cache's content, or None.
        pull_buildtrees: pull build trees with artifacts.
        cache_buildtrees: "always", "auto" or "never".
        on_error: "continue", "quit" or "terminate".
        fetchers, builders, pushers, network_retries: counts.
        max_jobs: jobs of one build, at least 1.
        retry_failed: build again what failed before.
        build_dependencies: "none", "run" or "all".
        fetch_source, track_source: "all", "aliases", "mirrors" or "user".
        artifact_caches, source_caches: what is configured for all projects.
        remote_execution: for all projects, or None.
        key_length, error_lines, message_lines: counts.
        verbose, debug, throttle_updates: switches.
        element_format, message_format: formats as configured.
        strict: strict build plan if the command line says so, else None.
        default_mirror: mirror to try first if the command line says so, else None.
        options: project options of the command line.
        projects: overrides by project name.
    """

    origin: str | None
    cachedir: str
    sourcedir: str
    logdir: str
    workspacedir: str
    quota: int | None
    reserved: int
    low_watermark: float
    storage_service: RemoteConfig | None
    pull_buildtrees: bool
    cache_buildtrees: str
    on_error: str
    fetchers: int
    builders: int
    pushers: int
    network_retries: int
    max_jobs: int
    retry_failed: bool
    build_dependencies: str
    fetch_source: str
    track_source: str
    artifact_caches: CacheConfig
    source_caches: CacheConfig
    remote_execution: ExecutionConfig | None
    key_length: int
    error_lines: int
    message_lines: int
    verbose: bool
    debug: bool
    throttle_updates: bool
    element_format: str
    message_format: str
    strict: bool | None
    default_mirror: str | None
    options: tuple[tuple[str, str], ...]
    projects: MappingNode

    def overrides(self, project: str) -> MappingNode:
        """What the user configured for one project."""
        return self.projects.get_mapping(project, {})

    def is_strict(self, project: str) -> bool:
        """Whether build plans are strict, `project` being the one that was started from.

        Raises:
            LoadError: INVALID_DATA.
        """
        return self.overrides(project).get_bool("strict", True) if self.strict is None else self.strict

    def execution(self, project: str) -> ExecutionConfig | None:
        """The services for remote execution, `project` being the one that was started from.

        Raises:
            LoadError: INVALID_DATA.
        """
        node = self.overrides(project).get_mapping("remote-execution", None)
        if node is None:
            return self.remote_execution
        return execution_from_node(node, storage_elsewhere=self.storage_service is not None)


def load_user_config(invocation: Invocation, files: YamlFiles, environment: Mapping[str, str]) -> UserConfig:
    """Read the user's configuration.

    Args:
        invocation: the command line's own options; `config` names the file.
        files: loads the file.
        environment: environment variables, for the place of the file and for paths in it.

    Raises:
        LoadError: INVALID_DATA, INVALID_YAML, MISSING_FILE for a file that the command line names, ...
    """
    environment = with_base_directories(environment)
    node = files.load_builtin(_DEFAULTS, "user-defaults.yaml")
    path = invocation.config or _default_file(environment)
    if path is not None:
        node = compose(node, files.load(path, path))
    for obsolete, instead in (("builddir", ", use cachedir"), ("artifactdir", "")):
        if obsolete in node:
            raise _invalid(f"'{obsolete}' is obsolete{instead}", node.get_node(obsolete))
    node.validate_keys(_KEYS)
    projects = node.get_mapping("projects", {})
    values: dict[str, Any] = {"origin": os.path.abspath(path) if path is not None else None, "projects": projects}
    for key in ("cachedir", "sourcedir", "logdir", "workspacedir"):
        values[key] = _directory(node, key, environment)
    values.update(_cache(node.get_mapping("cache"), values["cachedir"]))
    values["artifact_caches"] = cache_config_from_node(node.get_mapping("artifacts", {}))
    values["source_caches"] = cache_config_from_node(node.get_mapping("source-caches", {}))
    execution = node.get_mapping("remote-execution", None)
    storage_elsewhere = values["storage_service"] is not None
    values["remote_execution"] = (
        execution_from_node(execution, storage_elsewhere=storage_elsewhere) if execution is not None else None
    )
    values.update(_work(node))
    for name in projects.keys():  # noqa: SIM118 - a mapping node is not a dict
        projects.get_mapping(name).validate_keys(_PROJECT_KEYS)
    return UserConfig(**_with_invocation(values, invocation))


def likely_cachedir(invocation: Invocation, environment: Mapping[str, str]) -> str:
    """Where the cache directory most likely is, without understanding the configuration file.

    What was parsed before lies there: looking in the wrong place costs no more than parsing.
    """
    environment = with_base_directories(environment)
    path = invocation.config or _default_file(environment)
    text = ""
    if path is not None:
        try:
            text = read_file(path).decode(errors="replace")
        except LoadError:
            text = ""  # whoever reads it for good says what is wrong
    found = re.search(r"^cachedir:[ ]*([^\s#'\"]+)[ ]*$", text, re.MULTILINE)
    return expand_path(found[1] if found else "${XDG_CACHE_HOME}/buildstream", environment)


def with_base_directories(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with the XDG base directories filled in, which paths in configuration may use."""
    home = environment.get("HOME") or os.path.expanduser("~")
    full = dict(environment)
    for name, default in (
        ("XDG_CACHE_HOME", ".cache"),
        ("XDG_CONFIG_HOME", ".config"),
        ("XDG_DATA_HOME", ".local/share"),
    ):
        if not full.get(name):
            full[name] = os.path.join(home, default)
    return full


def expand_path(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``~`` and environment variables (``$NAME``, ``${NAME}``) that exist, and normalise."""
    return os.path.normpath(expand_environment(os.path.expanduser(text), environment))


def expand_environment(text: str, environment: Mapping[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}`` by the values of environment variables; unknown ones stay."""
    if "$" not in text:
        return text
    return re.sub(
        r"\$(?:\{([^}]*)\}|([A-Za-z0-9_]+))",
        lambda match: environment.get(match[1] if match[1] is not None else match[2], match[0]),
        text,
    )


def parse_size(text: str, volume: str) -> int | None:
    """Bytes of a size such as ``800M``, ``10G`` or ``50%`` (of the disk that holds `volume`); None for infinity.

    Raises:
        ValueError: it is not a size.
    """
    if text == "infinity":
        return None
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"'{text}' is not a valid data size")
    number, unit = match.groups()
    if unit == "%":
        part = float(number)
        if part > 100:
            raise ValueError(f"{number}% is more than everything")
        while not os.path.exists(volume):
            volume = os.path.dirname(volume)
        return int(shutil.disk_usage(volume).total * (part / 100))
    factor: int = 1024 ** " KMGT".index(unit or " ")
    return int(number) * factor


def _default_file(environment: Mapping[str, str]) -> str | None:
    for name in FILE_NAMES:
        path = os.path.join(environment["XDG_CONFIG_HOME"], name)
        if os.path.exists(path):
            return path
    return None


def _directory(node: MappingNode, key: str, environment: Mapping[str, str]) -> str:
    path = expand_path(node.get_str(key), environment)
    # A workspace's directory may be relative to where the user is.
    if not os.path.isabs(path) and not (key == "workspacedir" and path == "."):
        raise _invalid(f"'{key}' must be an absolute path", node.get_node(key))
    return path


def _cache(node: MappingNode, cachedir: str) -> dict[str, Any]:
    keys = ["quota", "reserved-disk-space", "low-watermark", "storage-service", "pull-buildtrees", "cache-buildtrees"]
    node.validate_keys(keys)
    quota = _size(node, "quota", cachedir)
    reserved = _size(node, "reserved-disk-space", cachedir)
    if reserved is None:
        raise _invalid("'reserved-disk-space' cannot be infinite", node.get_node("reserved-disk-space"))
    storage = node.get_mapping("storage-service", None)
    return {
        "quota": quota,
        "reserved": reserved,
        "low_watermark": _percentage(node, "low-watermark"),
        "storage_service": remote_from_node(storage) if storage is not None else None,
        "pull_buildtrees": node.get_bool("pull-buildtrees"),
        "cache_buildtrees": _choice(node, "cache-buildtrees", ("always", "auto", "never")),
    }


def _work(node: MappingNode) -> dict[str, Any]:
    logging = node.get_mapping("logging")
    logging.validate_keys(
        [
            "key-length",
            "verbose",
            "error-lines",
            "message-lines",
            "debug",
            "element-format",
            "message-format",
            "throttle-ui-updates",
        ]
    )
    scheduler = node.get_mapping("scheduler")
    scheduler.validate_keys(["on-error", "fetchers", "builders", "pushers", "network-retries"])
    build = node.get_mapping("build")
    build.validate_keys(["max-jobs", "retry-failed", "dependencies"])
    fetch = node.get_mapping("fetch")
    fetch.validate_keys(["source"])
    track = node.get_mapping("track")
    track.validate_keys(["source"])
    return {
        "key_length": logging.get_int("key-length"),
        "debug": logging.get_bool("debug"),
        "verbose": logging.get_bool("verbose"),
        "error_lines": logging.get_int("error-lines"),
        "message_lines": logging.get_int("message-lines"),
        "element_format": logging.get_str("element-format"),
        "message_format": logging.get_str("message-format"),
        "throttle_updates": logging.get_bool("throttle-ui-updates"),
        "on_error": _choice(scheduler, "on-error", ("continue", "quit", "terminate")),
        "fetchers": scheduler.get_int("fetchers"),
        "builders": scheduler.get_int("builders"),
        "pushers": scheduler.get_int("pushers"),
        "network_retries": scheduler.get_int("network-retries"),
        "max_jobs": build.get_int("max-jobs"),
        "retry_failed": build.get_bool("retry-failed"),
        "build_dependencies": _choice(build, "dependencies", ("none", "run", "all")),
        "fetch_source": _choice(fetch, "source", _URI_POLICIES),
        "track_source": _choice(track, "source", _URI_POLICIES),
    }


def _with_invocation(values: dict[str, Any], invocation: Invocation) -> dict[str, Any]:
    for name in (
        "on_error",
        "fetchers",
        "builders",
        "pushers",
        "max_jobs",
        "network_retries",
        "pull_buildtrees",
        "cache_buildtrees",
        "verbose",
        "debug",
        "error_lines",
        "message_lines",
    ):
        said = getattr(invocation, name)
        if said is not None:
            values[name] = said
    values["strict"] = invocation.strict
    values["default_mirror"] = invocation.default_mirror
    values["options"] = invocation.options
    values["max_jobs"] = values["max_jobs"] or default_jobs()
    return values


def default_jobs() -> int:
    """Processors that this process may use, up to a limit."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return min(count, MAX_DEFAULT_JOBS)


def _size(node: MappingNode, key: str, volume: str) -> int | None:
    try:
        return parse_size(node.get_str(key), volume)
    except ValueError as error:
        raise _invalid(f"{error}; valid values are, for example, 800M, 10G, 1T or 50%", node.get_node(key)) from None


def _percentage(node: MappingNode, key: str) -> float:
    text = node.get_str(key)
    try:
        number = float(text.removesuffix("%")) if text.endswith("%") else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number <= 100:
        raise _invalid(f"'{key}' should be a percentage such as 80%, not '{text}'", node.get_node(key))
    return number / 100


def _choice(node: MappingNode, key: str, choices: tuple[str, ...]) -> str:
    value = node.get_str(key)
    if value not in choices:
        raise _invalid(f"'{key}' is '{value}', but should be one of: {', '.join(choices)}", node.get_node(key))
    return value


def _invalid(message: str, node: Node) -> LoadError:
    return LoadError(message, reason=LoadErrorReason.INVALID_DATA, where=str(node.get_provenance()))
