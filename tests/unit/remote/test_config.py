"""Which remotes a session uses, and that this crosses processes."""

from __future__ import annotations

import itertools
import json

import pytest

from grilse.protocol.errors import RemoteError
from grilse.remote.config import (
    CacheConfig,
    ExecutionConfig,
    RemoteConfig,
    RemoteSettings,
    can_pull,
    can_push,
    choose_remotes,
)

CLI = RemoteConfig(url="http://cli", push=True)
OVERRIDE = RemoteConfig(url="http://override", where="user.conf [line 9 column 2]")
USER = RemoteConfig(url="http://user", push=True, where="user.conf [line 3 column 2]")
PROJECT = RemoteConfig(url="http://project", where="project.conf [line 3 column 2]")
PARENT = RemoteConfig(url="http://parent")
INDEX = RemoteConfig(url="http://index", type="index", push=True)
STORAGE = RemoteConfig(url="http://storage", type="storage", push=True)


def test_the_command_line_beats_the_override_of_the_project_which_beats_the_user() -> None:
    override, user = CacheConfig(False, (OVERRIDE,)), CacheConfig(False, (USER,))
    nothing = CacheConfig()
    assert choose_remotes([CLI], override, user, []) == (CLI,)
    assert choose_remotes([], override, user, []) == (OVERRIDE,)
    assert choose_remotes([], nothing, user, []) == (USER,)
    assert choose_remotes([], nothing, nothing, []) == ()


@pytest.mark.parametrize("by_option, by_override, by_user", list(itertools.product((False, True), repeat=3)))
def test_recommended_remotes_come_last_unless_anything_forbids_them(
    by_option: bool, by_override: bool, by_user: bool
) -> None:
    chosen = choose_remotes(
        [],
        CacheConfig(by_override, ()),
        CacheConfig(by_user, (USER,)),
        [PARENT, PROJECT],
        ignore_recommended=by_option,
    )
    assert chosen == ((USER,) if by_option or by_override or by_user else (USER, PARENT, PROJECT))


def test_a_remote_named_twice_is_used_once_at_its_first_place() -> None:
    again = RemoteConfig(url="http://user", push=True, where="elsewhere [line 1 column 0]")
    assert choose_remotes([], CacheConfig(), CacheConfig(False, (USER, OVERRIDE)), [again]) == (USER, OVERRIDE)


def test_pulling_and_pushing_need_both_an_index_and_a_storage() -> None:
    assert can_pull([INDEX, STORAGE])
    assert can_pull([USER])
    assert not can_pull([INDEX])
    assert not can_pull([STORAGE])
    assert can_push([INDEX, STORAGE])
    assert not can_push([PROJECT])
    assert not can_push([INDEX, PROJECT])


def test_settings_survive_json() -> None:
    settings = RemoteSettings(
        artifacts={"app": (USER, INDEX)},
        sources={"app": (STORAGE,)},
        storage=RemoteConfig(url="unix:/run/cas", type="endpoint", instance_name="main", request_timeout=3),
        execution=ExecutionConfig(execution=RemoteConfig(url="https://exec", type="endpoint")),
        pull_buildtrees=True,
    )
    assert RemoteSettings.from_plain(json.loads(json.dumps(settings.to_plain()))) == settings
    assert RemoteSettings.from_plain(None) == RemoteSettings()


def test_settings_of_another_shape_are_refused() -> None:
    with pytest.raises(RemoteError, match="cannot be understood"):
        RemoteSettings.from_plain({"artifacts": {"app": [{"push": True}]}})


def test_a_dead_remote_is_left_out_everywhere() -> None:
    settings = RemoteSettings(artifacts={"a": (USER, PROJECT), "b": (USER,)}, sources={"a": (USER,)})
    left = settings.without([RemoteConfig(url="http://user", push=True)])
    assert left.artifacts == {"a": (PROJECT,), "b": ()}
    assert left.sources == {"a": ()}


def test_every_remote_is_listed_once() -> None:
    settings = RemoteSettings(artifacts={"a": (USER, PROJECT), "b": (USER,)}, sources={"a": (USER, STORAGE)})
    assert settings.all_remotes() == [USER, PROJECT, STORAGE]
