"""User configuration is found, completed by defaults, overridden by the command line, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grilse.project.files import YamlFiles
from grilse.project.remotes import remote_from_string
from grilse.project.user_config import UserConfig, expand_path, likely_cachedir, load_user_config, parse_size
from grilse.protocol.errors import LoadError, RemoteError
from grilse.protocol.requests import Invocation
from grilse.remote.config import RemoteConfig


def load(tmp_path: Path, text: str | None = None, name: str = "c.conf", **invocation: Any) -> UserConfig:
    if text is not None:
        (tmp_path / name).write_text(text)
        invocation.setdefault("config", str(tmp_path / name))
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "xdg"), "PLACE": "/place"}
    return load_user_config(Invocation(argv=(), directory="/", **invocation), YamlFiles(None), environment)


def test_defaults_are_those_of_buildstream(tmp_path: Path) -> None:
    config = load(tmp_path)
    assert config.origin is None
    assert config.cachedir == f"{tmp_path}/xdg/buildstream"
    assert config.sourcedir == f"{tmp_path}/xdg/buildstream/sources"
    assert config.workspacedir == "."
    assert (config.fetchers, config.builders, config.pushers, config.network_retries) == (10, 4, 4, 2)
    assert (config.quota, config.low_watermark, config.cache_buildtrees) == (None, 0.8, "auto")
    assert (config.on_error, config.build_dependencies, config.fetch_source) == ("quit", "run", "all")
    assert config.track_source == "aliases"
    assert config.element_format == "%{state: >12} %{full-key} %{name} %{workspace-dirs}"
    assert config.message_format == "[%{elapsed}][%{key}][%{element}] %{action} %{message}"
    assert 1 <= config.max_jobs <= 8


@pytest.mark.parametrize("names", [["grilse.conf", "buildstream.conf"], ["buildstream2.conf"], ["buildstream.conf"]])
def test_the_first_configuration_file_that_exists_counts(names: list[str], tmp_path: Path) -> None:
    (tmp_path / ".config").mkdir()
    for name in names:
        (tmp_path / ".config" / name).write_text(f"logdir: /{name}\n")
    assert load(tmp_path).logdir == f"/{names[0]}"


def test_paths_are_expanded(tmp_path: Path) -> None:
    config = load(tmp_path, "cachedir: ${PLACE}/a/../b\nlogdir: $PLACE/$NOTHING\n")
    assert config.cachedir == "/place/b"
    assert config.logdir == "/place/$NOTHING"
    assert expand_path("${A}/${B", {"A": "/x"}) == "/x/${B"


def test_the_command_line_comes_last(tmp_path: Path) -> None:
    text = "build: {max-jobs: 3}\nscheduler: {on-error: continue}\n"
    config = load(tmp_path, text, max_jobs=5, on_error="terminate", builders=1, strict=False, pull_buildtrees=True)
    assert (config.max_jobs, config.on_error, config.builders, config.fetchers) == (5, "terminate", 1, 10)
    assert not config.is_strict("any")
    assert config.pull_buildtrees
    assert load(tmp_path, text).max_jobs == 3


@pytest.mark.parametrize(
    "text",
    [
        "nonsense: x\n",
        "builddir: /x\n",
        "artifactdir: /x\n",
        "cachedir: relative\n",
        "workspacedir: relative\n",
        "cache: {quota: pony}\n",
        "cache: {quota: -1}\n",
        "cache: {quota: 200%}\n",
        "cache: {reserved-disk-space: infinity}\n",
        "cache: {low-watermark: 80}\n",
        "cache: {low-watermark: 120%}\n",
        "cache: {cache-buildtrees: pony}\n",
        "cache: {pull-buildtrees: pony}\n",
        "cache: {storage-service: {url: ''}}\n",
        "scheduler: {on-error: pony}\n",
        "scheduler: {builders: many}\n",
        "build: {dependencies: plan}\n",
        "fetch: {source: pony}\n",
        "track: {foo: bar}\n",
        "logging: {foo: bar}\n",
        "artifacts: {servers: [{url: a, type: pony}]}\n",
        "artifacts: {servers: [{url: a, auth: {client-cert: x}}]}\n",
        "artifacts: {url: a}\n",
        "source-caches: {servers: [a]}\n",
        "remote-execution: {}\n",
        "remote-execution: {storage-service: {url: a}}\n",
        "remote-execution: {execution-service: {url: a, push: true}, storage-service: {url: a}}\n",
        "projects: {test: {nonsense: x}}\n",
        "projects: {test: x}\n",
    ],
)
def test_mistakes_are_refused_with_their_place(text: str, tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        load(tmp_path, text)
    assert caught.value.reason == "INVALID_DATA"
    assert "[line " in caught.value.where


def test_a_named_file_must_exist_and_hold_yaml(tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        load(tmp_path, config=str(tmp_path / "missing"))
    assert caught.value.reason == "MISSING_FILE"
    with pytest.raises(LoadError) as caught:
        load(tmp_path, "a: [")
    assert caught.value.reason == "INVALID_YAML"


def test_remotes_are_read_whole(tmp_path: Path) -> None:
    text = """
