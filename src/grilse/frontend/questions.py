"""Questions that one key answers, as data, and what keys mean to them.

Knows nothing of terminals or of who asks.
"""

from __future__ import annotations

import re

import msgspec

from ..protocol.events import Prompt

# What special keys send (ECMA-48 control sequences and single shifts), and letters pressed together with Alt.
_SEQUENCE = re.compile(rb"\x1b(?:[\[O][0-9;?<]*[@-~]?|[^\[O])?", re.DOTALL)

# What each choice does, in the words of the question.
_FAILURE = {
    "continue": "Go on with everything that does not need it",
    "quit": "Let what runs finish, start nothing more",
    "terminate": "Stop all jobs and end",
    "retry": "Run this job again",
    "log": "View the whole log",
    "shell": "Open a shell in the sandbox that it failed in",
}
_INTERRUPT = {
    "continue": "Go on",
    "quit": "Let what runs finish, start nothing more",
    "terminate": "Stop all jobs and end",
}


class Question(msgspec.Struct, frozen=True):
    """A question.

    Attributes:
        lines: what is shown, the last line being where the cursor would be.
        choices: possible answers; the first is the default.
        prompt: number of the backend's prompt, or None when the frontend itself asks.
        log: log that the choice "log" shows.
        title: what it is about, for saying what was answered.
    """

    lines: tuple[str, ...]
    choices: tuple[str, ...]
    prompt: int | None = None
    log: str | None = None
    title: str = ""


def failure_question(prompt: Prompt, waiting: int = 0) -> Question:
    """The question about a failed job; `waiting` more are to be asked after it."""
    # The log can be looked at when it is there, whether or not the backend lists that.
    order = [choice for choice in _FAILURE if choice in prompt.choices or (choice == "log" and prompt.log)]
    more = f" ({waiting} more after this)" if waiting else ""
    title = f"{prompt.action} failure on element: {prompt.element}"
    lines = _lines(title + more, {c: _FAILURE[c] for c in order})
    return Question(lines, tuple(order), prompt.prompt, prompt.log, title)


def interrupt_question() -> Question:
    """The question after Ctrl-C."""
    lines = _lines("Interrupted; the session goes on meanwhile", _INTERRUPT)
    return Question(lines, tuple(_INTERRUPT))


def _lines(title: str, choices: dict[str, str]) -> tuple[str, ...]:
    return (
        "",
        title,
        *(f"  {f'({choice[0]}){choice[1:]}': <11} - {text}" for choice, text in choices.items()),
        "Ctrl-C stops all jobs and ends.",
        f"Choice: [{next(iter(choices), 'continue')}]: ",
    )


def answers(keys: bytes, question: Question) -> str | None:
    """The choice that keys make, or None: the first key that means something counts.

    Bytes that are no letters, of whatever encoding, and sequences of special keys mean nothing.
    """
    by_key = {choice[0]: choice for choice in question.choices}
    for byte in _SEQUENCE.sub(b"", keys):
        if byte in (0x0A, 0x0D):
            return question.choices[0]
        choice = by_key.get(chr(byte).lower()) if byte < 0x80 else None
        if choice is not None:
            return choice
    return None
