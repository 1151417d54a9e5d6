"""`ScriptElement`: the base of elements that run commands on what they stage and keep a directory of it.

Must not know what the commands do.  The parts of its unique key are BuildStream's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .element import Element

if TYPE_CHECKING:
    from .sandbox import Sandbox


class _Plan:
    """What a script element was told.

    Attributes:
        install_root: what is kept.
        cwd: where commands run.
        read_only: whether they may not write outside of `install_root`.
        commands: by group, in order; None if there are none.
        layout: dependencies with the names used for them, by where they are staged; empty for all of them in the root.
    """

    __slots__ = ("commands", "cwd", "install_root", "layout", "read_only")

    def __init__(self) -> None:
        self.install_root = "/"
        self.cwd = "/"
        self.read_only = False
        self.commands: dict[str, list[str]] | None = None
        self.layout: dict[str, list[tuple[Element, str]]] = {}


class ScriptElement(Element):
    """An element made by commands; derived classes configure it with the methods below."""

    BST_STRICT_REBUILD = True
    BST_FORBID_RDEPENDS = True
    BST_FORBID_SOURCES = True

    @property
    def _plan(self) -> _Plan:
        state = self._grilse
        plan: _Plan | None = getattr(state, "plan", None)
        if plan is None:
            plan = state.plan = _Plan()  # type: ignore[attr-defined]
        return plan

    # For derived classes

    def set_work_dir(self, work_dir: str | None = None) -> None:
        """Set where commands run; the variable ``cwd`` by default."""
        self._plan.cwd = self.get_variable("cwd") or "/" if work_dir is None else work_dir

    def set_install_root(self, install_root: str | None = None) -> None:
        """Set what becomes the artifact; the variable ``install-root`` by default."""
        self._plan.install_root = self.get_variable("install-root") or "/" if install_root is None else install_root

    def set_root_read_only(self, root_read_only: bool) -> None:
        """Set whether commands may write to the install root only."""
        self._plan.read_only = root_read_only

    def layout_add(self, element: Element, dependency_path: str, location: str) -> None:
        """Stage a dependency and what it needs to run below `location`; integration commands run for ``/`` only.

        Without any call, all build dependencies are staged in the root.

        Args:
            element: the dependency.
            dependency_path: the name that the declaration uses for it (`DependencyConfiguration.path`).
            location: absolute directory of the sandbox.
        """
        self._plan.layout.setdefault(location, []).append((element, dependency_path))

    def add_commands(self, group_name: str, command_list: list[str]) -> None:
        """Add commands, which run after those added before.

        Args:
            group_name: what to call them in messages.
            command_list: the commands, as text for ``sh``.
        """
        plan = self._plan
        if plan.commands is None:
            plan.commands = {}
        plan.commands[group_name] = command_list

    # What elements implement

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> dict[str, Any]:
        """The commands, where they run, and what is staged where."""
        plan = self._plan
        return {
            "commands": plan.commands,
            "cwd": plan.cwd,
            "install-root": plan.install_root,
            "layout": {place: [path for _, path in plan.layout[place]] for place in sorted(plan.layout)},
            "root-read-only": plan.read_only,
        }

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """Set working directory, environment, and what is writable."""
        plan = self._plan
        sandbox.set_work_directory(plan.cwd)
        sandbox.set_environment(self.get_environment())
        sandbox.mark_directory(plan.install_root)

    def stage(self, sandbox: Sandbox) -> None:
        """Dependencies where they belong, integrated if that is the root."""
        layout = self._plan.layout
        if not layout:
            with self.timed_activity("Staging dependencies", silent_nested=True):
                self.stage_dependency_artifacts(sandbox)
            with sandbox.batch(label="Integrating sandbox"):
                for dependency in self.dependencies():
                    dependency.integrate(sandbox)
        else:
            for location, dependencies in sorted(layout.items(), key=lambda item: item[0]):
                with self.timed_activity(f"Staging dependencies at: {location}", silent_nested=True):
                    self.stage_dependency_artifacts(sandbox, [element for element, _ in dependencies], path=location)
            at_root = [element for element, _ in layout.get("/", ())]
            if at_root:
                with self.timed_activity("Integrating sandbox", silent_nested=True), sandbox.batch():
                    for dependency in self.dependencies(at_root):
                        dependency.integrate(sandbox)
        root = sandbox.get_virtual_directory()
        root.open_directory(self._plan.install_root.lstrip("/"), create=True)

    def assemble(self, sandbox: Sandbox) -> str:
        """Run the commands; what is in the install root then is the artifact."""
        plan = self._plan
        with sandbox.batch(root_read_only=plan.read_only, collect=plan.install_root):
            for group, commands in (plan.commands or {}).items():
                with sandbox.batch(root_read_only=plan.read_only, label=f"Running '{group}'"):
                    for command in commands:
                        argv = ["sh", "-c", "-e", f"{command}\n"]
                        sandbox.run(argv, root_read_only=plan.read_only, label=command)
            self.run_cleanup_commands(sandbox)
        return plan.install_root
