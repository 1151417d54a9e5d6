#!/usr/bin/env python3
"""Write docs/protocol.md from the messages' own docstrings and types; ``--check`` only says whether it is current."""

from __future__ import annotations

import argparse
import inspect
import pathlib
import sys

import msgspec

from grilse.protocol import events, jobs, requests
from grilse.protocol.channel import members
from grilse.protocol.message import PROTOCOL_VERSION, Failure

INTRODUCTION = f"""# The protocol

*Made by `tools/protocol_document.py` from the messages in `src/grilse/protocol/`; a test holds it to the code.*

Protocol version: {PROTOCOL_VERSION}. A message that came later says so ("Since protocol N").

Every message is a frozen, tagged `msgspec` struct of plain data. On channels it is msgpack, in the event log JSON, one
object a line; the tag is the field `event`. A frame is one message, or an array of messages of the same channel. The
side that was started says `hello` first, with its protocol version; a mismatch ends the session with an error. Unknown
fields are ignored; an unknown tag, a missing field or a wrong type is refused.

Channels:

| channel | between | carries |
| --- | --- | --- |
| control | frontend → backend | one `request`, then commands, never queued behind events |
| control | backend → frontend | `hello`, `acknowledged`; lastly `caught-up` (events only in the log), `result` |
| events | backend → frontend | `hello`, then events: `logged-events`, and by themselves those that are not in the log |
| job | backend → worker | `job-spec`, `cancel-job`, `prepare`, `release-job` |
| job | worker → backend | `hello`, `job-said`, `job-activity`, `job-launch`, `job-result` |

What is in the event log is encoded once, as the line that stands there: a job's messages by its worker, the rest by the
backend. These lines travel as bytes within `job-said` and `logged-events`. The backend checks a worker's lines and adds
them to its log and to the stream as they are. What goes to the frontend is bundled for at most 5 ms; jobs that talk
much are heard together, every 40 ms. When more than 4 MiB wait for the frontend, what is in the log is left to it
(`caught-up`), so that neither memory nor the build depends on who reads.

"""


def main() -> int:
    """Write or check; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    path = pathlib.Path(__file__).resolve().parent.parent / "docs" / "protocol.md"
    text = document()
    if parser.parse_args().check:
        if path.read_text() == text:
            return 0
        sys.stderr.write("docs/protocol.md is not what the messages say: run tools/protocol_document.py\n")
        return 1
    path.write_text(text)
    return 0


def document() -> str:
    """The whole page."""
    parts = [INTRODUCTION]
    for title, types in (
        ("Every channel", (requests.Hello,)),
        ("Frontend → backend: the request", (requests.Request,)),
        ("Actions (in a request)", members(requests.Action)),
        ("Frontend → backend: commands", members(requests.Command)),
        ("Backend → frontend: events", members(events.Event)),
        ("Backend → worker", members(jobs.ToWorker)),
        ("Worker → backend", (jobs.JobSaid, jobs.JobActivity, jobs.JobLaunch, jobs.JobResult)),
    ):
        parts.append(f"## {title}\n\n")
        parts += [_message(kind) for kind in types]
    parts.append("## Structs within messages\n\n")
    parts += [
        _message(kind)
        for kind in (
            Failure,
            requests.Invocation,
            requests.Remotes,
            events.PipelineElement,
            events.QueueStatus,
            jobs.ReplayFile,
        )
    ]
    return "".join(parts).rstrip() + "\n"


def _message(kind: type[msgspec.Struct]) -> str:
    tag = kind.__struct_config__.tag
    rows = [f"### `{tag}`\n\n" if tag else f"### {kind.__name__}\n\n"]
    text = inspect.cleandoc(kind.__doc__ or "")
    summary, _, attributes = text.partition("\nAttributes:\n")
    rows.append(summary.strip() + "\n\n")
    notes = _notes(attributes)
    fields = msgspec.structs.fields(kind)
    if not fields:
        return "".join(rows)
    rows.append("| field | type | default | |\n| --- | --- | --- | --- |\n")
    annotations = {
        name: text for base in reversed(kind.__mro__) for name, text in vars(base).get("__annotations__", {}).items()
    }
    for field in fields:
        default = "required"
        if field.default is not msgspec.NODEFAULT:
            default = f"`{field.default!r}`" if not isinstance(field.default, msgspec.Struct) else "its defaults"
        elif field.default_factory is not msgspec.NODEFAULT:
            default = "empty"
        shown = str(annotations[field.name]).replace("|", "\\|")
        rows.append(f"| `{field.encode_name}` | {shown} | {default} | {notes.get(field.name, '')} |\n")
    return "".join(rows) + "\n"


def _notes(attributes: str) -> dict[str, str]:
    notes: dict[str, str] = {}
    names: list[str] = []
    for line in attributes.splitlines():
        head, colon, rest = line.strip().partition(": ")
        indent = len(line) - len(line.lstrip())
        if indent == 4 and colon:
            names = [name.strip() for name in head.split(",")]
            notes.update(dict.fromkeys(names, rest.replace("|", "\\|")))
        else:
            for name in names:
                notes[name] += " " + line.strip().replace("|", "\\|")
    return notes


if __name__ == "__main__":
    sys.exit(main())
