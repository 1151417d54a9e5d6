"""Where a project's elements, cached artifacts and logs of sessions are, found without a YAML parser.

Knows the few lines of configuration that say so.  A file that is written in an unusual way yields fewer completions,
never an error: the backend reads the same files properly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

# The event log in the directory of a session.
LOG_NAME = "events.jsonl"
# A session holds a lock on this file in its directory as long as it runs.
LOCK_NAME = "running.lock"
# Artifact names offered at most.
MAX_ARTIFACTS = 5000


def sessions_directory() -> str:
    """Where sessions keep their logs, a directory each."""
    from ..platform import user_cache_directory

    return os.path.join(user_cache_directory(), "grilse", "sessions")


def session_names() -> list[str]:
    """Names of the sessions that have a log, the newest first: a name begins with the time it began at."""
    root = sessions_directory()
    try:
        names = os.listdir(root)
    except OSError:
        return []
    return sorted((name for name in names if os.path.isfile(os.path.join(root, name, LOG_NAME))), reverse=True)


def element_directory(directory: str | None) -> str | None:
    """The element directory of the project in `directory`, or of the project around the current directory."""
    project = directory if directory is not None else _project_around(os.getcwd())
    if project is None:
        return None
    configuration = os.path.join(project, "project.conf")
    if not os.path.isfile(configuration):
        return None
    path = top_level_scalar(configuration, "element-path")
    return os.path.join(project, path) if path else project


def _project_around(directory: str) -> str | None:
    while not os.path.isfile(os.path.join(directory, "project.conf")):
        parent = os.path.dirname(directory)
        if parent == directory:
            return None
        directory = parent
    return directory


def artifact_names(config: str | None, beginning: str) -> Iterator[str]:
    """Names of cached artifacts that begin so, at most `MAX_ARTIFACTS`."""
    root = os.path.join(cache_directory(config), "artifacts", "refs")
    for count, name in enumerate(_files(root, "", beginning)):
        if count == MAX_ARTIFACTS:
            return
        yield name


def _files(root: str, below: str, beginning: str) -> Iterator[str]:
    try:
        with os.scandir(os.path.join(root, below)) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError:
        return
    for name, is_directory in found:
        path = f"{below}{name}"
        if is_directory:
            path += "/"
            if path.startswith(beginning) or beginning.startswith(path):
                yield from _files(root, path, beginning)
        elif path.startswith(beginning):
            yield path


def cache_directory(config: str | None) -> str:
    """The cache directory of a user configuration file, or of the usual one."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    configured = None
    for path in [config] if config else user_configurations():
        if os.path.isfile(path):
            configured = top_level_scalar(path, "cachedir")
            break
    if not configured:
        return os.path.join(cache_home, "buildstream")
    expanded = configured.replace("${XDG_CACHE_HOME}", cache_home).replace("$XDG_CACHE_HOME", cache_home)
    return os.path.expanduser(os.path.expandvars(expanded))


def user_configurations() -> Iterator[str]:
    """Where a user configuration may be, the one that counts first."""
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    for name in ("grilse.conf", "buildstream2.conf", "buildstream.conf"):
        yield os.path.join(home, name)


def top_level_scalar(path: str, key: str) -> str | None:
    """The value of ``key: value`` at the left margin of a YAML file, or None."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if colon and name.strip("\"'") == key and (not value or value[0].isspace()):
                    return _scalar(value.strip())
    except OSError:
        pass
    return None


def _scalar(text: str) -> str | None:
    if text[:1] in ("'", '"'):
        end = text.find(text[0], 1)
        return text[1:end] if end > 0 else None
    return text.partition(" #")[0].strip() or None
