"""Pulls sources from remotes and pushes them there: single ones, and those of an element together.

Knows bst's protocol: an index knows a single source's tree by ``KIND/KEY``, and by an element's source key the digest
of a record that names the tree of all its sources.  Does not know source plugins.

The texts of messages are those that people who read logs of BuildStream look for.
"""

from __future__ import annotations

from collections.abc import Sequence

from grilse.protocol.errors import CasError, ErrorDomain, GrilseError, RemoteError
from grilse.remote import asset, transfer
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection
from grilse.remote.errors import FULL
from grilse.remote.session import Exchange, Trouble, each_storage, find_digest
from grilse.storage.digest import Digest
from grilse.storage.messages import MessageError
from grilse.storage.sources import SourceCache, decode_source, encode_source
from grilse.storage.store import Store


def pull_source(
    exchange: Exchange, cache: SourceCache, name: str, *, shown: str = "", required: bool = False
) -> Digest | None:
    """Bring a source into the local cache, if a remote has it.

    Args:
        exchange: with the remotes for sources of the element's project.
        cache: the local cache, of single sources or of those of elements together.
        name: ``KIND/KEY`` of a single source, the key of an element's sources otherwise.
        shown: the key as messages show it; by default its first eight digits.
        required: whether trouble with the remotes is an error, instead of a warning and no source.

    Returns:
        Its tree, complete; None if no remote has all of it.

    Raises:
        GrilseError: `required`, and remotes were in trouble (domain SOURCE).
        CasError: the local cache cannot be written.
    """
    shown = shown or _shown(name)
    uris = [asset.SOURCE_URN + name]
    trouble = Trouble(exchange)
    store = cache.store

    def unknown(remote: RemoteConfig) -> str:
        return f"Remote ({remote.url}) does not have source {shown} cached"

    def ask(connection: Connection) -> Digest | None:
        return asset.fetch_blob(connection, uris) if cache.together else asset.fetch_directory(connection, uris)

    digest = find_digest(exchange, trouble, ask, f"Pulling source {shown}", unknown)
    if digest is not None:

        def fetch(connection: Connection) -> Sequence[Digest]:
            if not cache.together:
                return transfer.fetch_trees(connection, store, [digest], exchange.report)
            missing = transfer.fetch_blobs(connection, store, [digest])
            return missing or transfer.fetch_trees(connection, store, [_read(store, digest)], exchange.report)

        remote = each_storage(exchange, trouble, fetch, f"Pulling data for source {shown}", unknown)
        if remote is not None:
            tree = _read(store, digest) if cache.together else digest
            cache.write(name, tree)
            exchange.say("info", f"Pulled source {shown} <- {remote.url}")
            return tree
    if trouble.errors and required:
        raise source_error(f"Failed to pull source {shown}", detail=trouble.detail, temporary=True)
    return None


def push_source(exchange: Exchange, cache: SourceCache, name: str, *, shown: str = "") -> bool:
    """Upload a source to all remotes that we may push to: content first, then its name.

    Args:
        exchange: with the remotes for sources of the element's project.
        cache: the local cache, which has the source.
        name: as for `pull_source`.
        shown: the key as messages show it; by default its first eight digits.

    Returns:
        Whether any index did not know it before.

    Raises:
        GrilseError: it is not here, or a remote failed (domain SOURCE).
    """
    shown = shown or _shown(name)
    tree = cache.lookup(name)
    if tree is None:
        raise source_error(f"Failed to push source {shown}: it is not cached")
    record = cache.store.add_bytes(encode_source(tree)) if cache.together else None
    taken = False
    for remote in exchange.storages(push=True):
        taken |= _push_content(exchange, cache.store, tree, record, remote, shown)
    if not taken:
        return False
    pushed = False
    for remote in exchange.indexes(push=True):
        pushed |= _push_name(exchange, name, tree, record, remote, shown)
    return pushed


def _push_content(
    exchange: Exchange, store: Store, tree: Digest, record: Digest | None, remote: RemoteConfig, shown: str
) -> bool:
    """Whether a storage has all of the source now."""
    exchange.say("status", f"Pushing data from source {shown} -> {remote.url}")
    try:
        digests = transfer.tree_digests(store, tree)
        if record is not None:
            digests.append(record)
        count = transfer.push_blobs(exchange.connections.get(remote), store, digests, exchange.report)
    except RemoteError as error:
        if error.reason == FULL:
            exchange.say("warn", f"Remote ({remote.url}) has no space for source {shown}", detail=error.message)
            return False
        raise _from(f"Failed to push source blobs: {error.message}", error) from error
    except CasError as error:
        raise source_error(f"Failed to push source {shown}: {error.message}", detail=error.detail) from error
    if count:
        exchange.say("info", f"Pushed data from source {shown} -> {remote.url}")
    else:
        exchange.say("info", f"Remote ({remote.url}) already has all data of source {shown} cached")
    return True


def _push_name(
    exchange: Exchange, name: str, tree: Digest, record: Digest | None, remote: RemoteConfig, shown: str
) -> bool:
    """Whether an index was told something new."""
    uris = [asset.SOURCE_URN + name]
    exchange.say("status", f"Pushing source {shown} -> {remote.url}")
    try:
        connection = exchange.connections.get(remote)
        if record is not None:
            known = asset.fetch_blob(connection, uris) == record
            if not known:
                asset.push_blob(connection, uris, record, directories=[tree])
        else:
            known = asset.fetch_directory(connection, uris) == tree
            if not known:
                asset.push_directory(connection, uris, tree)
    except RemoteError as error:
        raise _from(f"Failed to push source {shown}: {error.message}", error) from error
    if known:
        exchange.say("info", f"Remote ({remote.url}) already has source {shown} cached")
        return False
    exchange.say("info", f"Pushed source {shown} -> {remote.url}")
    return True


def source_error(
    message: str, *, detail: str | None = None, reason: str | None = None, temporary: bool = False
) -> GrilseError:
    """An error of the domain that source caches have."""
    return GrilseError(message, domain=ErrorDomain.SOURCE, detail=detail, reason=reason, temporary=temporary)


def _from(message: str, error: RemoteError) -> GrilseError:
    return source_error(message, detail=error.detail, reason=error.reason, temporary=error.temporary)


def _read(store: Store, digest: Digest) -> Digest:
    try:
        return decode_source(store.read(digest))
    except MessageError as error:
        raise RemoteError(f"Blob {digest.hash} is not the record of a source: {error}") from error


def _shown(name: str) -> str:
    return name.rpartition("/")[2][:8]
