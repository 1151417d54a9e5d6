"""What is only seen when plugins are there: variables, environment, sandbox, public data, sources, kinds."""

from __future__ import annotations

from . import Case
from .basics import HEAD, MANUAL

CASES: dict[str, Case] = {}
FILES: dict[str, str | bytes | tuple[str]] = {"files/f": "content\n", "patch.diff": "--- a/f\n+++ b/f\n"}


def element(name: str, text: str, conf: str = "", **files: str) -> None:
    """A project with one element that counts, a.bst, and a stack b.bst beside it."""
    more = {key.replace("__", "/").replace("_", "."): content for key, content in files.items()}
    project: dict[str, str | bytes | tuple[str]] = {**FILES, "project.conf": HEAD + conf, "elements/a.bst": text}
    project |= {"elements/b.bst": "kind: stack\n", **more}
    CASES[f"resolve-{name}"] = Case(project, plugins=True)


def _variables() -> None:
    for name, text in {
        "undefined": "variables: {a: '%{nope}'}",
        "circle": "variables: {a: '%{b}', b: 'x%{a}'}",
        "itself": "variables: {a: '%{a}'}",
        "protected-name": "variables: {element-name: x}",
        "protected-project": "variables: {project-name: x}",
        "protected-jobs": "variables: {max-jobs: 3}",
        "list": "variables: {a: [b]}",
        "dict": "variables: {a: {b: c}}",
        "over-default": "variables: {prefix: [b]}",
        "not-a-dict": "variables: [a]",
        "directive": "variables: {a: {(>): [b]}}",
        "directive-beside": "variables: {a: {(>): [b], c: d}}",
        "directive-over-default": "variables: {prefix: {(>): [b]}}",
        "notparallel": "variables: {notparallel: true, jobs: '%{max-jobs}'}",
        "notparallel-false": "variables: {notparallel: False, jobs: '%{max-jobs}'}",
        "notparallel-bad": "variables: {notparallel: maybe}",
        "notparallel-variable": "variables: {notparallel: '%{x}', x: true}",
        "odd-references": "variables: {a: '%{} %{1} %{a b} %%{prefix} %{prefix', d-e: '%{prefix}', c: '%{d-e}'}",
        "empty": "variables: {a: '', b: '[%{a}]', c:, d: ~}",
        "white-space": "variables: {a: '  x  ', b: '[%{a}]'}",
        "all-defaults": "variables: {prefix: /opt, exec_prefix: '%{prefix}/e', lib: lib64}",
    }.items():
        element(f"variables-{name}", f"{MANUAL}{text}\n")
    element("variables-conf-undefined", MANUAL, "variables: {a: '%{nope}'}\n")
    element("variables-conf-completed", f"{MANUAL}variables: {{nope: x}}\n", "variables: {a: '%{nope}'}\n")
    element("variables-conf-circle", MANUAL, "variables: {a: '%{b}', b: '%{a}'}\n")
    element("variables-conf-protected", MANUAL, "variables: {element-name: x}\n")
    element("variables-kind", MANUAL, "elements: {manual: {variables: {prefix: /kind, mine: '%{prefix}/m'}}}\n")
    element("variables-kind-protected", MANUAL, "elements: {manual: {variables: {max-jobs: 3}}}\n")
    element("variables-kind-list", MANUAL, "elements: {manual: {variables: {prefix: [a]}}}\n")


