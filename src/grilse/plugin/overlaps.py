"""Overlap detection: which staged files replaced others, and what is said of it.

Must not know artifacts.  Files that elements of one staging call replace among each other may be whitelisted; those
that an earlier call staged are judged by the call's `OverlapAction`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .exceptions import ElementError
from .types import CoreWarnings, OverlapAction

if TYPE_CHECKING:
    from ..storage.filetypes import FileListResult
    from .element import Element
    from .host import ElementFacts


class _Session:
    """One staging call.

    Attributes:
        location: absolute directory of the sandbox that files are staged into.
        action: what to do about files of earlier sessions.
        owners: who staged each file last, by absolute path.
        stacks: for files that were replaced, who staged them, bottom first; without the one of an earlier session.
        ignored: files that were not staged, by element.
    """

    __slots__ = ("action", "ignored", "location", "owners", "stacks")

    def __init__(self, action: OverlapAction, location: str) -> None:
        self.action = action
        self.location = location
        self.owners: dict[str, ElementFacts] = {}
        self.stacks: dict[str, list[ElementFacts]] = {}
        self.ignored: list[tuple[ElementFacts, list[str]]] = []

    def add(self, facts: ElementFacts, result: FileListResult) -> None:
        owners, location = self.owners, self.location
        for relative in result.overwritten:
            path = os.path.join(location, relative)
            stack = self.stacks.get(path)
            if stack is None:
                below = owners.get(path)
                stack = self.stacks[path] = [] if below is None else [below]
            stack.append(facts)
        for relative in result.files_written:
            owners[os.path.join(location, relative)] = facts
        if result.ignored:
            self.ignored.append((facts, [os.path.join(location, relative) for relative in result.ignored]))


class OverlapCollector:
    """The overlaps in one sandbox while `element` stages into it.

    Args:
        element: whose project decides which warnings are fatal, and that warns.
        whitelisted: whether an element may overlap others at an absolute path of its artifact.
    """

    def __init__(self, element: Element, whitelisted: Callable[[ElementFacts, str], bool]) -> None:
        self._element = element
        self._whitelisted = whitelisted
        self._done: list[_Session] = []
        self._session: _Session | None = None

    @contextmanager
    def session(self, action: OverlapAction, location: str | None) -> Iterator[None]:
        """Collect what one call stages below `location`; warnings come at the end.

        Raises:
            ElementError: files of earlier calls were replaced and `action` forbids that (reason ``overlaps``).
            PluginError: the project declares the warning fatal.
        """
        if self._session is not None:
            raise AssertionError("artifacts are being staged already")
        self._session = session = _Session(action, location or "/")
        try:
            yield
            self._warn_overlaps(session)
            self._warn_ignored(session)
            self._judge_earlier(session)
            self._done.append(session)
        finally:
            self._session = None

    def add(self, facts: ElementFacts, result: FileListResult) -> None:
        """Enter what staging one artifact did."""
        if self._session is None:
            raise AssertionError("artifacts are staged within a session only")
        self._session.add(facts, result)

    def _warn_overlaps(self, session: _Session) -> None:
        lines = []
        above = len(os.path.join(session.location, ""))
        for path, stack in session.stacks.items():
            if len(stack) < 2:
                continue
            # A whitelist speaks of the artifact, wherever that is staged.
            inside = f"/{path[above:]}"
            offenders = [facts for facts in stack[1:] if not self._whitelisted(facts, inside)]
            if offenders:
                names = " and ".join(facts.full_name for facts in offenders)
                order = " above ".join(facts.full_name for facts in reversed(stack))
                verb = "is" if len(offenders) == 1 else "are"
                lines.append(f"{path}: {names} {verb} not permitted to overlap other elements, order {order} \n")
        if lines:
            head = f"Staged files overwrite existing files in staging area: {session.location}\n"
            self._element.warn(
                "Non-whitelisted overlaps detected", detail=head + "".join(lines), warning_token=CoreWarnings.OVERLAPS
            )

    def _warn_ignored(self, session: _Session) -> None:
        if not session.ignored:
            return
        detail = f"Not staging files which would replace non-empty directories in staging area: {session.location}\n"
        for facts, paths in session.ignored:
            detail += f"\nFrom {facts.full_name}:\n" + "".join(f"  {path}\n" for path in paths)
        self._element.warn(
            "Not staging files which would have replaced non-empty directories",
            detail=detail,
            warning_token=CoreWarnings.UNSTAGED_FILES,
        )

    def _judge_earlier(self, session: _Session) -> None:
        if session.action is OverlapAction.IGNORE:
            return
        lines = []
        for path, stack in session.stacks.items():
            if len(stack) == 1:
                below = next((done for done in reversed(self._done) if path in done.owners), None)
                if below is not None:
                    lines.append(
                        f"{path}: {stack[0].full_name} overlaps files previously staged by "
                        f"{below.owners[path].full_name} in: {below.location}\n"
                    )
        if not lines:
            return
        detail = f"Detected file overlaps while staging elements into: {session.location}\n" + "".join(lines)
        if session.action is OverlapAction.ERROR:
            raise ElementError("Overlaps detected", detail=detail, reason="overlaps")
        self._element.warn("Overlaps detected", detail=detail, warning_token=CoreWarnings.OVERLAPS)
