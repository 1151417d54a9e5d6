"""`BuildElement`: the base of elements that run configure, build, install and strip commands.

Must not know what the commands do.  The keys of its configuration, of dependencies' ``config``, and of its unique key
are BuildStream's, since projects and cache keys depend on them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .element import DependencyConfiguration, Element

if TYPE_CHECKING:
    from .node import MappingNode
    from .sandbox import Sandbox

_CONFIGURE = "configure-commands"
_STEPS = (_CONFIGURE, "build-commands", "install-commands", "strip-commands")

# In the build directory of a workspace, says that the configure commands have run.
_PREPARED = ".bst-prepared"

# As BuildStream spells it; cache keys depend on it.
_DIGEST_KEY = "digest-enviornment"


class _Plan:
    """What a build element was told.

    Attributes:
        commands: by step.
        subdirectory: where below the build directory commands run, or None.
        layout: dependencies with the names used for them, by where they are staged.
        digests: the same by the environment variable that gets the digest of their tree.
    """

    __slots__ = ("commands", "digests", "layout", "subdirectory")

    def __init__(self, commands: dict[str, list[str]], subdirectory: str | None) -> None:
        self.commands = commands
        self.subdirectory = subdirectory
        self.layout: dict[str, list[DependencyConfiguration]] = {}
        self.digests: dict[str, list[DependencyConfiguration]] = {}


class BuildElement(Element):
    """An element that stages its dependencies and sources, runs commands, and keeps ``%{install-root}``."""

    @property
    def _plan(self) -> _Plan:
        return self._grilse.plan  # type: ignore[attr-defined, no-any-return]

    # Not public, but plugins in the wild read and change it under its mangled name.
    @property
    def __commands(self) -> dict[str, list[str]]:
        return self._plan.commands

    @__commands.setter
    def __commands(self, commands: dict[str, list[str]]) -> None:
        self._plan.commands = commands

    def configure(self, node: MappingNode) -> None:
        """Read the four lists of commands."""
        node.validate_keys(list(_STEPS))
        commands = {step: node.get_str_list(step, []) for step in _STEPS}
        self._command_subdir = self.get_variable("command-subdir")
        self._grilse.plan = _Plan(commands, self._command_subdir)  # type: ignore[attr-defined]

    def configure_dependencies(self, dependencies: Iterable[DependencyConfiguration]) -> None:
        """Read where to stage each dependency: ``location``, ``digest-environment``."""
        plan = self._plan
        for dependency in dependencies:
            location = "/"
            if dependency.config is not None:
                dependency.config.validate_keys(["digest-environment", "location"])
                location = dependency.config.get_str("location", "/")
                variable = dependency.config.get_str("digest-environment", None)
                if variable is not None:
                    plan.digests.setdefault(variable, []).append(dependency)
            plan.layout.setdefault(location, []).append(dependency)

    def preflight(self) -> None:
        """Nothing to check."""

    def get_unique_key(self) -> dict[str, Any]:
        """The commands, and what else of the configuration matters."""
        plan = self._plan
        key: dict[str, Any] = dict(plan.commands)
        if plan.subdirectory:
            key["command-subdir"] = plan.subdirectory
        # It sets max-jobs, which does not count in keys.
        if self.get_variable("notparallel"):
            key["notparallel"] = True
        if any(location and location != "/" for location in plan.layout):
            key["layout"] = _paths(plan.layout)
        if plan.digests:
            key[_DIGEST_KEY] = _paths(plan.digests)
        return key

    def configure_sandbox(self, sandbox: Sandbox) -> None:
        """Build and install root are writable; commands run in the build root, or a directory below it."""
        build_root = self._variable("build-root")
        sandbox.mark_directory(build_root)
        sandbox.mark_directory(self._variable("install-root"))
        subdirectory = self._plan.subdirectory
        sandbox.set_work_directory(os.path.join(build_root, subdirectory) if subdirectory else build_root)
        environment = self.get_environment()
        for variable, dependencies in sorted(self._plan.digests.items(), key=lambda item: item[0]):
            activity = f"Staging dependencies for '{variable}' in subsandbox"
            with self.timed_activity(activity, silent_nested=True), self.subsandbox(sandbox) as second:
                self.stage_dependency_artifacts(second, [dependency.element for dependency in dependencies])
                environment[variable] = str(second.get_virtual_directory().digest())
        sandbox.set_environment(environment)

    def stage(self, sandbox: Sandbox) -> None:
        """Dependencies where they belong, integrated if that is the root, then sources in the build root."""
        layout = self._plan.layout
        for location, dependencies in sorted(layout.items(), key=lambda item: item[0]):
            with self.timed_activity(f"Staging dependencies at: {location}", silent_nested=True):
                self.stage_dependency_artifacts(sandbox, [item.element for item in dependencies], path=location)
        at_root = [item.element for item in layout.get("/", ())]
        if at_root:
            with self.timed_activity("Integrating sandbox", silent_nested=True), sandbox.batch():
                for dependency in self.dependencies(at_root):
                    dependency.integrate(sandbox)
        self.stage_sources(sandbox, self._variable("build-root"))

    def assemble(self, sandbox: Sandbox) -> str:
        """Run the commands; what is in the install root then is the artifact."""
        with sandbox.batch(root_read_only=True, label="Running commands"):
            self._add_configure(sandbox)
            for step in _STEPS[1:]:
                self._add_commands(sandbox, step)
            self.run_cleanup_commands(sandbox)
        return self._variable("install-root")

    def generate_script(self) -> str:
        """All commands, each in a shell of its own that ends the script when it fails."""
        commands = (command for step in _STEPS for command in self._plan.commands[step])
        return "".join(f"(set -ex; {command}\n) || exit 1\n" for command in commands)

    def _add_configure(self, sandbox: Sandbox) -> None:
        """The configure commands; in a workspace only until they have succeeded once."""
        if not self._get_workspace():
            self._add_commands(sandbox, _CONFIGURE)
            return
        build_root = sandbox.get_virtual_directory().open_directory(self._variable("build-root").lstrip("/"))
        if not build_root.exists(_PREPARED):
            self._add_commands(sandbox, _CONFIGURE)
            sandbox.grilse_create_file(_PREPARED)

    def _add_commands(self, sandbox: Sandbox, step: str) -> None:
        for command in self._plan.commands[step]:
            sandbox.run(["sh", "-c", "-e", f"{command}\n"], root_read_only=True, label=command)

    def _variable(self, name: str) -> str:
        value = self.get_variable(name)
        if value is None:
            raise self._missing(f"the variable '{name}'")
        return value


def _paths(places: Mapping[str, list[DependencyConfiguration]]) -> dict[str, list[str]]:
    return {place: [dependency.path for dependency in places[place]] for place in sorted(places)}
