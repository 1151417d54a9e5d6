"""Asks the storage service of the cache, and brings content from it, for the backend."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...storage.digest import Digest, parse_digest
from ..cache import store_of
from ..context import JobContext


def run(job: JobContext) -> dict[str, Any]:
    """Do what the parameters say: ``holds`` (pairs of blobs and trees), ``settle`` (such a pair), or ``blobs`` and
    ``trees`` to bring.  Gives what is missing of these; what the service has is in the result in any case.

    Raises:
        RemoteError: the service does not answer.
        CasError: the local cache cannot be written.
    """
    asked = job.spec.parameters
    supplier = store_of(job).supplier
    missing: list[Digest] = []
    if supplier is None:
        missing = [*_digests(asked.get("blobs", ())), *_digests(asked.get("trees", ()))]
    elif "holds" in asked:
        contents = [(_digests(blobs), _digests(trees)) for blobs, trees in asked["holds"]]
        together: tuple[list[Digest], list[Digest]] = ([], [])
        for blobs, trees in contents:
            together[0].extend(blobs)
            together[1].extend(trees)
        # That all of it is there is the rule, and one question finds that out.
        if not supplier.holds(*together):
            for blobs, trees in contents:
                supplier.holds(blobs, trees)
    elif "settle" in asked:
        supplier.settle(*map(_digests, asked["settle"]))
    else:
        missing += supplier.supply(_digests(asked["blobs"]))
        missing += supplier.supply_trees(_digests(asked["trees"]), files=asked["files"])
    return {"missing": [str(digest) for digest in missing]}


def _digests(texts: Iterable[str]) -> Sequence[Digest]:
    return [parse_digest(text) for text in texts]