def _sections() -> None:
    for name, text in {
        "environment": "environment: {A: '%{prefix}', PATH: /x}",
        "environment-undefined": "environment: {A: '%{nope}'}",
        "environment-list": "environment: {A: [b]}",
        "environment-over": "environment: {PATH: [b]}",
        "environment-not-a-dict": "environment: [a]",
        "environment-directive": "environment: {A: {(>): [b]}}",
        "nocache": "environment-nocache: [PATH]",
        "nocache-dict": "environment-nocache: {a: b}",
        "nocache-list": "environment-nocache: [[a]]",
        "public": "public: {bst: {split-rules: {extra: ['%{prefix}/x']}}, own: {a: [b, {c: '%{bindir}'}]}}",
        "public-undefined": "public: {own: '%{nope}'}",
        "public-list": "public: [a]",
        "public-split-rules": "public: {bst: {split-rules: {runtime: {(>): [/x], (<): [/y]}}}}",
        "public-split-rules-scalar": "public: {bst: {split-rules: {runtime: /x}}}",
        "public-split-rules-list": "public: {bst: {split-rules: [a]}}",
        "public-bst-scalar": "public: {bst: x}",
        "public-directive": "public: {own: {a: {(>): [b]}}}",
        "config-unknown-key": "config: {nope: x}",
        "config-undefined": "config: {build-commands: ['%{nope}']}",
        "config-scalar": "config: {build-commands: x}",
        "config-list": "config: [a]",
        "config-directives": "config: {build-commands: {(>): [x], (<): [y]}, install-commands: {(=): [z]}}",
        "config-directive-beside": "config: {build-commands: {(>): [x], other: y}}",
        "sandbox": "sandbox: {build-uid: 5, build-gid: 6}",
        "sandbox-unknown-key": "sandbox: {nope: x}",
        "sandbox-bad-uid": "sandbox: {build-uid: me}",
        "sandbox-arch": "sandbox: {build-arch: aarch64}",
        "sandbox-bad-arch": "sandbox: {build-arch: pony}",
        "sandbox-os": "sandbox: {build-os: linux}",
        "sandbox-list": "sandbox: [a]",
        "description": "description: |\n  one\n  two '%{prefix}'",
    }.items():
        element(f"section-{name}", f"{MANUAL}{text}\n")
    element("section-conf-sandbox", MANUAL, "sandbox: {build-uid: '%{uid}'}\nvariables: {uid: 7}\n")
    element(
        "section-conf-nocache", MANUAL, "environment-nocache: [TERM]\nenvironment: {TERM: x, A: '%{element-name}'}\n"
    )
    element("section-conf-split-rules", MANUAL, "split-rules: {mine: [/m], runtime: [/r]}\n")
    element("section-kind-config", MANUAL, "elements: {manual: {config: {build-commands: {(>): [x]}}}}\n")
    element("section-kind-unknown", MANUAL, "elements: {manual: {nope: x}}\n")
    element("section-kind-config-unknown", MANUAL, "elements: {manual: {config: {nope: x}}}\n")


def _sources() -> None:
    def source(name: str, text: str, conf: str = "") -> None:
        element(f"source-{name}", f"kind: import\nsources:\n- {text}\n", conf)

    source("local", "{kind: local, path: files}")
    source("local-directory", "{kind: local, path: files, directory: deep/er}")
    source("local-absolute-directory", "{kind: local, path: files, directory: /deep}")
    source("local-file", "{kind: local, path: files/f}")
    source("local-missing", "{kind: local, path: nope}")
    source("local-outside", "{kind: local, path: ../x}")
    source("local-absolute", "{kind: local, path: /etc/passwd}")
    source("local-no-path", "{kind: local}")
    source("local-unknown-key", "{kind: local, path: files, nope: x}")
    source("local-path-list", "{kind: local, path: [files]}")
    source("local-variable", "{kind: local, path: '%{where}'}", "variables: {where: files}\n")
    source("local-undefined", "{kind: local, path: '%{nope}'}")
    source("no-kind", "{path: files}")
    source("unknown-kind", "{kind: pony, path: files}")
    source("workspace", "{kind: workspace, path: files}")
    source("scalar", "files")
    source("provenance", "{kind: local, path: files, provenance: {homepage: x}}")
    source("provenance-unknown", "{kind: local, path: files, provenance: {pony: x}}")
    source("provenance-list", "{kind: local, path: files, provenance: {homepage: [x]}}")
    own = "source-provenance-attributes: {pony: A pony}\n"
    source("provenance-own", "{kind: local, path: files, provenance: {pony: x}}", own)
    source("provenance-default-gone", "{kind: local, path: files, provenance: {homepage: x}}", own)
    source("tar-no-ref", "{kind: tar, url: 'https://x/y.tar'}")
    source("tar-ref", "{kind: tar, url: 'https://x/y.tar', ref: abc}")
    source("tar-alias", "{kind: tar, url: 'al:y.tar', ref: abc}", "aliases: {al: 'https://x/'}\n")
    source("tar-unaliased", "{kind: tar, url: 'https://x/y.tar', ref: abc}", "fatal-warnings: [unaliased-url]\n")
    source("tar-no-url", "{kind: tar, ref: abc}")
    source("remote-filename", "{kind: remote, url: 'https://x/y', ref: abc, filename: a/b}")
    source("remote", "{kind: remote, url: 'https://x/y', ref: abc, filename: b}")
    source(
        "kind-override", "{kind: tar, url: 'https://x/y.tar', ref: abc}", "sources: {tar: {config: {base-dir: x}}}\n"
    )
    element("source-dict", "kind: import\nsources: {kind: local}\n")
    element("source-ref-storage", "kind: import\nsources: [{kind: tar, url: 'x:y'}]\n", "ref-storage: project.refs\n")
    refs = "projects:\n  test:\n    a.bst:\n    - ref: abc\n"
    tar = "kind: import\nsources: [{kind: tar, url: 'https://x/y.tar'}]\n"
    element("source-project-refs", tar, "ref-storage: project.refs\n", project_refs=refs)
    element("source-project-refs-bad", tar, "ref-storage: project.refs\n", project_refs="projects: [a]\n")
    element("source-project-refs-unknown", tar, "ref-storage: project.refs\n", project_refs="nope: a\n")


