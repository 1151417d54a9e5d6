"""How much longer a session may take, judged by what jobs took in this session and in earlier ones.

Knows jobs and the plan; nothing of where earlier durations are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ...protocol.events import Pipeline
from .model import Running

# Jobs of this session whose mean stands for those that were never seen.
ENOUGH = 3


class Estimate:
    """The rest of a session's main action (its builds, say).

    Args:
        action: the action.
    """

    def __init__(self, action: str) -> None:
        self._action = action
        # Seconds that each element that is still to come took before, or None when that is not known.
        self._left: dict[str, float | None] = {}
        self._took: list[float] = []
        # Which elements need each directly.
        self._needed_by: dict[str, list[str]] = {}
        self._widest = 1

    def plan(self, pipeline: Pipeline, known: Mapping[str, float]) -> None:
        """Learn what is to be done, and what is known of it."""
        self._left = {
            element.name: known.get(element.name)
            for element in pipeline.elements
            if element.planned and element.state not in ("cached", "junction")
        }
        self._needed_by = {}
        for element in pipeline.elements:
            for place in element.depends:
                if 0 <= place < len(pipeline.elements):
                    self._needed_by.setdefault(pipeline.elements[place].name, []).append(element.name)

    def finished(self, element: str, action: str, status: str, seconds: float) -> None:
        """A job has ended."""
        if action == self._action:
            self._left.pop(element, None)
            if status == "ok":
                self._took.append(seconds)
            elif status in ("failed", "lost"):
                self._leave_out(element)

    def _leave_out(self, element: str) -> None:
        """Do not wait for what needs an element that has failed; when that is tried again, it comes as a surprise."""
        todo = [element]
        while todo:
            for name in self._needed_by.pop(todo.pop(), ()):
                self._left.pop(name, None)
                todo.append(name)

    def seconds(self, running: Iterable[Running], now: float) -> float | None:
        """Seconds left, or None when too little is known."""
        if not self._left:
            return None
        known = [seconds for seconds in self._left.values() if seconds is not None]
        unknown = len(self._left) - len(known)
        if unknown and len(self._took) < ENOUGH and unknown * 4 > len(self._left):
            return None
        samples = self._took or known
        mean = sum(samples) / len(samples) if samples else 0.0
        total = sum(known) + unknown * mean
        longest = 0.0
        at_a_time = 0
        for job in running:
            if job.action == self._action and job.element in self._left:
                at_a_time += 1
                expected = self._left[job.element]
                whole = mean if expected is None else expected
                done = min(whole, max(0.0, now - job.started))
                total -= done
                longest = max(longest, whole - done)
        self._widest = max(self._widest, at_a_time)
        return max(total / self._widest, longest)
