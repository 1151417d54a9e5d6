"""Single projects: YAML, names, dependencies, options, conditionals and project.conf."""

from __future__ import annotations

from . import Case

HEAD = "name: test\nmin-version: 2.0\nelement-path: elements\n"
MANUAL = "kind: manual\n"
OPTIONS = """options:
  debug: {type: bool, description: d, default: false}
  flavor: {type: enum, description: d, values: [a, b], default: a, variable: fl}
  fl: {type: flags, description: d, values: [x, y], default: [y]}
  arch: {type: arch, description: d, values: [x86_64, aarch64], variable: a}
  os: {type: os, description: d, values: [Linux]}
  mask: {type: element-mask, description: d, default: [a.bst]}
"""

CASES: dict[str, Case] = {}


def element(name: str, text: str, conf: str = "", *options: str, plugins: bool = False) -> None:
    """A project of one element, and what its project.conf has besides the head."""
    files: dict[str, str | bytes | tuple[str]] = {"project.conf": HEAD + conf, "elements/a.bst": text}
    CASES[name] = Case(files, options=options, plugins=plugins)


def project(name: str, conf: str, *, plugins: bool = False) -> None:
    """A project whose whole project.conf is given."""
    CASES[name] = Case({"project.conf": conf, "elements/a.bst": MANUAL}, plugins=plugins)


def _expressions() -> None:
    for name, expression in {
        "bare": "debug",
        "not": "not debug",
        "is-true": "debug == True",
        "is-lower-true": "debug == true",
        "is-text-true": "debug == 'True'",
        "equal": "flavor == 'a'",
        "in-list": "flavor in ['a','c']",
        "not-in-tuple": "flavor not in ('b',)",
        "in-flags": "'x' in fl",
        "and-not": "'y' in fl and not debug",
        "parentheses": "(flavor == 'a' or debug) and arch == 'x86_64'",
        "undefined": "nope",
        "undefined-compared": "nope == 'a'",
        "undefined-not-reached": "debug and nope",
        "undefined-not-needed": "not debug or nope",
        "unfinished": "debug ==",
        "assignment": "flavor = 'a'",
        "adjacent-strings": "flavor == 'a' 'b'",
        "in-mask": "'a.bst' in mask",
        "numbers": "1 < 2",
        "system": "os == 'Linux'",
        "order-of-kinds": "1 < 'a'",
        "in-bool": "'x' in debug",
        "empty-string": "''",
        "none": "none",
        "double-quotes": 'flavor == "a"',
        "twice-not": "not not debug",
        "chained": "flavor != 'b' != 'c'",
        "other-name": "flavor == a",
        "constant": "True",
        "lower-constant": "false",
        "attribute": "a.b",
        "lists": "[1,2] == [1,2]",
        "many-parentheses": "(((debug)))",
        "unbalanced": "debug ) or (",
    }.items():
        quoted = expression.replace("'", "''")
        element(f"expression-{name}", f"{MANUAL}(?):\n- '{quoted}':\n    description: yes\n", OPTIONS)


def _conditionals() -> None:
    def conditional(name: str, text: str) -> None:
        element(f"conditional-{name}", MANUAL + text, OPTIONS)

    conditional("assertion", "(?):\n- debug == False:\n    (!): no way\n")
    conditional("assertion-not-met", "(?):\n- debug:\n    (!): no way\n")
    conditional("assertion-without-condition", "variables:\n  (!): boo\n")
    conditional("dict", "(?):\n  debug: {}\n")
    conditional("two-keys", "(?):\n- debug: {}\n  flavor == 'a': {}\n")
    conditional("of-a-list", "(?):\n- debug: []\n")
    conditional("scalar", "(?):\n- debug\n")
    conditional("nested", "variables:\n  (?):\n  - flavor == 'a':\n      (?):\n      - not debug:\n          x: y\n")
    conditional("in-lists", "config:\n  x:\n  - - (?):\n      - nope:\n          y: z\n")
    element("conditional-name", MANUAL, OPTIONS + "(?):\n- debug:\n    name: foo\n")
    element("conditional-options", MANUAL, OPTIONS + "(?):\n- debug:\n    options: {}\n")


