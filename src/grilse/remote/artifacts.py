"""Pulls artifacts from remotes, pushes them there, and asks whether they have them.

Knows bst's protocol: an index knows the digest of an artifact's record by the artifact's name, a storage has the record
and all that it names.  Does not know elements: names, keys and what to show come from the caller.

The texts of messages are those that people who read logs of BuildStream look for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from grilse.protocol.errors import ArtifactError, RemoteError
from grilse.remote import asset, transfer
from grilse.remote.config import RemoteConfig
from grilse.remote.connection import Connection
from grilse.remote.session import Exchange, Offer, Trouble, each_storage, find_digest, give
from grilse.storage.artifact import Artifact, artifact_name, decode_artifact, encode_artifact
from grilse.storage.artifacts import ArtifactCache
from grilse.storage.closure import Presence
from grilse.storage.digest import Digest
from grilse.storage.store import Store
from grilse.storage.wire import MessageError

_VERSION = 2


def pull_artifact(
    exchange: Exchange,
    cache: ArtifactCache,
    project: str,
    element: str,
    key: str,
    *,
    shown: str = "",
    buildtrees: bool = False,
    required: bool = False,
) -> Artifact | None:
    """Bring an artifact into the local cache, if a remote has it.

    Args:
        exchange: with the remotes for artifacts of the element's project.
        cache: the local cache.
        project: name of the element's project.
        element: name of the element.
        key: any cache key of the artifact.
        shown: the key as messages show it; by default its first eight digits.
        buildtrees: whether to fetch the build tree, sources and sandbox that belong to it as well.
        required: whether trouble with the remotes is an error, instead of a warning and no artifact.

    Returns:
        The artifact, complete and known locally under all its keys; None if no remote has all of it.

    Raises:
        ArtifactError: `required`, and remotes were in trouble.
        CasError: the local cache cannot be written.
    """
    shown = shown or key[:8]
    uris = [asset.ARTIFACT_URN + artifact_name(project, element, key)]
    trouble = Trouble(exchange)

    def unknown(remote: RemoteConfig) -> str:
        return f"Remote ({remote.url}) does not have artifact {shown} cached"

    digest = find_digest(
        exchange, trouble, lambda connection: asset.fetch_blob(connection, uris), f"Pulling artifact {shown}", unknown
    )
    if digest is not None:

        def fetch(connection: Connection) -> Sequence[Digest]:
            return _fetch(connection, cache.store, digest, key, buildtrees, exchange)

        remote = each_storage(exchange, trouble, fetch, f"Pulling data for artifact {shown}", unknown)
        if remote is not None:
            artifact = _read(cache.store, digest, key)
            cache.store.settle(artifact.blobs(), _wanted_trees(artifact, buildtrees))
            _keep(cache, project, element, key, artifact)
            exchange.say("info", f"Pulled artifact {shown} <- {remote.url}")
            return artifact
    if trouble.errors and required:
        raise ArtifactError(f"Failed to pull artifact {shown}", detail=trouble.detail, temporary=True)
    return None


def fetch_record(exchange: Exchange, store: Store, project: str, element: str, key: str) -> Artifact | None:
    """Read what an artifact consists of without fetching that; nothing is known locally afterwards.

    Returns:
        The artifact, or None if no remote knows it.

    Raises:
        ArtifactError: no remote knows it, and some were in trouble.
        CasError: the local cache cannot be written.
    """
    uris = [asset.ARTIFACT_URN + artifact_name(project, element, key)]
    trouble = Trouble(exchange)
    shown = key[:8]

    def unknown(remote: RemoteConfig) -> str:
        return f"Remote ({remote.url}) does not have artifact {shown} cached"

    digest = find_digest(
        exchange,
        trouble,
        lambda connection: asset.fetch_blob(connection, uris),
        f"Looking up artifact {shown}",
        unknown,
    )
    if digest is not None:

        def fetch(connection: Connection) -> Sequence[Digest]:
            return transfer.fetch_blobs(connection, store, [digest])

        if each_storage(exchange, trouble, fetch, f"Reading artifact {shown}", unknown) is not None:
            return _read(store, digest, key)
    if trouble.errors:
        raise ArtifactError(f"Failed to look up artifact {shown}", detail=trouble.detail, temporary=True)
    return None


def _fetch(
    connection: Connection, store: Store, digest: Digest, key: str, buildtrees: bool, exchange: Exchange
) -> Sequence[Digest]:
    """Fetch an artifact's record and content; returns what the remote lacks."""
    missing = transfer.fetch_blobs(connection, store, [digest])
    if missing:
        return missing
    artifact = _read(store, digest, key)
    files, missing = transfer.fetch_directories(connection, store, _wanted_trees(artifact, buildtrees))
    return missing or transfer.fetch_blobs(connection, store, [*artifact.blobs(), *files], exchange.report)


