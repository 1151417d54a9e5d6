"""Subprojects: junctions, links, overrides, duplicates, and the order of dependencies."""

from __future__ import annotations

import random

from . import Case

STACK = "kind: stack\n"
ANIMAL = "options:\n  animal: {type: enum, description: d, values: [pony, horsy], default: pony}\n"


def conf(name: str, more: str = "") -> str:
    """A project.conf."""
    return f"name: {name}\nmin-version: 2.0\nelement-path: elements\n{more}"


def junction(path: str, more: str = "") -> str:
    """A junction to a directory of the same project."""
    return f"kind: junction\nsources:\n- kind: local\n  path: {path}\n{more}"


def link(target: str) -> str:
    """A link."""
    return f"kind: link\nconfig:\n  target: {target}\n"


def depends(*names: str) -> str:
    """A stack of other elements."""
    return f"{STACK}depends:\n" + "".join(f"- {name}\n" for name in names)


Files = dict[str, str | bytes | tuple[str]]

BASE: Files = {
    "project.conf": conf("top"),
    "elements/sub.bst": junction("sub"),
    "sub/project.conf": conf("sub"),
    "sub/elements/x.bst": STACK,
    "sub/elements/y.bst": depends("x.bst"),
}
NESTED: Files = {
    "project.conf": conf("top"),
    "elements/sub.bst": junction("sub"),
    "sub/project.conf": conf("sub"),
    "sub/elements/subsub.bst": junction("subsub"),
    "sub/elements/x.bst": depends("subsub.bst:z.bst"),
    "sub/subsub/project.conf": conf("subsub"),
    "sub/subsub/elements/z.bst": STACK,
    "sub/subsub/elements/z2.bst": depends("z.bst"),
}
CASES: dict[str, Case] = {}


def case(name: str, base: Files, *needs: str, **files: str) -> None:
    """A project whose a.bst depends on `needs`; files are named by path, or by the name of an element."""
    more: Files = {key if "." in key or "/" in key else f"elements/{key}.bst": text for key, text in files.items()}
    CASES[name] = Case({**base, "elements/a.bst": depends(*needs), **more})


def without(files: Files, name: str) -> Files:
    """The files without one."""
    return {key: content for key, content in files.items() if key != name}


def overriding(text: str) -> dict[str, str]:
    """The junction to the subproject with overrides."""
    return {"sub": junction("sub", f"config: {{overrides: {{{text}}}}}\n")}


