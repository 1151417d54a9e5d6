"""Includes, in one project and across junctions."""

from __future__ import annotations

from . import Case
from .junctions import ANIMAL, BASE, NESTED, STACK, conf, junction, link

CASES: dict[str, Case] = {}


def case(name: str, **files: str) -> None:
    """The base project with more files: `a`, `top`, `sub` and `inc` are its element, both project.confs and inc.yml."""
    places = {"a": "elements/a.bst", "top": "project.conf", "sub": "sub/project.conf", "inc": "inc.yml"}
    extra = {places.get(key, key): text for key, text in files.items()}
    CASES[f"include-{name}"] = Case({**BASE, "elements/a.bst": STACK, **extra})


INCLUDES_FILE = f"{STACK}(@): inc.yml\n"
INCLUDES_SUB = f"{STACK}(@): sub.bst:inc.yml\n"

case("file", a=INCLUDES_FILE, inc="description: hello\n")
case("list", a=f"{STACK}(@): [inc.yml, inc2.yml]\n", inc="description: a\n", **{"inc2.yml": "description: b\n"})
case("missing", a=INCLUDES_FILE)
case("directory", a=f"{STACK}(@): inc\n", **{"inc/x": "a"})
case("itself", a=INCLUDES_FILE, inc="(@): inc.yml\n")
case("circle", a=INCLUDES_FILE, inc="(@): inc2.yml\n", **{"inc2.yml": "variables:\n  (@): inc.yml\n"})
case("inside", a=f"{STACK}variables:\n  (@): inc.yml\n", inc="a: b\n")
case("malformed", a=f"{STACK}variables:\n  (@): inc.yml\n", inc="a: [\n")
case("dict", a=f"{STACK}(@): {{a: b}}\n")
case("of-subproject", a=INCLUDES_SUB, **{"sub/inc.yml": "description: '%{prefix}'\n"})
case("of-subproject-undefined", a=INCLUDES_SUB, **{"sub/inc.yml": "description: '%{nope}'\n"})
case("of-subproject-missing", a=INCLUDES_SUB)
case("of-unknown-subproject", a=f"{STACK}(@): nope.bst:inc.yml\n")
case("of-no-junction", a=f"{STACK}(@): 'a:inc.yml'\n")
case("of-linked-subproject", a=f"{STACK}(@): l.bst:inc.yml\n", **{"elements/l.bst": link("sub.bst"), "sub/inc.yml": ""})
case("from-there", a=INCLUDES_SUB, **{"sub/inc.yml": "(@): inc2.yml\n", "sub/inc2.yml": "description: deep\n"})
case("kinds-clash", a=f"{INCLUDES_FILE}variables: {{a: b}}\n", inc="variables: {a: [1]}\n")
case("extends", a=f"{INCLUDES_FILE}environment-nocache: {{(>): [b]}}\n", inc="environment-nocache: [a]\n")
case("conf", top=conf("top", "(@): inc.yml\n"), inc="variables: {a: b}\n")
case("conf-name", top=conf("top", "(@): inc.yml\n"), inc="min-version: 2.0\n")
case("conf-no-plugins", top=conf("top", "(@): inc.yml\n"), inc="plugins: []\n")
case("conf-of-subproject", top=conf("top", "(@): sub.bst:inc.yml\n"), **{"sub/inc.yml": "variables: {a: b}\n"})
case(
    "conf-of-subproject-conditional",
    top=conf("top", "(@): sub.bst:inc.yml\n"),
    sub=conf("sub", ANIMAL),
    **{"sub/inc.yml": "variables: {a: b}\n(?):\n- animal == 'pony':\n    variables: {c: d}\n"},
)
case(
    "conf-through-conf",
    top=conf("top", "(@): sub.bst:inc.yml\n"),
    sub=conf("sub", "(@): deep.bst:inc.yml\n"),
    **{
        "sub/elements/deep.bst": junction("deep"),
        "sub/deep/project.conf": conf("deep"),
        "sub/deep/inc.yml": "{}\n",
        "sub/deep/elements/q.bst": STACK,
        "sub/inc.yml": "variables: {a: b}\n",
    },
)
PONY = f"{STACK}(?):\n- animal == 'pony':\n    description: x\n"
case("conf-options", a=PONY, top=conf("top", "(@): inc.yml\n"), inc=ANIMAL)
case("conf-options-of-subproject", a=PONY, top=conf("top", "(@): sub.bst:inc.yml\n"), **{"sub/inc.yml": ANIMAL})
CASES["include-conf-options-of-subproject-given"] = Case(
    {
        **BASE,
        "project.conf": conf("top", "(@): sub.bst:inc.yml\n"),
        "sub/inc.yml": ANIMAL,
        "elements/a.bst": PONY,
    },
    options=("-o", "animal", "horsy"),
)
case(
    "in-junction",
    top=conf("top", "(@): sub.bst:inc.yml\n"),
    **{"elements/sub.bst": "kind: junction\n(@): j.yml\n", "sub/inc.yml": "{}\n"},
)
CASES["include-of-nested-subproject"] = Case(
    {**NESTED, "elements/a.bst": f"{STACK}(@): sub.bst:subsub.bst:inc.yml\n", "sub/subsub/inc.yml": "description: hi\n"}
)