def _wanted_trees(artifact: Artifact, buildtrees: bool) -> list[Digest]:
    return artifact.trees() if buildtrees else [artifact.files] if artifact.files is not None else []


def _read(store: Store, digest: Digest, key: str) -> Artifact:
    """The record that an index has named for a key; an index may be wrong."""
    try:
        artifact = decode_artifact(store.read(digest))
    except MessageError as error:
        raise RemoteError(f"Blob {digest.hash} is not the record of an artifact: {error}") from error
    if artifact.version != _VERSION:
        raise RemoteError(f"The artifact's record {digest.hash} is of version {artifact.version}, not {_VERSION}")
    if key not in (artifact.strong_key, artifact.weak_key, artifact.strict_key):
        raise RemoteError(f"The record {digest.hash} is of another artifact, {artifact.strong_key}, than {key}")
    return artifact


def _keep(cache: ArtifactCache, project: str, element: str, key: str, artifact: Artifact) -> None:
    cache.write(project, element, artifact)
    for other in dict.fromkeys((key, artifact.strict_key)):
        if other and other not in (artifact.strong_key, artifact.weak_key):
            cache.link(project, element, artifact.strong_key, other)


def push_artifact(
    exchange: Exchange, cache: ArtifactCache, project: str, element: str, artifact: Artifact, *, shown: str = ""
) -> bool:
    """Upload an artifact to all remotes that we may push to: content first, then its name.

    Args:
        exchange: with the remotes for artifacts of the element's project.
        cache: the local cache, which has all of the artifact but maybe the sources: these come with build trees only.
        project: name of the element's project.
        element: name of the element.
        artifact: from the local cache.
        shown: the key as messages show it; by default the first eight digits of the strong key.

    Returns:
        Whether any index did not know it before.

    Raises:
        ArtifactError: something of it is not here, or a remote failed.
    """
    store = cache.store
    record = store.add_bytes(encode_artifact(artifact))
    keys = dict.fromkeys((artifact.strong_key, artifact.weak_key))
    uris = [asset.ARTIFACT_URN + artifact_name(project, element, key) for key in keys]
    trees = artifact.trees()
    if artifact.sources is not None and not Presence(store).tree(artifact.sources):
        trees.remove(artifact.sources)

    def content() -> Sequence[Digest]:
        return [record, *artifact.blobs(), *chain.from_iterable(transfer.tree_digests(store, tree) for tree in trees)]

    def tell(connection: Connection) -> bool:
        # Each name may stand for something else by now, or for nothing.
        if all(asset.fetch_blob(connection, [uri]) == record for uri in uris):
            return False
        asset.push_blob(connection, uris, record, blobs=artifact.blobs(), directories=trees)
        return True

    return give(exchange, store, Offer("artifact", shown or artifact.strong_key[:8], content, tell, ArtifactError))


def query_artifact(exchange: Exchange, project: str, element: str, key: str) -> bool:
    """Whether an index knows an artifact.

    Raises:
        ArtifactError: no index knows it, and some gave no answer.
    """
    uris = [asset.ARTIFACT_URN + artifact_name(project, element, key)]
    errors: list[RemoteError] = []
    for remote in exchange.indexes():
        try:
            if asset.fetch_blob(exchange.connections.get(remote), uris) is not None:
                return True
        except RemoteError as error:
            errors.append(error)
    if errors:
        first = errors[0]
        raise ArtifactError(first.message, detail=first.detail, reason=first.reason, temporary=first.temporary)
    return False
