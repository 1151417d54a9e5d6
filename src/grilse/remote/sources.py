"""Pulls sources from remotes and pushes them there: single ones, and those of an element together.

Knows bst's protocol: an index knows a single source's tree by ``KIND/KEY``, and by an element's source key the digest
of a record that names the tree of all its sources.  Does not know source plugins.

The texts of messages are those that people who read logs of BuildStream look for.
"""

from __future__ import annotations

from collections.abc import Sequence

from grilse.protocol.errors import ErrorDomain, GrilseError, RemoteError
from grilse.remote import asset, transfer
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection
from grilse.remote.session import Exchange, Offer, Trouble, each_storage, find_digest, give
from grilse.storage.digest import Digest
from grilse.storage.sources import SourceCache, decode_source, encode_source
from grilse.storage.store import Store
from grilse.storage.wire import MessageError


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
    store = cache.store
    tree = cache.lookup(name)
    if tree is None:
        raise source_error(f"Failed to push source {shown}: it is not cached")
    record = store.add_bytes(encode_source(tree)) if cache.together else None
    uris = [asset.SOURCE_URN + name]

    def content() -> Sequence[Digest]:
        digests = transfer.tree_digests(store, tree)
        return digests if record is None else [*digests, record]

    def tell(connection: Connection) -> bool:
        if record is not None:
            if asset.fetch_blob(connection, uris) == record:
                return False
            asset.push_blob(connection, uris, record, directories=[tree])
        else:
            if asset.fetch_directory(connection, uris) == tree:
                return False
            asset.push_directory(connection, uris, tree)
        return True

    return give(exchange, store, Offer("source", shown, content, tell, source_error))


def source_error(
    message: str, *, detail: str | None = None, reason: str | None = None, temporary: bool = False
) -> GrilseError:
    """An error of the domain that source caches have."""
    return GrilseError(message, domain=ErrorDomain.SOURCE, detail=detail, reason=reason, temporary=temporary)


def _read(store: Store, digest: Digest) -> Digest:
    try:
        return decode_source(store.read(digest))
    except MessageError as error:
        raise RemoteError(f"Blob {digest.hash} is not the record of a source: {error}") from error


def _shown(name: str) -> str:
    return name.rpartition("/")[2][:8]