def _junctions() -> None:
    x = "sub.bst:x.bst"
    case("junction", BASE, "sub.bst:y.bst", "b.bst", b=STACK)
    CASES["junction-target-behind"] = Case(BASE, ("sub.bst:y.bst",))
    CASES["junction-target"] = Case(BASE, ("sub.bst",))
    CASES["junction-key"] = Case(
        {**BASE, "elements/a.bst": f"{STACK}depends:\n- {{filename: [x.bst, y.bst], junction: sub.bst, type: all}}\n"}
    )
    case("junction-missing-element", BASE, "sub.bst:z.bst")
    case("junction-missing", BASE, "sup.bst:z.bst")
    case("junction-is-none", BASE, "b.bst:z.bst", b=STACK)
    case("junction-as-dependency", BASE, "sub.bst")
    case("junction-as-dependency-when-known", BASE, x, "sub.bst")
    case("junction-as-dependency-by-link", BASE, "l.bst", l=link("sub.bst"))
    case("junction-empty-conf", BASE, x, **{"sub/project.conf": ""})
    case("junction-without-conf", without(BASE, "sub/project.conf"), x)
    case("junction-without-conf-at-path", BASE, x, sub=junction("sub", "config: {path: elements}\n"))
    moved: Files = {"project.conf": conf("top"), "w/sub/project.conf": conf("sub"), "w/sub/elements/x.bst": STACK}
    case("junction-path", moved, x, sub=junction("w", "config: {path: sub}\n"))
    case("junction-missing-directory", BASE, x, sub=junction("nope"))
    case("junction-to-file", BASE, x, sub=junction("file"), **{"./file": "x"})
    case("junction-outside", BASE, x, sub=junction("../x"))
    case("junction-without-sources", BASE, x, sub="kind: junction\n")
    case("junction-with-dependencies", BASE, x, sub=junction("sub", "depends: [b.bst]\n"), b=STACK)
    case("junction-unknown-key", BASE, x, sub=junction("sub", "config: {foo: bar}\n"))
    for section in ("environment", "public", "sandbox"):
        case(f"junction-{section}-list", BASE, x, sub=junction("sub", f"{section}: [a]\n"))
    case("junction-nocache", BASE, x, sub=junction("sub", "environment-nocache: a\n"))
    case("junction-unknown-option", BASE, x, sub=junction("sub", "config: {options: {foo: bar}}\n"))
    case("junction-bad-alias-mapping", BASE, x, sub=junction("sub", "config: {map-aliases: foo}\n"))
    horsy = {
        "sub/project.conf": conf("sub", ANIMAL),
        "sub/elements/x.bst": f"{STACK}(?):\n- animal == 'horsy':\n    description: h\n",
    }
    case("junction-option", BASE, x, sub=junction("sub", "config: {options: {animal: horsy}}\n"), **horsy)
    exported = ANIMAL.replace("default: pony", "default: horsy, variable: an")
    passed = {"sub": junction("sub", "config: {options: {animal: '%{an}'}}\n"), "project.conf": conf("top", exported)}
    case("junction-option-from-variable", BASE, x, **horsy, **passed)
    chosen = "kind: junction\nsources:\n- kind: local\n  path: no\n  (?):\n  - animal == 'pony':\n      path: sub\n"
    case("junction-conditional", BASE, x, sub=chosen, **{"project.conf": conf("top", ANIMAL)})


def _instances() -> None:
    both = ("sub.bst:x.bst", "direct.bst:z2.bst")
    direct = junction("sub/subsub")

    def marked(text: str) -> str:
        return conf("top", f"junctions:\n  duplicates:\n    subsub: [{text}]\n")

    case("nested", NESTED, "sub.bst:x.bst", "sub.bst:subsub.bst:z2.bst")
    case("nested-missing", NESTED, "sub.bst:subsub.bst:q.bst")
    case("instances-conflict", NESTED, *both, direct=direct)
    duplicates = marked("direct.bst, 'sub.bst:subsub.bst'")
    case("instances-duplicate", NESTED, *both, direct=direct, **{"project.conf": duplicates})
    case("instances-one-duplicate", NESTED, *both, direct=direct, **{"project.conf": marked("direct.bst")})
    unknown = marked("direct.bst, 'sub.bst:nope.bst'")
    case("instances-unknown-duplicate", NESTED, *both, direct=direct, **{"project.conf": unknown})
    internal = conf("sub", "junctions:\n  internal: [subsub.bst]\n")
    case("instances-internal", NESTED, *both, direct=direct, **{"sub/project.conf": internal})


def _overrides() -> None:
    x = "sub.bst:x.bst"
    direct = junction("sub/subsub")
    case("override-with-junction-itself", BASE, x, **overriding("x.bst: sub.bst"))
    replaced = overriding("subsub.bst: direct.bst")
    case("override-junction", NESTED, x, "direct.bst:z2.bst", "sub.bst:subsub.bst:z2.bst", direct=direct, **replaced)
    linked = overriding("subsub.bst: l.bst")
    case("override-by-link", NESTED, x, "direct.bst:z2.bst", direct=direct, l=link("direct.bst"), **linked)
    case("override-element", NESTED, x, b=STACK, **overriding("x.bst: b.bst"))
    case("override-nested-element", NESTED, x, b=STACK, **overriding("'subsub.bst:z.bst': b.bst"))
    through = {"sub/elements/lx.bst": link("x.bst")}
    case("override-through-link", NESTED, x, b=STACK, **through, **overriding("lx.bst: b.bst"))
    case("override-missing", NESTED, x, **overriding("x.bst: nope.bst"))
    case("override-from-there", NESTED, x, **overriding("x.bst: 'sub.bst:subsub.bst:z2.bst'"))
    case("override-circle", NESTED, x, **overriding("x.bst: 'sub.bst:x.bst'"))
    case("override-junction-circle", NESTED, x, **overriding("subsub.bst: 'sub.bst:subsub.bst'"))