artifacts:
  override-project-caches: true
  servers:
  - url: https://a:50052
    type: index
    push: true
    instance-name: main
    auth: {server-cert: ~/server.crt, client-cert: c.crt, client-key: c.key, access-token-reload-interval: 5}
    connection-config: {keepalive-time: 60, retry-limit: 3, retry-delay: 500, request-timeout: 90}
cache:
  storage-service: {url: 'https://store'}
remote-execution:
  execution-service: {url: 'https://run'}
  action-cache-service: {url: 'https://actions', push: true}
"""
    config = load(tmp_path, text)
    [server] = config.artifact_caches.servers
    assert config.artifact_caches.override_project_caches
    assert (server.url, server.type, server.push, server.instance_name) == ("https://a:50052", "index", True, "main")
    assert server.server_cert is not None
    assert server.server_cert.endswith("/server.crt")
    assert (server.keepalive_time, server.retry_limit, server.retry_delay, server.request_timeout) == (60, 3, 500, 90)
    assert server.access_token_reload_interval == 5
    assert config.remote_execution is not None
    assert config.remote_execution.storage is None
    assert config.remote_execution.action_cache is not None
    assert config.remote_execution.action_cache.push


def test_remotes_of_the_command_line() -> None:
    assert remote_from_string("https://a") == RemoteConfig(url="https://a", push=True)
    found = remote_from_string("url=https://a,type=storage,push=False,instance-name=i,server-cert=/x")
    assert found == RemoteConfig(url="https://a", type="storage", instance_name="i", server_cert="/x")
    assert remote_from_string("https://a", purpose="pull").push is False


@pytest.mark.parametrize(
    "text",
    ["", "url=a,push", "url=a,type=pony", "type=all,push=true", "url=a,push=maybe", "url=a,foo=b", "url=a=b,c=d"],
)
def test_malformed_remotes_of_the_command_line_are_refused(text: str) -> None:
    with pytest.raises(RemoteError):
        remote_from_string(text)


def test_sizes(tmp_path: Path) -> None:
    assert parse_size("infinity", "/") is None
    assert parse_size("800", "/") == 800
    assert parse_size("2K", "/") == 2048
    assert parse_size("1T", "/") == 1024**4
    half = parse_size("50%", str(tmp_path / "not" / "there"))
    assert half is not None
    assert half > 0


@pytest.mark.parametrize(
    ("text", "directory"),
    [
        ("cachedir: /c/d\n", "/c/d"),
        ("logdir: /l\ncachedir:   ${PLACE}/d   \n", "/place/d"),
        ("logdir: /l\n", "/home/.cache/buildstream"),
        ("build:\n  cachedir: /no\n", "/home/.cache/buildstream"),
        ("cachedir: '/quoted'\n", "/home/.cache/buildstream"),
        ("\0: [", "/home/.cache/buildstream"),
    ],
)
def test_the_cache_directory_is_guessed_before_the_file_is_understood(
    text: str, directory: str, tmp_path: Path
) -> None:
    (tmp_path / "c.conf").write_text(text)
    environment = {"HOME": "/home", "PLACE": "/place"}
    for config in (str(tmp_path / "c.conf"), str(tmp_path / "missing")):
        wanted = directory if config.endswith("c.conf") else "/home/.cache/buildstream"
        invocation = Invocation(argv=(), directory="/", config=config)
        assert likely_cachedir(invocation, environment) == wanted
