"""The person at the terminal: what signals and keys mean to a session, questions, shells and the pager.

Knows the session's commands and a display by what it takes; nothing of how anything is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from ..platform.connection import wait
from ..platform.terminal import ForegroundChild, KeyMode, SignalPort, in_background
from ..protocol import events, requests
from ..protocol.events import Event
from .programs import pager_command
from .questions import Question, answers, failure_question, interrupt_question
from .session import Session

# Seconds that the backend has to stop its jobs before this process stops itself.
SUSPEND_TIMEOUT = 1.0
# Seconds between two looks at a program in the foreground, should no signal tell of its end.
CHILD_INTERVAL = 0.5
# Seconds that a slow terminal has to take what is left before it is handed to somebody else.
FLUSH_TIMEOUT = 2.0


class Screen(Protocol):
    """What this needs of a display that is on a terminal, or not."""

    def tick(self, now: float) -> float | None:
        """Draw if it is time to; seconds until it is, or None."""

    def ask(self, lines: Sequence[str]) -> None:
        """Show a question, or none."""

    def note(self, text: str) -> None:
        """Say something that is no event."""

    def resize(self) -> None:
        """The terminal has another size."""

    def pause(self) -> None:
        """Leave the terminal to somebody else."""

    def resume(self) -> None:
        """Take it back."""

    def stand_still(self) -> None:
        """The session is suspended."""

    def go_on(self) -> None:
        """It goes on."""

    def background(self, away: bool) -> None:
        """Whether the terminal belongs to others, so that nothing may be redrawn."""


class Manners(NamedTuple):
    """How to behave.

    Attributes:
        interactive: somebody is there to be asked.
        session: the command is a session, whose Ctrl-C is worth a question.
        terminal: descriptor of the terminal that keys come from, or None.
        screen: descriptor of what is drawn on.
        flush: waits until all that was said is written, at most so many seconds.
        leave: ends this process at once with a status, the terminal in order.
        reader_gone: whether nobody reads the command's result any more.
    """

    interactive: bool
    session: bool
    terminal: int | None
    screen: int
    flush: Callable[[float], bool]
    leave: Callable[[int], None]
    reader_gone: Callable[[], bool]


class _Child(NamedTuple):
    program: ForegroundChild
    done: Callable[[int], None]


class Interaction:
    """Signals, keys, questions and programs in the foreground of one session.

    Attributes:
        shell_status: exit status of the last shell that was run, or None.
    """

    def __init__(self, port: SignalPort, keys: KeyMode, screen: Screen, manners: Manners) -> None:
        self.shell_status: int | None = None
        self._port = port
        self._keys = keys
        self._screen = screen
        self._manners = manners
        self._question: Question | None = None
        self._prompts: list[events.Prompt] = []
        self._child: _Child | None = None
        self._scheduling = False
        # A shell was asked for and is being staged.
        self._staging = False
        # How often the end of everything was asked for: gently, in a hurry, now.
        self._urgency = 0

    def begin(self) -> None:
        """Take the terminal."""
        self._screen.background(in_background(self._manners.screen))
        if self._manners.interactive:
            self._keys.quiet()

    def end(self) -> None:
        """Give the terminal back."""
        if self._child is not None:
            self._child.program.terminate()
            self._child.program.take_terminal()
        self._keys.restore()

    def show_file(self, path: str) -> bool:
        """Show a file page by page, when nothing else is to be done any more; whether there was a pager."""
        command = pager_command(path)
        if command is None:
            return False
        try:
            program = ForegroundChild(command, terminal=self._manners.terminal if self._keys.usable else None)
        except OSError:
            return False
        while program.poll() is None:
            wait([self._port.fileno()], CHILD_INTERVAL)
            if {"terminate", "hangup"} & set(self._port.take()):
                program.terminate()
            if program.stopped:
                program.take_terminal()
                self._port.stop_self()
                program.give_terminal()
        program.take_terminal()
        return True

    # What the session asks.

    def sources(self) -> Sequence[Any]:
        """What may become readable."""
        if self._question is not None and self._child is None and self._keys.usable:
            return (self._port.fileno(), self._keys.fileno())
        return (self._port.fileno(),)

    def timeout(self, now: float) -> float | None:
        """Seconds until `step` is to be called in any case."""
        wanted = self._screen.tick(now)
        if self._child is not None:
            return CHILD_INTERVAL if wanted is None else min(wanted, CHILD_INTERVAL)
        return wanted

    def step(self, session: Session, ready: Sequence[Any]) -> None:
        """Do what is due."""
        if self._urgency == 0 and self._manners.reader_gone():
            # As for any program in a pipe: the work is not wanted any more, and there is nobody to tell.
            self._urgency = 1
            session.send(requests.Terminate())
        if self._port.fileno() in ready:
            for word in self._port.take():
                self._signal(session, word)
        if self._child is not None:
            self._watch_child(session)
        elif self._question is not None and self._keys.fileno() in ready:
            self._key(session)

    def event(self, session: Session, event: Event) -> None:
        """Look at an event that may need an answer."""
        match event:
            case events.Prompt():
                self._prompts.append(event)
                if self._question is not None and self._question.prompt == self._prompts[0].prompt:
                    # That one more waits is worth saying now.
                    self._question = self._next_question()
                    self._screen.ask(self._question.lines)
                self._ask_next(session)
            case events.PromptClosed():
                self._prompts = [prompt for prompt in self._prompts if prompt.prompt != event.prompt]
                self._staging = False
                if self._question is not None and self._question.prompt == event.prompt:
                    self._close_question()
                self._ask_next(session)
            case events.ShellReady():
                self._staging = False
                self._shell(session, event)
            case events.Text(kind="error") if self._staging:
                # The sandbox could not be staged: the question is still open.
                self._staging = False
                self._ask_next(session)
            case events.JobStarted() | events.Pipeline():
                self._scheduling = True
            case _:
                pass

    # Signals.

    def _signal(self, session: Session, word: str) -> None:
        match word:
            case "interrupt":
                self._interrupt(session)
            case "terminate" | "hangup":
                self._stop(session)
            case "abandon":
                self._leave(session, 131)
            case "suspend":
                self._suspend(session)
            case "continue":
                self._continue()
            case "resize":
                self._screen.resize()
            case _:
                pass

    def _interrupt(self, session: Session) -> None:
        asked = self._question is not None
        if self._urgency == 0 and not asked and self._may_ask():
            self._open(interrupt_question())
            return
        if asked:
            self._close_question()
            self._prompts.clear()
        self._stop(session)

    def _may_ask(self) -> bool:
        asks = self._manners.interactive and self._manners.session and self._keys.usable
        return asks and self._scheduling and self._child is None

    def _stop(self, session: Session) -> None:
        self._urgency += 1
        if self._urgency == 1:
            self._screen.note("Stopping; interrupt again to hurry.")
            session.send(requests.Terminate())
        elif self._urgency == 2:
            self._screen.note("Stopping at once; interrupt again to leave.")
            session.send(requests.Terminate(hurry=True))
        else:
            self._leave(session, 130)
        if self._child is not None:
            self._child.program.terminate()

    def _leave(self, session: Session, status: int) -> None:
        self.end()
        session.backend.kill()
        self._manners.leave(status)

    def _suspend(self, session: Session) -> None:
        session.send(requests.Suspend())
        session.wait_acknowledged("Suspend", SUSPEND_TIMEOUT)
        self._screen.stand_still()
        self._screen.pause()
        self._manners.flush(FLUSH_TIMEOUT)
        self._keys.restore()
        self._port.stop_self()
        session.send(requests.Resume())
        self._screen.go_on()
        self._continue()

    def _continue(self) -> None:
        away = in_background(self._manners.screen)
        self._screen.background(away)
        if self._child is not None:
            return
        if self._manners.interactive and not away:
            if self._question is not None:
                self._keys.keys()
            else:
                self._keys.quiet()
        self._screen.resize()
        self._screen.resume()

    # Questions.

    def _ask_next(self, session: Session) -> None:
        if self._question is not None or self._child is not None or not self._prompts:
            return
        if not self._manners.interactive or self._staging:
            return
        self._open(self._next_question())

    def _next_question(self) -> Question:
        return failure_question(self._prompts[0], len(self._prompts) - 1)

    def _open(self, question: Question) -> None:
        self._question = question
        self._screen.ask(question.lines)
        self._keys.keys()

    def _close_question(self) -> None:
        self._question = None
        self._screen.ask(())
        self._keys.quiet()

    def _key(self, session: Session) -> None:
        pressed = self._keys.read()
        question = self._question
        if question is None:
            return
        if not pressed:
            # The terminal is gone: nobody will ever answer.
            self._close_question()
            self._stop(session)
            return
        choice = answers(pressed, question)
        if choice is None:
            return
        if question.prompt is None:
            self._close_question()
            self._after_interrupt(session, choice)
        elif choice == "log" and question.log is not None:
            self._close_question()
            self._page(session, question.log)
        else:
            self._close_question()
            # A shell is something one comes back from: that question stays open.
            self._staging = choice == "shell"
            if choice != "shell":
                self._prompts = [prompt for prompt in self._prompts if prompt.prompt != question.prompt]
            session.send(requests.Answer(prompt=question.prompt, choice=choice))
            self._screen.note(f"{choice.capitalize()}: {question.title}")
            if choice == "terminate":
                self._urgency = max(self._urgency, 1)
            if choice != "shell":
                self._ask_next(session)

    def _after_interrupt(self, session: Session, choice: str) -> None:
        if choice == "terminate":
            self._stop(session)
        elif choice == "quit":
            self._screen.note("Nothing more is started; what runs may finish.")
            session.send(requests.Quit())
        self._ask_next(session)

    # Programs in the foreground.

    def _page(self, session: Session, log: str) -> None:
        command = pager_command(log)
        if command is None:
            self._screen.note(f"There is no pager to show the log with: {log}")
            self._ask_next(session)
            return
        self._run(session, command, None, None, lambda status: None)

    def _shell(self, session: Session, ready: events.ShellReady) -> None:
        def done(status: int) -> None:
            self.shell_status = status
            session.send(requests.ShellDone(shell=ready.shell, status=status))

        if ready.title and ready.interactive:
            self._screen.note(ready.title)
        self._run(session, ready.argv, ready.environment, ready.directory, done)

    def _run(
        self,
        session: Session,
        argv: Sequence[str],
        environment: dict[str, str] | None,
        directory: str | None,
        done: Callable[[int], None],
    ) -> None:
        if self._question is not None:
            self._close_question()
        self._screen.pause()
        self._manners.flush(FLUSH_TIMEOUT)
        self._keys.restore()
        terminal = self._manners.terminal if self._keys.usable else None
        try:
            program = ForegroundChild(argv, environment=environment, directory=directory or None, terminal=terminal)
        except OSError as error:
            self._screen.resume()
            self._screen.note(f"'{argv[0]}' cannot be started: {error.strerror or error}")
            self._after_child(session, 127, done)
            return
        self._child = _Child(program, done)

    def _watch_child(self, session: Session) -> None:
        child = self._child
        if child is None:
            return
        status = child.program.poll()
        if status is not None:
            child.program.take_terminal()
            self._child = None
            self._screen.resume()
            self._after_child(session, status, child.done)
        elif child.program.stopped:
            # Its user has stopped it: stop with it, as one job of the shell that started us.
            child.program.take_terminal()
            self._port.stop_self()
            child.program.give_terminal()

    def _after_child(self, session: Session, status: int, done: Callable[[int], None]) -> None:
        if self._manners.interactive:
            self._keys.quiet()
        done(status)
        self._ask_next(session)
