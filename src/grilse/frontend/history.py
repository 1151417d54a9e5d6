"""How long jobs took in earlier sessions: kept in one small file, for estimates.

Knows nothing of how an estimate is made.  The file is JSON, ``{project: {element: seconds}}``; losing it loses
estimates and nothing else, so that whatever is wrong with it is passed over.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from ..platform import user_cache_directory
from ..protocol import events
from ..protocol.events import Event

# Jobs shorter than this are not worth remembering, seconds.
WORTH_KEEPING = 0.5
# Elements remembered of one project, and projects, at most.
MAX_ELEMENTS, MAX_PROJECTS = 20_000, 50

_Durations = dict[str, dict[str, float]]


def history_file() -> str:
    """The file's path."""
    return os.path.join(user_cache_directory(), "grilse", "durations.json")


def durations_of(project: str) -> Mapping[str, float]:
    """Seconds that each element's build took last."""
    return _load().get(project, {})


def _load() -> _Durations:
    try:
        with open(history_file(), "rb") as file:
            found: _Durations = msgspec.json.decode(file.read(), type=_Durations)
            return found
    except (OSError, msgspec.MsgspecError):
        return {}


class Historian:
    """A view that remembers how long builds took, and keeps it when the session ends."""

    def __init__(self) -> None:
        self._project: str | None = None
        self._took: dict[str, float] = {}

    def show(self, batch: Sequence[Event]) -> None:
        """Remember what is worth it."""
        for event in batch:
            if isinstance(event, events.JobFinished):
                if event.action == "build" and event.status == "ok" and event.seconds >= WORTH_KEEPING:
                    self._took[event.element] = round(event.seconds, 2)
            elif isinstance(event, events.Pipeline):
                self._project = event.project

    def output(self, data: bytes) -> None:
        """Results are none of its business."""

    def finish(self, status: int) -> None:
        """Put what was learned with what was known."""
        if self._project is None or not self._took:
            return
        known = _load()
        # The newest last, so that what is too much is what was not seen for longest.
        of_project = {**known.pop(self._project, {})}
        for element in self._took:
            of_project.pop(element, None)
        of_project.update(self._took)
        known[self._project] = dict(list(of_project.items())[-MAX_ELEMENTS:])
        _save(dict(list(known.items())[-MAX_PROJECTS:]))


def _save(durations: _Durations) -> None:
    path = history_file()
    temporary = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(msgspec.json.encode(durations))
        os.replace(temporary, path)
    except OSError:
        # A cache that cannot be written costs estimates only.
        pass
