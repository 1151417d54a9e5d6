"""Writes the plan file of a session and makes the messages of its jobs.

Knows records and where logs go; nothing of stages.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

import msgspec

from ..project.record import element_record
from ..project.resolved import ResolvedElement
from ..protocol.jobs import JobSpec
from ..protocol.records import ElementBody, ElementRecord, PlanHeader, PlanWriter, ProjectRecord, Ref
from .history import PLAN_NAME
from .items import ArtifactItem, Item


class PlanBook:
    """The plan of one session; elements are written when the first job needs them.

    Args:
        directory: the session's directory.
        session: its identifier.
        settings: what jobs need of the configuration, as plain data.
        log_directory: below which task logs are.
    """

    def __init__(self, directory: str, session: str, settings: dict[str, Any], log_directory: str) -> None:
        self._writer = PlanWriter(os.path.join(directory, PLAN_NAME))
        self._header = self._writer.add(PlanHeader(session=session, settings=settings))
        self._session = session
        self._refs: dict[int, Ref] = {}
        self._log_directory = log_directory
        # Keys are as long in the names of logs as they are shown.
        self._key_length: int = settings["key_length"]

    def set_settings(self, settings: dict[str, Any]) -> None:
        """Tell jobs from now on other settings."""
        self._header = self._writer.add(PlanHeader(session=self._session, settings=settings))

    def ref(self, element: ResolvedElement) -> Ref:
        """Where an element's record stands, written now with all below it if need be."""
        stack = [element]
        while stack:
            current = stack[-1]
            if id(current) in self._refs:
                stack.pop()
                continue
            missing = [
                below
                for below in (*current.build_dependencies, *current.runtime_dependencies)
                if id(below) not in self._refs
            ]
            if missing:
                stack += missing
                continue
            stack.pop()
            self._refs[id(current)] = self._write(current)
        return self._refs[id(element)]

    def add(self, record: ElementRecord | ProjectRecord) -> Ref:
        """Append a record that does not come from a loaded element."""
        return self._writer.add(record)

    def encode_body(self, body: ElementBody) -> msgspec.Raw:
        """Encode the heavy half of such a record."""
        return self._writer.encode_body(body)

    def _write(self, element: ResolvedElement) -> Ref:
        return self._writer.add(element_record(element, self._writer, self._refs))

    def spec(
        self,
        item: Item | ArtifactItem,
        *,
        job: int,
        ref: Ref | None = None,
        action: str,
        task: str,
        attempt: int = 1,
        shown: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> JobSpec:
        """The message of a job of an element.

        Args:
            item: what it is about.
            job: its number.
            ref: where the record of the element stands, if it is not a loaded one.
            action: the queue, which gives the log its name.
            task: the task module.
            attempt: 1, 2, ... when retried.
            shown: what its messages call the action, if not by that name.
            parameters: what only this task needs.
        """
        if ref is None:
            assert isinstance(item, Item)
            ref = self.ref(item.element)
        return JobSpec(
            job=job,
            task=task,
            plan=self._writer.path,
            header=self._header,
            element=ref,
            log=self.log_path(item, action),
            key=item.display_key[: self._key_length],
            full_key=item.cache_key,
            attempt=attempt,
            about=item.display_name,
            about_key=item.display_key,
            action=action if shown is None else shown,
            parameters=parameters or {},
        )

    def bare_spec(self, task: str, job: int, parameters: dict[str, Any]) -> JobSpec:
        """The message of a job that is about no element."""
        return JobSpec(
            job=job, task=task, plan=self._writer.path, header=self._header, element=None, parameters=parameters
        )

    def log_path(self, item: Item | ArtifactItem, action: str) -> str:
        """Where the log of a job goes: ``PROJECT/ELEMENT/KEY-ACTION.DATE-TIME.log``, as bst has it."""
        name = os.path.splitext(item.element_name.replace("/", "-"))[0]
        stamp = f"{datetime.now():%Y%m%d-%H%M%S}"
        key = item.display_key[: self._key_length]
        return os.path.join(self._log_directory, item.project_name, name, f"{key}-{action}.{stamp}.log")

    def close(self) -> None:
        """The plan stays readable for jobs and replays."""
        self._writer.close()
