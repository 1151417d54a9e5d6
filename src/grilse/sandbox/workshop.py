"""Makes sandboxes for one cache directory, and does whole jobs in them.

Knows where things are and which means this machine has; `session` does the work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from grilse.sandbox.machine import for_machine
from grilse.sandbox.means import Means, find_means, forget_means
from grilse.sandbox.session import Session
from grilse.sandbox.spec import SandboxOutcome, SandboxRun
from grilse.sandbox.trees import Trees
from grilse.sandbox.view import Kind
from grilse.storage.digest import Digest
from grilse.storage.errors import cas_error
from grilse.storage.store import Store


class Workshop:
    """Where the sandboxes of one cache directory are made.  Cheap to make; used by one thread at a time.

    Args:
        store: where input comes from and output goes to.
        directory: where trees and scratch directories are; on the file system of the store if that can be had.
        means: how sandboxes are run; None to find out.
        tree_limit: bytes that unpacked trees may take together; None for a share of the file system.
        config: the element's sandbox configuration, whose ``build-os`` and ``build-arch`` must be had here.
    """

    __slots__ = ("_config", "_directory", "_means", "store", "trees")

    def __init__(
        self,
        store: Store,
        directory: str,
        means: Means | None = None,
        tree_limit: int | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self._config = config or {}
        self.store = store
        self._directory = directory
        self._means = means
        scratch_parent = os.path.join(directory, "sandbox")
        self.trees = Trees(store, os.path.join(directory, "trees"), scratch_parent, tree_limit)

    def means(self) -> Means:
        """How sandboxes are run here.

        Raises:
            CasError: the directory cannot be written to.
        """
        if self._means is None:
            try:
                self._means = for_machine(find_means(self._directory), self._config)
            except OSError as error:
                raise cas_error(error, "make a sandbox") from error
        return self._means

    def session(self, layers: Sequence[Digest] = ()) -> Session:
        """A new session with an empty root.

        Args:
            layers: directories whose overlay comes close to what will be staged, bottom first.

        Raises:
            CasError: a layer is not in the store, or there is no space left.
        """
        return Session(self.trees, self.means(), layers, broken=self._broken)

    def _broken(self) -> None:
        forget_means(self._directory)

    def execute(self, run: SandboxRun, *, stdout: int, stderr: int | None = None) -> SandboxOutcome:
        """Do a whole job.

        Args:
            run: the job.
            stdout: descriptor for the output of the commands.
            stderr: descriptor for their error output, None for the same.

        Raises:
            SandboxError: a command does not exist in the root (``missing-command``) or cannot be run.
            CasError: something is not in the store, or cannot be put into it.
        """
        with self.session(run.layers) as session:
            session.stage(run.root)
            status = 0
            ran = 0
            for command in run.commands:
                status = session.run(command, stdout=stdout, stderr=stderr)
                ran += 1
                if status:
                    break
            outputs: dict[str, Digest] = {}
            for path in run.outputs:
                place = session.view.find(path)
                if place is not None and place.kind is Kind.DIRECTORY:
                    outputs[path] = session.capture(path, mtimes=run.mtimes, last=True)
            return SandboxOutcome(status, ran, outputs)
