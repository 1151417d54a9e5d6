"""Saves jobs to files, and reads them back: a message with the plan that it refers to is all a job needs.

Knows the file's form; nothing of tasks.
"""

from __future__ import annotations

import os

import msgspec

from ..protocol.errors import ErrorDomain, GrilseError
from ..protocol.jobs import JobSpec, ReplayFile


def save_job(spec: JobSpec, path: str) -> str | None:
    """Write a job and its plan to a file; gives the file, or None if it cannot be written."""
    try:
        with open(spec.plan, "rb") as file:
            plan = file.read()
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.tmp"
        with open(temporary, "wb") as file:
            file.write(msgspec.msgpack.encode(ReplayFile(spec=spec, plan=plan)))
        os.replace(temporary, path)
    except OSError:
        # A full disk: the failure itself has been told.
        return None
    return path


def load_job(path: str, plan: str) -> JobSpec:
    """Read a saved job, its plan written to the file `plan`.

    Raises:
        GrilseError: ``bad-job-file``, or the file cannot be read or the plan written.
    """
    try:
        with open(path, "rb") as file:
            saved = msgspec.msgpack.decode(file.read(), type=ReplayFile)
    except OSError as error:
        raise GrilseError(f"cannot read the job '{path}': {error.strerror}", domain=ErrorDomain.APP) from error
    except msgspec.DecodeError as error:
        raise GrilseError(
            f"'{path}' is not a saved job of this version: {error}", domain=ErrorDomain.APP, reason="bad-job-file"
        ) from error
    try:
        with open(plan, "wb") as file:
            file.write(saved.plan)
    except OSError as error:
        raise GrilseError(f"cannot write the job's plan '{plan}': {error.strerror}", domain=ErrorDomain.APP) from error
    return msgspec.structs.replace(saved.spec, plan=plan)
