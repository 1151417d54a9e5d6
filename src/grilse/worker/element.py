"""A job's element: made anew from its record, with what surrounds it.

Knows how hosts, plugins and sources come together; nothing of what a task does with them.
"""

from __future__ import annotations

import os
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from ..plugin.importing import keep_bytecode
from ..plugin.revive import revive_element
from ..storage.sources import SourceCache
from .cache import store_of
from .context import JobContext
from .exchange import exchange_of
from .host import PublicData, WorkerHost
from .sources import ElementSources, Pull

if TYPE_CHECKING:
    from ..plugin.element import Element
    from ..plugin.host import ElementFacts

_PUBLIC = PublicData()


class ElementJob:
    """The element of one job, to be used in a ``with`` block.

    Args:
        job: the job; it must have an element.
    """

    def __init__(self, job: JobContext) -> None:
        self.job = job
        self.store = store_of(job)
        keep_bytecode(self.store.cachedir)
        self.host = WorkerHost(job, self.store, _PUBLIC)

    def __enter__(self) -> ElementJob:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.host.close()
        if "null" in self.__dict__:
            os.close(self.null)

    @cached_property
    def null(self) -> int:
        """Descriptor of the null device."""
        return os.open(os.devnull, os.O_RDWR)

    @cached_property
    def element(self) -> Element:
        """The plugin, configured."""
        ref = self.job.spec.element
        assert ref is not None
        element = revive_element(self.job.plan, ref, self.host, full_key=self.job.spec.full_key)
        self.host.own = element._grilse.facts
        return element

    @property
    def facts(self) -> ElementFacts:
        """What is known of the element."""
        return self.element._grilse.facts

    @cached_property
    def sources(self) -> ElementSources:
        """Its sources."""
        assert self.job.record is not None
        body = self.job.plan.body(self.job.record)
        exchange = exchange_of(self.job, "sources")
        if exchange is None:
            return ElementSources(self.store, self.element._grilse.sources, body)
        from ..remote.sources import pull_source

        length = int(self.job.settings("key_length", 8))

        def puller(cache: SourceCache) -> Pull:
            def pull(name: str) -> bool:
                shown = name.rpartition("/")[2][:length]
                return pull_source(exchange, cache, name, shown=shown) is not None

            return pull

        return ElementSources(
            self.store,
            self.element._grilse.sources,
            body,
            pull_source=puller(SourceCache(self.store)),
            pull_together=puller(SourceCache(self.store, together=True)),
        )
