"""What a plugin's calls give it: the same as under BuildStream, in ordinary and in odd ways of calling.

One element runs every case of the tables below, in its `configure` or its `stage`, under each tool, and writes down
what it got: a value, or the kind of an error with its reason.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .tools import Oracle, Tool, grilse

pytestmark = [pytest.mark.oracle, pytest.mark.timeout(300)]

# By name, the statements of a function `(self, node)` that returns plain data; `node` is the configuration.
CONFIGURE = {
    "default-is-stripped": 'return node.get_str("missing", " d ")',
    "default-of-another-type": 'return [node.get_str("missing", 3), node.get_int("missing", "4")]',
    "empty-text": 'return [node.get_str("none"), node.get_scalar("none").is_none(), node.get_str("none", "x")]',
    "none-as-default": 'return [node.get_int("missing", None), node.get_str_list("missing", None)]',
    "numbers": 'return [node.get_int(key) for key in ("int", "negative", "underscore", "spaces")]',
    "hexadecimal": 'return node.get_int("hexadecimal")',
    "booleans": 'return [node.get_bool(key) for key in ("yes", "no", "one")]',
    "boolean-in-capitals": 'return node.get_bool("capitals")',
    "list-as-text": 'return node.get_str("list")',
    "text-as-list": 'return node.get_str_list("int")',
    "nested-list-of-texts": 'return node.get_str_list("nested")',
    "allowed-types": 'return node.get_node("int", [SequenceNode, MappingNode])',
    "missing-node": 'return [node.get_node("missing", allow_none=True) is None, "missing" in node]',
    "enumeration": 'return [str(node.get_enum("color", Color)), repr(node.get_enum("missing", Color, Color.RED))]',
    "enumeration-without-such-a-member": 'return node.get_enum("int", Color)',
    "unexpected-key": 'node.validate_keys(["int"])',
    "from-nothing": "return Node.from_dict(None).strip_node_info()",
    "from-a-float": 'return Node.from_dict({"a": 1.5})',
    "from-dict": 'return Node.from_dict({"a": [1, True, None, {"b": " c "}]}).strip_node_info()',
    "changed-clone": 'copy = node.clone(); copy["int"] = " x "; return [copy.get_str("int"), node.get_str("int")]',
    "no-dependencies-yet": 'return [[d.name for d in self.dependencies()], self.search("base.bst")]',
    "variables": 'return [self.get_variable(name) for name in ("own", "missing", "element-name")]',
    "file-types": "return [list(FileType.values()), [str(kind) for kind in FileType], FileType(1).name]",
    "overlap-actions": "return [list(OverlapAction.values()), repr(OverlapAction.ERROR)]",
    "error-of-an-error": 'return [str(ElementError(KeyError("x"))), str(UtilError(OSError(2, "y")))]',
    "mirror-errors-are-no-source-errors": "return issubclass(SourceMirrorError, SourceError)",
    "names-from-where-bst-imports-them": (
        "from buildstream.plugin import CoreWarnings as first\n"
        "from buildstream.element import MappingNode as second, SandboxCommandError\n"
        "from buildstream.source import utils as third\n"
        "return [first is CoreWarnings, second is MappingNode, third is utils]"
    ),
    "nothing-to-copy": (
        'os.makedirs(scratch + "/a/empty"); found = []\n'
        'for place in ("missing", "a/empty", "a"):\n'
        '    utils.copy_files(f"{scratch}/{place}", f"{scratch}/to-{os.path.basename(place)}")\n'
        "return sorted(os.listdir(scratch))"
    ),
    "guessed-versions": (
        'texts = ["foo-1.2.3.tar", "1.2 and 3.4.5", "v1", ""]\nreturn [utils.guess_version(text) for text in texts]'
    ),
    "globs": (
        'paths = ["/usr", "/usr/a", "/usr/a/b", "usr/x.txt", "a\\nb", ""]\n'
        'return [list(utils.glob(paths, pattern)) for pattern in ("*", "/usr/**", "**/*.txt", "/usr/?", "usr", "")]'
    ),
    "fatal-warning": 'self.warn("w", warning_token="fatal")',
    "warning-of-the-same-spelling": 'self.warn("w", warning_token="-".join(["ref", "not", "in", "track"]))',
    "core-warning": "self.warn('w', warning_token=CoreWarnings.REF_NOT_IN_TRACK)",
    "command-that-fails": 'return self.call(["false"], fail="it failed")',
    "command-and-its-output": 'return self.check_output(["sh", "-c", "echo out; echo err >&2; exit 2"])',
    "command-that-is-missing": 'return self.call(["no-such-program"])',
}

# The same of `(self, root, fresh, host)`: the sandbox's root, a function that gives a new directory with the files of
# `host`, and the path of these.
STAGE = {
    "order-of-names": "return [list(fresh()), list(fresh().list_relative_paths())]",
    "order-after-changes": (
        'directory = fresh(); write(directory, "b"); directory.rename("b", "c"); write(directory, "a")\n'
        "return list(directory)"
    ),
    "order-of-what-was-written": "return lists(root.open_directory('order', create=True).import_files(host))",
    "last-name-is-a-name": (
        'directory = fresh(); paths = ["", ".", "..", "d/", "d/.", "d/..", "./a", "d/../a", "d//e", "up", "here"]\n'
        "return [[p, directory.exists(p), directory.isdir(p), directory.isdir(p, follow_symlinks=True)] for p in paths]"
    ),
    "absolute-path": 'return fresh().exists("/a")',
    "opening-odd-paths": 'return [sorted(fresh().open_directory(path)) for path in ("", ".", "d/", "d/../d", "d//e")]',
    "rename-onto-a-full-directory": (
        'directory = fresh(); directory.rename("a", "d"); return sorted(directory.list_relative_paths())'
    ),
    "rename-onto-the-parent": (
        'directory = fresh(); directory.rename("d/e", "d"); return sorted(directory.list_relative_paths())'
    ),
    "rename-of-what-is-missing": 'fresh().rename("missing", "nowhere/x")',
    "remove-a-full-directory": 'fresh().remove("d")',
    "executable-while-written": (
        "directory = fresh(); found = []\n"
        "for mode in (0o755, 0o644, 0o100):\n"
        '    with directory.open_file("n", mode="wb") as file: os.fchmod(file.fileno(), mode)\n'
        '    found.append(directory.stat("n").executable)\n'
        "return found"
    ),
    "rewritten-file-loses-its-bit": 'directory = fresh(); write(directory, "x"); return directory.stat("x").executable',
    "exclusive": 'with fresh().open_file("a", mode="x"): pass',
    "odd-mode": 'with fresh().open_file("a", mode="a"): pass',
    "error-while-writing": (
        "directory = fresh()\n"
        "try:\n"
        '    with directory.open_file("n", mode="w") as file: file.write("x"); raise KeyError("x")\n'
        "except KeyError: pass\n"
        'return directory.exists("n")'
    ),
    "file-onto-full-directory": (
        'directory = root.open_directory("t1", create=True); write(directory.open_directory("a", create=True), "k")\n'
        "return lists(directory.import_files(host))"
    ),
    "directory-onto-file": 'directory = root.open_directory("t2", create=True); write(directory, "d")\n'
    "return lists(directory.import_files(host))",
    "filtered-directory": (
        'directory = root.open_directory("t3", create=True)\n'
        'directory.import_files(host, filter_callback=lambda path: path != "d")\n'
        "return sorted(directory.list_relative_paths())"
    ),
    "status": 'return [status(fresh(), path) for path in ("a", "x", "d", "up")]',
    "missing-status": 'fresh().stat("missing")',
    "run-without-commands": 'sandbox = root; return hasattr(sandbox, "run")',
    "notes-on-dependencies": (
        'dependency = self.search("base.bst"); dependency.note = 1\n'
        'return [self.search("base.bst").note, [d.name for d in self.dependencies()]]'
    ),
    "forbidden-of-dependencies": 'return self.search("base.bst").get_unique_key()',
    "manifest": 'return sorted(self.search("base.bst").compute_manifest(include=["docs"], orphans=False))',
    "public-data": 'return self.search("base.bst").get_public_data("some").strip_node_info()',
    "foreign-name": 'return self.search("base.bst").get_artifact_name("k")',
    "messages-of-any-type": 'self.info(OSError("x")) if tool == "grilse" else None',
}

PLUGIN = """
import json, os, tempfile
from buildstream import (
    CoreWarnings, Element, ElementError, FastEnum, FileType, MappingNode, Node, OverlapAction, ScalarNode, SequenceNode,
    SourceError, SourceMirrorError, UtilError, utils,
)
scratch = tempfile.mkdtemp()
tool = os.environ["PLUGIN_API_TOOL"]

