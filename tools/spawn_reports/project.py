"""Write the BuildStream project whose live sessions are audited: small, and with what real ones have.

Options, includes, aliases, a local plugin, a junction to a subproject with a plugin of its own, and layers of elements
that depend on each other.  Knows nothing of audits.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

# Elements in each layer, and layers; every element depends on a few of the layer below.
WIDTH = 20
LAYERS = 5
FAN_IN = 3

_PLUGIN = """
from buildstream import Element


class StampElement(Element):
    BST_MIN_VERSION = "2.0"
    BST_FORBID_RDEPENDS = False

    def configure(self, node):
        node.validate_keys(["text"])
        self.text = node.get_str("text", "")

    def preflight(self):
        pass

    def get_unique_key(self):
        return {"text": self.text}

    def configure_sandbox(self, sandbox):
        pass

    def stage(self, sandbox):
        pass

    def assemble(self, sandbox):
        return "/"


def setup():
    return StampElement
"""

_PROJECT = """
name: harbour
min-version: 2.0
element-path: elements
aliases:
  upstream: https://upstream.invalid/
(@): include/variables.yml
plugins:
- origin: local
  path: plugins
  elements:
  - stamp
options:
  debug:
    type: bool
    description: A debug build
    default: false
  flavour:
    type: enum
    description: Which flavour
    values: [plain, rich]
    default: plain
environment:
  HARBOUR_FLAVOUR: "%{flavour}"
elements:
  stamp:
    variables:
      stamped: "yes"
"""

_SUBPROJECT = """
name: toolkit
min-version: 2.0
element-path: elements
plugins:
- origin: local
  path: plugins
  elements:
  - mark
"""

_VARIABLES = """
variables:
  flavour: plain
  where: "%{prefix}/share"
  (?):
  - debug == True:
      optimize: "-O0"
  - debug == False:
      optimize: "-O2"
"""


def write_project(root: Path) -> str:
    """Write the project below ``root``; the name of the target to build."""
    _write(root / "project.conf", _PROJECT)
    _write(root / "include" / "variables.yml", _VARIABLES)
    _plugin(root, "stamp")
    _write(root / "toolkit" / "project.conf", _SUBPROJECT)
    _plugin(root / "toolkit", "mark")
    _write(root / "toolkit" / "elements" / "mark.bst", "kind: mark\nconfig:\n  text: from the toolkit\n")
    _write(root / "elements" / "toolkit.bst", "kind: junction\nsources:\n- kind: local\n  path: toolkit\n")
    below: list[str] = []
    for layer in range(LAYERS):
        names = [f"layer{layer}/part{place:02}.bst" for place in range(WIDTH)]
        for place, name in enumerate(names):
            chosen = [below[(place + step * 7) % len(below)] for step in range(FAN_IN)] if below else []
            _element(root, name, layer, place, chosen)
        below = names
    _write(root / "elements" / "stamp.bst", "kind: stamp\nconfig:\n  text: '%{flavour} %{optimize}'\n")
    depends = "".join(f"- {name}\n" for name in (*below, "stamp.bst", "toolkit.bst:mark.bst"))
    _write(root / "elements" / "everything.bst", f"kind: stack\ndepends:\n{depends}")
    _write(
        root / "elements" / "runtime.bst",
        "kind: filter\nbuild-depends:\n- layer0/part00.bst\nconfig:\n  include: [runtime]\n",
    )
    _write(root / "elements" / "all.bst", "kind: stack\ndepends:\n- everything.bst\n- runtime.bst\n")
    return "all.bst"


def inputs() -> str:
    """A digest of the project that the reports are about: one made from another project is not current."""
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(prefix="spawn-report-") as folder:
        root = Path(folder)
        digest.update(write_project(root).encode())
        for path in sorted(root.rglob("*")):
            if path.is_file():
                digest.update(f"\n{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()


def _element(root: Path, name: str, layer: int, place: int, depends: list[str]) -> None:
    files = f"files/{layer}-{place:02}"
    _write(root / files / "share" / f"text{layer}-{place:02}.txt", f"part {place} of layer {layer}\n")
    lines = ["kind: import", f"description: Part {place} of layer {layer}"]
    lines += [
        "depends:" if depends else "",
        *(f"- filename: {other}\n  type: {'build' if place % 2 else 'all'}" for other in depends),
    ]
    lines += ["sources:", "- kind: local", f"  path: {files}", "config:", "  target: '%{where}'"]
    lines += ["public:", "  bst:", "    split-rules:", "      runtime:", "      - '%{where}/**'"]
    _write(root / "elements" / name, "\n".join(line for line in lines if line) + "\n")


def _plugin(root: Path, kind: str) -> None:
    _write(root / "plugins" / f"{kind}.py", _PLUGIN)
    _write(root / "plugins" / f"{kind}.yaml", "config:\n  text: ''\n")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.lstrip("\n"))