def _options() -> None:
    given = f"{MANUAL}(?):\n- arch == 'aarch64' or 'x' in fl:\n    description: x\n"
    for name, option, value in [
        ("unknown", "foo", "bar"),
        ("bad-enum", "flavor", "c"),
        ("bad-bool", "debug", "1"),
        ("bad-flag", "fl", "x,z"),
        ("good-flags", "fl", "x, y"),
        ("other-arch", "arch", "aarch64"),
    ]:
        element(f"option-given-{name}", given, OPTIONS, "-o", option, value)
    for name, declaration in {
        "not-this-arch": "b: {type: arch, description: d, values: [aarch64]}",
        "unknown-arch": "b: {type: arch, description: d, values: [x86_64, pony]}",
        "arch-default": "b: {type: arch, description: d, values: [x86_64], default: x86_64}",
        "not-this-system": "b: {type: os, description: d, values: [AIX]}",
        "no-description": "b: {type: bool, default: false}",
        "bad-type": "b: {type: pony, description: d, default: false}",
        "bad-name": "b-c: {type: bool, description: d, default: false}",
        "bad-variable": "b: {type: bool, description: d, default: false, variable: 1a}",
        "no-values": "b: {type: enum, description: d, default: a}",
        "bad-default": "b: {type: enum, description: d, values: [b], default: a}",
        "unknown-key": "b: {type: enum, description: d, values: [b], default: b, foo: a}",
        "bad-flags-default": "b: {type: flags, description: d, values: [b], default: [c]}",
        "bad-bool-default": "b: {type: bool, description: d, default: maybe}",
        "mask-of-nothing-known": "b: {type: element-mask, description: d, default: [z.bst]}",
    }.items():
        element(f"option-{name}", MANUAL, f"options:\n  {declaration}\n")


def _yaml() -> None:
    for name, text in {
        "duplicate-key": "kind: manual\nkind: foo\n",
        "anchor": "kind: &a manual\n",
        "alias": "kind: *a\n",
        "list": "- kind\n",
        "scalar": "kind\n",
        "tag": "kind: !foo manual\n",
        "core-tag": "kind: !!str manual\n",
        "two-documents": "kind: manual\n---\na: b\n",
        "complex-key": "? [a]\n: b\n",
        "unfinished": "kind: [",
        "bad-indentation": "kind: manual\ndescription: |\n  a\n b\n",
        "empty": "",
        "comment": "# x\n",
        "control-character": "kind: manual\ndescription: \x01\n",
        "flow": "{kind: manual}\n",
        "carriage-returns": "kind: manual\r\ndescription: a\r\n",
        "tilde": "kind: manual\ndescription: ~\n",
        "empty-value": "kind: manual\ndescription:\n",
        "list-for-scalar": "kind: manual\ndescription: [a]\n",
        "dict-for-kind": "kind: {}\n",
        "colon-in-flow": "kind: manual\nvariables: {a:b}\n",
        "colon-in-flow-list": "kind: manual\nenvironment-nocache: [a:b]\n",
        "url-in-flow": "kind: manual\nenvironment-nocache: [http://x]\n",
        "question-mark-in-flow": "kind: manual\nenvironment-nocache: [a?b]\n",
        "unknown-version": "%YAML 3.0\n---\nkind: manual\n",
    }.items():
        element(f"yaml-{name}", text)
    CASES["yaml-byte-order-mark"] = Case({"project.conf": HEAD, "elements/a.bst": b"\xef\xbb\xbfkind: manual\n"})
    element("yaml-unknown-kind", "kind: pony\n", plugins=True)
    element("yaml-empty-kind", "kind:\n", plugins=True)


def _names() -> None:
    for name, target in {
        "bad-suffix": "a.foo",
        "missing": "b.bst",
        "with-element-path": "elements/a.bst",
        "absolute": "/a.bst",
        "detour": "x/../a.bst",
    }.items():
        CASES[f"name-{name}"] = Case({"project.conf": HEAD, "elements/a.bst": MANUAL}, (target,))
    for name in ("a|b.bst", "é.bst"):
        CASES[f"name-characters-{ord(name[0])}"] = Case({"project.conf": HEAD, f"elements/{name}": MANUAL}, (name,))
    CASES["name-directory"] = Case({"project.conf": HEAD, "elements/a.bst/x": "y"})


