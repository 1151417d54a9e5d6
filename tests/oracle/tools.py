"""The two tools that are compared, each run as a subprocess, and what they said of a project.

Knows how to ask both and how to read their answers; judges nothing. BuildStream's answers are kept on disk by the
content of the project, as it never changes its mind and takes its time.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# Control characters that occur in no element, so that any value can stand between them
FIELD_MARK, VALUE_MARK = "\x1e", "\x1f"

FIELDS = (
    "kind",
    "description",
    "key",
    "full-key",
    "state",
    "config",
    "vars",
    "env",
    "public",
    "workspaced",
    "workspace-dirs",
    "deps",
    "build-deps",
    "runtime-deps",
    "artifact-cas-digest",
    "source-info",
)
# BuildStream 2.8.1 ends in a traceback when it is asked for these of an element without a reference
FIELDS_WITH_REFERENCE = ("source-info", "artifact-cas-digest")

SHOW_LIMIT_SECONDS = 900
PLACE = re.compile(r"(?:[\w./@+%~:-]+) \[line \d+ column \d+\]")
# Raised whenever what is asked or kept changes, so that old answers are not read
ANSWER_FORMAT = 2

USER_CONFIGURATION = """\
cachedir: {home}/cache
logdir: {home}/logs
logging:
  key-length: 64
build:
  max-jobs: 4
scheduler:
  on-error: continue