class Color(FastEnum):
    RED = "red"

def write(directory, name):
    with directory.open_file(name, mode="w") as file:
        file.write(name)

def lists(result):
    return [result.files_written, result.overwritten, result.ignored]

def status(directory, path):
    found = directory.stat(path)
    return [str(found.file_type), found.executable, found.size, int(found.mtime)]

def answer(name, function, *given):
    try:
        got = ["gives", function(*given)]
    except Exception as error:
        reason = getattr(error, "reason", None)
        kind = type(error).__name__.replace("PluginProxyError", "PluginError")
        got = ["raises", kind] + ([] if kind == "PluginError" and reason is None or reason == "plugin-bug"
                                  else [getattr(reason, "name", reason)])
    with open(os.environ["PLUGIN_API_ANSWERS"], "a") as file:
        file.write(json.dumps([name, got]) + "\\n")

class Calls(Element):
    BST_MIN_VERSION = "2.0"
    BST_RUN_COMMANDS = False

    def configure(self, node):
        for name, function in CONFIGURE.items():
            answer(name, function, self, node)

    def preflight(self):
        pass

    def get_unique_key(self):
        return {}

    def configure_sandbox(self, sandbox):
        pass

    def stage(self, sandbox):
        root = sandbox.get_virtual_directory()
        host = tempfile.mkdtemp()
        made = []
        os.makedirs(host + "/d/e")
        os.makedirs(host + "/hollow")
        for path in ("a", "x", "d/e/f", "d/g", "z"):
            with open(f"{host}/{path}", "w") as file:
                file.write(path)
        os.chmod(host + "/x", 0o755)
        for path, target in (("up", ".."), ("here", "."), ("to-d", "d")):
            os.symlink(target, f"{host}/{path}")

        def fresh():
            made.append(root.open_directory(f"fresh-{len(made)}", create=True))
            made[-1].import_files(host)
            return made[-1]

        for name, function in STAGE.items():
            answer(name, function, self, root, fresh, host)

    def assemble(self, sandbox):
        return "/"