def _dependencies() -> None:
    for name, text in {
        "bad-characters": "depends: ['x|y.bst']",
        "bad-suffix": "depends: ['x.foo']",
        "missing": "depends: ['x.bst']",
        "scalar": "depends: x.bst",
        "list-in-list": "depends: [[x.bst]]",
        "on-itself": "depends: [a.bst]",
        "bad-type": "depends: [{filename: x.bst, type: pony}]",
        "type-said-twice": "build-depends: [{filename: x.bst, type: build}]",
        "unknown-key": "build-depends: [{filename: x.bst, foo: build}]",
        "no-filename": "build-depends: [{strict: true}]",
        "not-strict": "build-depends: [{filename: x.bst, strict: false}]",
        "strict-runtime": "runtime-depends: [{filename: x.bst, strict: true}]",
        "config-runtime": "runtime-depends: [{filename: x.bst, config: {}}]",
        "colon-beside-junction": "depends: [{filename: 'j.bst:x.bst', junction: k.bst}]",
        "bad-filename": "depends: [{filename: [[x.bst]]}]",
        "misspelt": "depend: [x.bst]",
    }.items():
        element(f"dependency-{name}", f"{MANUAL}{text}\n")
    circle = {f"elements/{a}.bst": f"kind: stack\ndepends: [{b}.bst]\n" for a, b in ("ab", "bc", "cb")}
    CASES["dependency-circle"] = Case({"project.conf": HEAD, **circle})
    merged = "kind: manual\nbuild-depends: [b.bst]\nruntime-depends: [b.bst, {filename: [c.bst, b.bst]}]\n"
    others = {f"elements/{name}.bst": MANUAL for name in "bc"}
    CASES["dependency-merged"] = Case({"project.conf": HEAD, "elements/a.bst": merged, **others})


def _project_conf() -> None:
    for name, conf in {
        "no-name": "min-version: 2.0\n",
        "no-min-version": "name: test\n",
        "name-with-digit": "name: 1test\nmin-version: 2.0\n",
        "name-with-space": "name: te st\nmin-version: 2.0\n",
        "newer": "name: test\nmin-version: 2.9\n",
        "older": "name: test\nmin-version: 1.4\n",
        "next-major": "name: test\nmin-version: 3.0\n",
        "bad-version": "name: test\nmin-version: foo\n",
        "short-version": "name: test\nmin-version: 2\n",
        "list-version": "name: test\nmin-version: [2]\n",
        "missing-element-path": "name: test\nmin-version: 2.0\nelement-path: x\n",
        "element-path-is-file": "name: test\nmin-version: 2.0\nelement-path: elements/a.bst\n",
        "element-path-outside": "name: test\nmin-version: 2.0\nelement-path: ../x\n",
        "element-path-absolute": "name: test\nmin-version: 2.0\nelement-path: /etc\n",
        "empty": "",
    }.items():
        project(f"conf-{name}", conf)
    linked: dict[str, str | bytes | tuple[str]] = {"real/a.bst": MANUAL, "elements": ("real",)}
    CASES["conf-element-path-is-link"] = Case({"project.conf": HEAD, **linked})
    for name, text in {
        "unknown-key": "foo: bar",
        "ref-storage": "ref-storage: pony",
        "fatal-warnings": "fatal-warnings: pony",
        "junctions": "junctions: {foo: bar}",
        "defaults": "defaults: {foo: bar}",
        "shell": "shell: {foo: bar}",
        "shell-command": "shell: {command: foo}",
        "host-file": "shell: {host-files: [{path: a, foo: b}]}",
        "variables": "variables: [a]",
        "environment": "environment: [a]",
        "nocache": "environment-nocache: {}",
        "split-rules": "split-rules: []",
        "artifacts": "artifacts: {url: a}",
        "artifacts-no-url": "artifacts: [{url: ''}]",
        "artifacts-unknown-key": "artifacts: [{url: a, foo: b}]",
        "artifacts-type": "artifacts: [{url: a, type: foo}]",
        "artifacts-key-alone": "artifacts: [{url: a, auth: {client-key: a}}]",
        "artifacts-scalar": "artifacts: [foo]",
        "aliases": "aliases: []",
        "alias-undefined-variable": "aliases: {a: '%{nope}'}",
        "mirrors": "mirrors: {}",
        "mirror": "mirrors: [{name: a, aliases: {a: [b]}}]",
        "plugins": "plugins: {}",
        "include-missing": "(@): nope.yml",
        "directive-on-dict": "variables: {(>): [a]}",
        "directive-left": "environment: {a: {(>): [b]}}",
        "sources": "sources: []",
        "elements": "elements: []",
        "sandbox": "sandbox: []",
        "provenance": "source-provenance-attributes: []",
        "fail-on-overlap": "fail-on-overlap: true",
        "fail-on-overlap-bad": "fail-on-overlap: foo",
    }.items():
        element(f"conf-{name}", MANUAL, f"{text}\n")
    for name, text in {
        "project-name": "variables: {project-name: x}",
        "max-jobs": "variables: {max-jobs: 2}",
        "undefined": "variables: {a: '%{b}'}",
        "circle": "variables: {a: '%{b}', b: '%{a}'}",
        "override": "elements: {manual: {variables: []}}",
    }.items():
        element(f"conf-variables-{name}", MANUAL, f"{text}\n", plugins=True)


for _group in (_expressions, _conditionals, _options, _yaml, _names, _dependencies, _project_conf):
    _group()