"""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tool refused: names as in `buildstream.exceptions`, the places that the message names, its words."""

    status: int
    domain: str | None
    reason: str | None
    places: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one tool said: fields by element in the order shown, or a refusal; `seconds` of wall time."""

    elements: dict[str, dict[str, str]]
    refusal: Refusal | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Question:
    """What both tools are asked: `show` of these targets of the project, with these options before the command."""

    project: Path
    targets: tuple[str, ...]
    options: tuple[str, ...] = ()
    fields: tuple[str, ...] = FIELDS
    deps: str = "all"


def format_of(fields: Sequence[str]) -> str:
    return "".join(f"{FIELD_MARK}{field}{VALUE_MARK}%{{{field}}}" for field in ("name", *fields))


def parse_output(text: str) -> dict[str, dict[str, str]]:
    """The fields by element name, from what `show` printed with `format_of`."""
    elements: dict[str, dict[str, str]] = {}
    current: dict[str, str] = {}
    for part in text.split(FIELD_MARK)[1:]:
        field, _, value = part.partition(VALUE_MARK)
        if field == "name":
            current = elements.setdefault(value, {})
        else:
            current[field] = value.rstrip("\n")
    return elements


class Tool:
    """A command that understands BuildStream's command line; `ask` runs it in a new, empty cache directory."""

    def __init__(self, command: Sequence[str], environment: dict[str, str] | None = None) -> None:
        self.command = tuple(command)
        self.environment = environment or {}

    def run(self, words: Sequence[str], home: Path) -> tuple[subprocess.CompletedProcess[bytes], Refusal | None]:
        """Run the command with its caches and logs below `home`; a Refusal when it fails."""
        settings = home / "user.conf"
        settings.write_text(USER_CONFIGURATION.format(home=home))
        error_file = home / "error.json"
        error_file.unlink(missing_ok=True)
        environment = {**os.environ, **self.environment}
        environment |= {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
        environment |= {"GRILSE_ORACLE_ERROR": str(error_file), "GRILSE_EVENTS": str(error_file)}
        done = subprocess.run(
            [*self.command, "--config", str(settings), "--no-interactive", "--no-colors", *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=SHOW_LIMIT_SECONDS,
        )
        return done, None if done.returncode == 0 else _refusal(done, error_file)

    def ask(self, question: Question, home: Path | None = None) -> Answer:
        """Ask `question`, in a new home directory unless one is given."""
        if home is None:
            with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
                return self.ask(question, Path(folder))
        words = [*question.options, "-C", str(question.project), "show", "--deps", question.deps]
        words += ["--format", format_of(question.fields), *question.targets]
        start = time.monotonic()
        done, refusal = self.run(words, home)
        seconds = time.monotonic() - start
        return Answer(parse_output(done.stdout.decode()) if refusal is None else {}, refusal, seconds)


def _refusal(done: subprocess.CompletedProcess[bytes], error_file: Path) -> Refusal:
    words = done.stderr.decode(errors="replace")
    error = {}
    if error_file.exists():
        for line in error_file.read_text().splitlines():
            event = json.loads(line)
            # BuildStream's reporter writes one line without a scope
            if event.get("scope", "main") == "main" and "domain" in event:
                error = event
    message = str(error.get("message") or words[-2000:])
    places = tuple(dict.fromkeys(PLACE.findall(words)))
    return Refusal(done.returncode, error.get("domain"), error.get("reason"), places, message)


def grilse(command: Sequence[str] | None = None) -> Tool:
    """This repository's grilse, or `command`."""
    if command is not None:
        return Tool(command)
    path = os.pathsep.join(filter(None, [str(REPOSITORY / "src"), os.environ.get("PYTHONPATH", "")]))
    return Tool([sys.executable, "-m", "grilse"], {"PYTHONPATH": path})


class Oracle(Tool):
    """BuildStream, `bst` being its program in an environment of its own.

    Answers are kept in `memory` (a folder) by the content of the project and by the question.
    """

    def __init__(self, bst: Path, memory: Path) -> None:
        python = bst.parent / "python"
        super().__init__([str(python), str(Path(__file__).with_name("report_errors.py"))], {"PYTHONPATH": ""})
        self.bst = bst
        self.memory = memory

    def ask(self, question: Question, home: Path | None = None) -> Answer:
        if home is not None:
            return super().ask(question, home)
        place = self.memory / f"{self._name(question)}.json.xz"
        if place.exists():
            with lzma.open(place, "rt") as file:
                kept = json.load(file)
            refusal = kept["refusal"]
            if refusal is not None:
                refusal = Refusal(**{**refusal, "places": tuple(refusal["places"])})
            return Answer(kept["elements"], refusal, kept["seconds"])
        answer = super().ask(question)
        self.memory.mkdir(parents=True, exist_ok=True)
        part = place.with_suffix(f".{os.getpid()}.part")
        with lzma.open(part, "wt", preset=1) as file:
            json.dump(asdict(answer), file)
        part.replace(place)
        return answer

    def _name(self, question: Question) -> str:
        """A name for the answer: hash of all that it may depend on."""
        asked = [ANSWER_FORMAT, str(self.bst), str(question.project.resolve()), question.targets, question.options]
        asked += [question.fields, question.deps, USER_CONFIGURATION]
        digest = hashlib.blake2b(json.dumps(asked).encode(), digest_size=20)
        for relative, content in _content(question.project):
            digest.update(f"{relative}\0{len(content)}\0".encode(errors="surrogateescape"))
            digest.update(content)
        return digest.hexdigest()


def _content(project: Path) -> Iterator[tuple[str, bytes]]:
    """Every file and link of the project, with what it holds, in a fixed order; without state and version control."""
    for top, folders, files in os.walk(project):
        folders[:] = sorted(name for name in folders if name not in (".bst", ".git"))
        links = [name for name in folders if os.path.islink(os.path.join(top, name))]
        for name in sorted([*files, *links]):
            path = os.path.join(top, name)
            relative = os.path.relpath(path, project)
            if os.path.islink(path):
                yield relative, b"-> " + os.fsencode(os.readlink(path))
            else:
                yield relative, _read(path)


def _read(path: str) -> bytes:
    """The content of a file, with whether it can be run; what stands for it when it cannot be read."""
    try:
        mode = b"x" if os.stat(path).st_mode & 0o100 else b"-"
        with open(path, "rb") as file:
            return mode + file.read()
    except OSError as error:
        return f"cannot be read: {error.errno}".encode()