def setup():
    return Calls
"""

FILES = {
    "project.conf": """
        name: test
        min-version: 2.0
        element-path: elements
        fatal-warnings: ["calls:fatal", ref-not-in-track]
        plugins: [{origin: local, path: plugins, elements: [calls]}]
        """,
    "elements/base.bst": """
        kind: import
        sources: [{kind: local, path: files}]
        public:
          some: {k: "%{prefix}"}
          bst: {split-rules: {docs: ["/doc/**"]}}
        """,
    "elements/calls.bst": """
        kind: calls
        build-depends: [base.bst]
        variables: {own: "%{prefix}/own"}
        config:
          int: 5
          negative: -3
          underscore: 1_000
          spaces: " 7 "
          hexadecimal: 0x10
          yes: True
          no: "false"
          one: 1
          capitals: TRUE
          none:
          list: [a, b]
          nested: [[a], b]
          color: red
        """,
    "files/doc/text": "text",
    "files/other": "other",
}


def functions(table: dict[str, str], arguments: str) -> str:
    """Source of a function for each case, and of the table that names them."""
    lines = []
    for number, body in enumerate(table.values()):
        lines += [f"def {arguments.split(',')[-1].strip()}_{number}({arguments}):", textwrap.indent(body, "    "), ""]
    return "\n".join(lines)


def plugin() -> str:
    made = []
    for name, table, arguments in (
        ("CONFIGURE", CONFIGURE, "self, node"),
        ("STAGE", STAGE, "self, root, fresh, host"),
    ):
        prefix = arguments.split(",")[-1].strip()
        made.append(functions(table, arguments))
        entries = ", ".join(f"{case!r}: {prefix}_{number}" for number, case in enumerate(table))
        made.append(f"{name} = {{{entries}}}\n")
    return "\n".join([PLUGIN, *made])


Answers = dict[str, list[Any]]


@pytest.fixture(scope="module")
def answers(oracle: Oracle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Answers, Answers]]:
    """What BuildStream and what grilse gave, by case."""
    project = tmp_path_factory.mktemp("project")
    for name, text in {**FILES, "plugins/calls.py": plugin()}.items():
        place = project / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(textwrap.dedent(text))
    yield (
        answers_of(oracle, "bst", project, tmp_path_factory),
        answers_of(grilse(), "grilse", project, tmp_path_factory),
    )


def answers_of(tool: Tool, name: str, project: Path, factory: pytest.TempPathFactory) -> Answers:
    home = factory.mktemp(name)
    place = home / "answers"
    environment = {**tool.environment, "PLUGIN_API_ANSWERS": str(place), "PLUGIN_API_TOOL": name}
    done, refusal = Tool(tool.command, environment).run(["-C", str(project), "build", "calls.bst"], home)
    assert refusal is None, done.stderr.decode()[-4000:]
    found: Answers = {}
    for line in place.read_text().splitlines():
        case, got = json.loads(line)
        # grilse configures plugins in the backend and again in a worker; both must get the same
        assert found.setdefault(case, got) == got, case
    return found


@pytest.mark.parametrize("case", [*CONFIGURE, *STAGE])
def test_a_call_gives_plugins_what_bst_gives_them(case: str, answers: tuple[Answers, Answers]) -> None:
    theirs, ours = answers
    assert ours[case] == theirs[case]