def _kinds() -> None:
    for name, text in {
        "import-no-sources": "kind: import",
        "import-dependencies": "kind: import\ndepends: [b.bst]\nsources: [{kind: local, path: files}]",
        "import-target": "kind: import\nsources: [{kind: local, path: files}]\nconfig: {target: '%{prefix}/x'}",
        "stack-config": "kind: stack\nconfig: {a: b}",
        "stack-sources": "kind: stack\nsources: [{kind: local, path: files}]",
        "stack-build-only": "kind: stack\nbuild-depends: [b.bst]",
        "stack-run-only": "kind: stack\nruntime-depends: [b.bst]",
        "stack-both": "kind: stack\nbuild-depends: [b.bst]\nruntime-depends: [b.bst]",
        "compose-no-dependencies": "kind: compose",
        "compose": "kind: compose\nbuild-depends: [b.bst]\nconfig: {include: [runtime], integrate: false}",
        "compose-sources": "kind: compose\nbuild-depends: [b.bst]\nsources: [{kind: local, path: files}]",
        "compose-runtime": "kind: compose\nbuild-depends: [b.bst]\nruntime-depends: [b.bst]",
        "compose-bad": "kind: compose\nbuild-depends: [b.bst]\nconfig: {include: runtime}",
        "filter": "kind: filter\nbuild-depends: [b.bst]\nconfig: {include: [runtime]}",
        "filter-runtime-only": "kind: filter\nruntime-depends: [b.bst]",
        "filter-sources": "kind: filter\nbuild-depends: [b.bst]\nsources: [{kind: local, path: files}]",
        "script": "kind: script\nbuild-depends: [b.bst]\nconfig: {commands: [x]}",
        "script-location": "kind: script\nbuild-depends:\n- filename: b.bst\n  config: {location: /x}",
        "script-bad-location": "kind: script\nbuild-depends:\n- filename: b.bst\n  config: {nope: /x}",
        "manual-location": "kind: manual\nbuild-depends:\n- filename: b.bst\n  config: {location: /x}",
        "stack-location": "kind: stack\ndepends:\n- filename: b.bst\n  config: {location: /x}",
        "manual-strict": "kind: manual\nbuild-depends:\n- filename: b.bst\n  strict: true",
        "junction-target": "kind: junction",
        "unknown": "kind: pony",
    }.items():
        element(f"kind-{name}", f"{text}\n")


def _junctions() -> None:
    for name, text in {"key": "{kind: local, path: sub, nope: x}", "kind": "{kind: nope}"}.items():
        element(
            f"junction-source-unknown-{name}",
            "kind: stack\ndepends: ['j.bst:x.bst']\n",
            elements__j_bst=f"kind: junction\nsources: [{text}]\n",
            sub__project_conf="name: sub\nmin-version: 2.0\n",
            sub__x_bst="kind: stack\n",
        )


for _group in (_variables, _sections, _sources, _kinds, _junctions):
    _group()
