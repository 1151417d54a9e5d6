"""``show``: print elements.

Knows what a format can ask of an element and where the answers are.
"""

from __future__ import annotations

from typing import Any

from ...project.show import Shown, compile_format
from ...protocol.requests import Show
from ...storage.digest import EMPTY
from ..pipeline import Pipeline
from ..session import Session
from ..states import Planned, States


class ElementView:
    """See `project.show.View`."""

    __slots__ = ("_element", "_states")

    def __init__(self, element: Planned, states: States) -> None:
        self._element = element
        self._states = states

    @property
    def load_element(self) -> Shown:
        """Its names, kind, description and dependencies."""
        return self._element.load_element

    def key(self) -> tuple[str | None, bool]:
        """Its key, and whether it is that of a strict build."""
        return self._states.key(self._element)

    def state(self) -> str:
        """Its state."""
        return self._states.state(self._element)

    def config(self) -> dict[str, Any]:
        """Its configuration."""
        return self._element.plain_config()

    def variables(self) -> dict[str, str]:
        """Its variables."""
        return self._element.variables()

    def environment(self) -> dict[str, str]:
        """Its environment."""
        return self._element.environment()

    def public(self) -> dict[str, Any]:
        """Its public data."""
        return self._element.plain_public()

    def workspace(self) -> str | None:
        """The directory of its open workspace, or None."""
        return self._element.workspace

    def source_info(self) -> list[dict[str, Any]]:
        """What its sources say of where they come from."""
        found = []
        for source in self._element.sources:
            infos = source.collect_source_info()
            found += [_as_text(info.serialize()) for info in infos or ()]
        return found

    def artifact_digest(self) -> str:
        """``hash/size`` of its artifact's files, or ""."""
        artifact = self._states.artifact(self._element)
        if artifact is None:
            return ""
        # A build that failed before it made anything has an artifact all the same, which is empty.
        return str(artifact.files or EMPTY)


def show(session: Session, action: Show) -> int:
    """Print the elements that were asked for.

    Raises:
        GrilseError: they cannot be loaded, or the format is wrong.
    """
    pipeline = Pipeline(session)
    form = compile_format(action.format or pipeline.config.element_format, pipeline.config.key_length)
    as_json = session.request.output_json
    targets = pipeline.recall_targets(action.targets, action.except_, whole=form.needs_bodies and not as_json)
    chosen = pipeline.select(targets, action.deps)
    pipeline.states.ask_storage(chosen)
    if action.order == "alpha":
        chosen.sort(key=lambda element: element.name)
    views = [ElementView(element, pipeline.states) for element in chosen]
    if as_json:
        session.reporter.values([_as_data(view) for view in views])
    else:
        style = _coloured if session.request.invocation.colors else None
        session.reporter.output(form.report(views, style) + "\n")
    pipeline.remember_targets()
    pipeline.close()
    return 0


# Select Graphic Rendition parameters (ECMA-48) of symbols, and of the values of the symbol "state".
_COLOURS = {"name": "1;34", "kind": "36", "key": "33", "full-key": "33", "description": "33", "workspaced": "33"}
_STATE_COLOURS = {"cached": "35", "junction": "35", "buildable": "32", "waiting": "34"}


def _coloured(text: str, symbol: str, dim: bool) -> str:
    colour = _STATE_COLOURS.get(text.strip(), "31") if symbol == "state" else _COLOURS.get(symbol)
    if colour is None or not text.strip():
        return text
    dimmed = "2;" if dim and symbol in ("key", "full-key") else ""
    return f"\x1b[{dimmed}{colour}m{text}\x1b[0m"


def _as_data(view: ElementView) -> dict[str, Any]:
    element = view.load_element
    key, strict = view.key()
    return {
        "name": element.full_name,
        "kind": element.kind,
        "description": element.description,
        "state": view.state(),
        "key": key,
        "strict": strict,
        "workspace": view.workspace(),
        "depends": [
            {"name": each.element.full_name, "build": each.build, "runtime": each.runtime}
            for each in element.dependencies
        ],
    }


def _as_text(info: dict[str, Any]) -> dict[str, Any]:
    """What a source says of itself with its own data as text, as bst prints it: None, too."""
    extra = info.get("extra-data")
    if isinstance(extra, dict):
        info["extra-data"] = {key: "None" if value is None else value for key, value in extra.items()}
    return info
