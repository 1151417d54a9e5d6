"""What pulling and pushing have in common, whatever it is: connections, remotes in order, and somebody to tell.

Knows nothing of artifacts and sources.  The texts of messages are those that people who read logs of BuildStream look
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

from grilse.protocol.errors import CasError, GrilseError, RemoteError
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection, Connections
from grilse.remote.errors import FULL
from grilse.remote.transfer import Report, push_blobs
from grilse.storage.digest import Digest
from grilse.storage.store import Store


class Say(Protocol):
    """Reports a message; ``JobContext.message`` is one.  `kind` is "status", "info" or "warn"."""

    def __call__(self, kind: str, text: str, *, detail: str | None = None) -> None: ...


class Exchange(msgspec.Struct, frozen=True):
    """One exchange with the remotes of one project.

    Attributes:
        connections: of this process.
        remotes: the project's remotes for artifacts or for sources, in order of preference.
        say: reports messages.
        report: told how far a transfer is, a few times a second, or None.
    """

    connections: Connections
    remotes: tuple[RemoteConfig, ...]
    say: Say
    report: Report | None = None

    def indexes(self, *, push: bool = False) -> list[RemoteConfig]:
        """Remotes that say which digest something has, or may be told so."""
        return [remote for remote in self.remotes if remote.is_index and (remote.push or not push)]

    def storages(self, *, push: bool = False) -> list[RemoteConfig]:
        """Remotes that have content, or may be given some."""
        return [remote for remote in self.remotes if remote.is_storage and (remote.push or not push)]


class Trouble:
    """Collects what goes wrong with remotes while others are still to be asked."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.errors: list[str] = []

    def add(self, remote: RemoteConfig, error: RemoteError | CasError) -> None:
        """Warn of an error."""
        text = f"Could not pull from remote {remote.url}: {error.message}"
        self._exchange.say("warn", text, detail=error.detail)
        self.errors.append(text)

    @property
    def detail(self) -> str:
        """All errors, a line each."""
        return "\n".join(self.errors)


def find_digest(
    exchange: Exchange,
    trouble: Trouble,
    ask: Callable[[Connection], Digest | None],
    before: str,
    unknown: Callable[[RemoteConfig], str],
) -> Digest | None:
    """Ask one index after the other.

    Args:
        exchange: with the remotes.
        trouble: collects errors.
        ask: asks one.
        before: what is said before, followed by the remote.
        unknown: what is said when a remote does not know it.
    """
    for remote in exchange.indexes():
        exchange.say("status", f"{before} <- {remote.url}")
        try:
            found = ask(exchange.connections.get(remote))
        except RemoteError as error:
            trouble.add(remote, error)
            continue
        if found is not None:
            return found
        exchange.say("info", unknown(remote))
    return None


def each_storage(
    exchange: Exchange,
    trouble: Trouble,
    fetch: Callable[[Connection], Sequence[Digest]],
    before: str,
    incomplete: Callable[[RemoteConfig], str],
) -> RemoteConfig | None:
    """Fetch from one storage after the other until nothing is missing; what one gave is not asked of the next.

    Args:
        exchange: with the remotes.
        trouble: collects errors.
        fetch: fetches what is missing, and returns what still is.
        before: what is said before, followed by the remote.
        incomplete: what is said when a remote does not have everything.

    Returns:
        The remote that had the rest, or None.

    Raises:
        CasError: the local store cannot be written.
    """
    for remote in exchange.storages():
        exchange.say("status", f"{before} <- {remote.url}")
        try:
            missing = fetch(exchange.connections.get(remote))
        except RemoteError as error:
            trouble.add(remote, error)
            continue
        except CasError as error:
            if error.reason != "corrupt-blob":
                raise
            trouble.add(remote, error)
            continue
        if not missing:
            return remote
        exchange.say("info", incomplete(remote), detail=_list_blobs(missing))
    return None


class Offer(msgspec.Struct, frozen=True):
    """Something to push.

    Attributes:
        kind: "artifact" or "source".
        shown: its key as messages show it.
        content: names all blobs that it consists of.
        tell: tells an index its name; returns whether the index did not know it before.
        error: makes the error that is raised: of a message and, by keyword, detail, reason and temporary.
    """

    kind: str
    shown: str
    content: Callable[[], Sequence[Digest]]
    tell: Callable[[Connection], bool]
    error: Callable[..., GrilseError]

    def __str__(self) -> str:
        return f"{self.kind} {self.shown}"


def give(exchange: Exchange, store: Store, offer: Offer) -> bool:
    """Upload to all remotes that we may push to: content first, then, if any has it, the name.

    Args:
        exchange: with the remotes.
        store: has the content.
        offer: what to upload.

    Returns:
        Whether any index did not know it before.

    Raises:
        GrilseError: as `offer` makes it: something is not here, or a remote failed.
    """
    try:
        content = offer.content()
        taken = [_give_content(exchange, store, offer, content, remote) for remote in exchange.storages(push=True)]
    except CasError as error:
        raise offer.error(f"Failed to push {offer}: {error.message}", detail=error.detail) from error
    if not any(taken):
        return False
    told = [_give_name(exchange, offer, remote) for remote in exchange.indexes(push=True)]
    return any(told)


def _give_content(
    exchange: Exchange, store: Store, offer: Offer, content: Sequence[Digest], remote: RemoteConfig
) -> bool:
    """Whether a storage has all of it now."""
    exchange.say("status", f"Pushing data from {offer} -> {remote.url}")
    try:
        count = push_blobs(exchange.connections.get(remote), store, content, exchange.report)
    except RemoteError as error:
        if error.reason == FULL:
            exchange.say("warn", f"Remote ({remote.url}) has no space for {offer}", detail=error.message)
            return False
        raise _refused(offer, f"Failed to push {offer.kind} blobs: {error.message}", error) from error
    if count:
        exchange.say("info", f"Pushed data from {offer} -> {remote.url}")
    else:
        exchange.say("info", f"Remote ({remote.url}) already has all data of {offer} cached")
    return True


def _give_name(exchange: Exchange, offer: Offer, remote: RemoteConfig) -> bool:
    """Whether an index was told something new."""
    exchange.say("status", f"Pushing {offer} -> {remote.url}")
    try:
        new = offer.tell(exchange.connections.get(remote))
    except RemoteError as error:
        raise _refused(offer, f"Failed to push {offer}: {error.message}", error) from error
    if new:
        exchange.say("info", f"Pushed {offer} -> {remote.url}")
    else:
        exchange.say("info", f"Remote ({remote.url}) already has {offer} cached")
    return new


def _refused(offer: Offer, message: str, error: RemoteError) -> GrilseError:
    return offer.error(message, detail=error.detail, reason=error.reason, temporary=error.temporary)


def _list_blobs(digests: Sequence[Digest]) -> str:
    return "\n".join(_lines(digests))


def _lines(digests: Sequence[Digest]) -> Iterator[str]:
    yield "These blobs are missing there:"
    for digest in digests[:10]:
        yield f"  {digest}"
    if len(digests) > 10:
        yield f"  and {len(digests) - 10} more"