def _links() -> None:
    case("link", BASE, "l.bst", "b.bst", l=link("b.bst"), b=STACK)
    CASES["link-target"] = Case({**BASE, "elements/l.bst": link("b.bst"), "elements/b.bst": STACK}, ("l.bst",))
    case("link-across", BASE, "l.bst", l=link("sub.bst:y.bst"))
    case("link-to-junction", BASE, "l.bst:y.bst", l=link("sub.bst"))
    case("link-to-nested-junction", NESTED, "l.bst:z2.bst", "sub.bst:x.bst", l=link("sub.bst:subsub.bst"))
    case("link-to-missing", BASE, "l.bst", l=link("nope.bst"))
    case("link-across-to-missing", BASE, "l.bst", l=link("sub.bst:nope.bst"))
    case("link-to-missing-junction", BASE, "l.bst:x.bst", l=link("nope.bst"))
    case("link-circle", BASE, "l.bst", l=link("m.bst"), m=link("l.bst"))
    case("link-junction-circle", BASE, "l.bst:x.bst", l=link("m.bst"), m=link("l.bst"))
    case("link-with-dependencies", BASE, "l.bst", l=f"{link('b.bst')}depends: [b.bst]\n", b=STACK)
    case("link-with-sources", BASE, "l.bst", l=f"{link('b.bst')}sources: [{{kind: local, path: sub}}]\n", b=STACK)
    case("link-public-list", BASE, "l.bst", l=f"{link('b.bst')}public: [a]\n", b=STACK)
    case("link-without-target", BASE, "l.bst", l="kind: link\n")
    case("link-unknown-key", BASE, "l.bst", l="kind: link\nconfig: {target: b.bst, foo: bar}\n")
    case("link-to-link", BASE, "l.bst", "m.bst", "sub.bst:y.bst", l=link("m.bst"), m=link("sub.bst:y.bst"))
    case("link-merged", BASE, "l.bst", "b.bst", l=link("b.bst"), b=STACK)


def _orders() -> None:
    """Graphs in which the order of dependencies is decided by kinds, names, junctions and one another."""
    count = 14
    for seed in range(12):
        chance = random.Random(seed)
        names = [f"{chance.choice('abcxyz')}{index}.bst" for index in range(count)]
        files: Files = {"project.conf": conf("top"), "elements/sub.bst": junction("sub"), "sub/project.conf": conf("s")}
        for index, name in enumerate(names):
            lines = ["kind: manual"]
            for key in ("build-depends", "runtime-depends", "depends"):
                chosen = chance.sample(range(index), min(index, chance.randint(0, 4)))
                below = [names[other] for other in chosen]
                if below and chance.random() < 0.3:
                    below[0] = f"sub.bst:{chance.choice(names)}"
                if below:
                    lines += [f"{key}:", *(f"- {other}" for other in below)]
            files[f"elements/{name}"] = "\n".join([*lines, ""])
            files[f"sub/elements/{name}"] = "kind: manual\n"
        files["elements/a.bst"] = "kind: manual\ndepends:\n" + "".join(
            f"- {name}\n" for name in chance.sample(names, count)
        )
        CASES[f"order-{seed}"] = Case(files)


for _group in (_junctions, _instances, _overrides, _links, _orders):
    _group()
