"""Loaded elements carry what was composed for them, in BuildStream's order, whatever the size of the project."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grilse.plugin.exceptions import PluginError
from grilse.project.api import LoadSession, find_project
from grilse.project.files import YamlFiles
from grilse.project.load_element import LoadElement
from grilse.project.selection import leave_out, select
from grilse.project.targets import classify_targets
from grilse.protocol.errors import LoadError, StreamError

Open = Callable[..., LoadSession]
Write = Callable[..., Path]

HEAD = "name: test\nmin-version: 2.0\n"


def names(elements: list[LoadElement]) -> list[str]:
    return [element.full_name.removesuffix(".bst") for element in elements]


def graph(write: Write, open_project: Open, *, targets: str, **edges: str) -> dict[str, LoadElement]:
    """Elements by name; an edge is a name, with `<` after it if it is for building only, `>` if for running only."""
    files = {"project.conf": HEAD}
    for name, below in edges.items():
        lines = ["kind: manual"]
        for key, mark in (("build-depends", "<"), ("runtime-depends", ">"), ("depends", "")):
            chosen = [edge.strip("<>") for edge in below.split() if edge[1:] == mark]
            lines += [f"{key}: [{', '.join(f'{edge}.bst' for edge in chosen)}]"] if chosen else []
        files[f"{name}.bst"] = "\n".join([*lines, ""])
    session = open_project(write(files))
    loaded = session.load([f"{name}.bst" for name in edges])
    return dict(zip(edges, loaded, strict=True))


@pytest.mark.timeout(180)  # writing 6,000 files takes long on a busy machine
def test_a_chain_of_any_length_loads(write: Write, open_project: Open) -> None:
    count = 6000
    files = {f"e{i}.bst": f"kind: stack\ndepends: [e{i + 1}.bst]\n" for i in range(count)}
    session = open_project(write({"project.conf": HEAD, **files, f"e{count}.bst": "kind: stack\n"}))
    [top] = session.load(["e0.bst"])
    for deps in ("all", "run", "plan"):
        assert len(select([top], deps)) == count + 1


def test_a_circle_is_named_in_order(write: Write, open_project: Open) -> None:
    with pytest.raises(LoadError, match=r"Dependency chain: b\.bst -> c\.bst -> b\.bst") as caught:
        graph(write, open_project, targets="a", a="b", b="c", c="b")
    assert caught.value.reason == "CIRCULAR_DEPENDENCY"


def test_targets_are_loaded_once_and_numbered_with_dependencies_first(write: Write, open_project: Open) -> None:
    found = graph(write, open_project, targets="a b", a="b c", b="c", c="")
    assert [found[name].number for name in "cba"] == [0, 1, 2]
    assert found["a"].closure == 0b011
    assert found["a"].dependencies[0].element is found["c"]


def test_dependencies_are_sorted_by_one_another_kind_and_name(write: Write, open_project: Open) -> None:
    found = graph(write, open_project, targets="a", a="z< y> x< w", w="z", x="", y="", z="")
    assert [dependency.name for dependency in found["a"].dependencies] == ["x.bst", "z.bst", "w.bst", "y.bst"]


def test_selections_follow_kinds_of_dependencies(write: Write, open_project: Open) -> None:
    found = graph(write, open_project, targets="a", a="b< c>", b="d> e<", c="f", d="", e="", f="")
    top = [found["a"]]
    assert names(select(top, "none")) == ["a"]
    assert names(select(top, "run")) == ["f", "c", "a"]
    assert names(select(top, "build")) == ["d", "b"]
    assert names(select(top, "all")) == ["e", "d", "b", "f", "c", "a"]


def test_a_plan_puts_the_longest_chain_of_builds_first(write: Write, open_project: Open) -> None:
    found = graph(write, open_project, targets="a", a="b< c<", b="", c="d<", d="e<", e="")
    assert names(select([found["a"]], "plan")) == ["e", "d", "b", "c", "a"]


def test_excepted_elements_take_what_only_they_lead_to(write: Write, open_project: Open) -> None:
    found = graph(write, open_project, targets="t u x", t="a b", a="c", b="d", c="e", d="", e="", u="e", x="c")
    targets = [found["t"], found["u"]]
    everything = select(targets, "all")
    assert names(leave_out(everything, targets, [])) == names(everything)
    assert names(leave_out(everything, targets, [found["x"]])) == ["e", "a", "d", "b", "t", "u"]
    assert names(leave_out(everything, targets, [found["a"], found["t"]])) == ["e", "u"]


def test_a_missing_element_gets_a_near_name(write: Write, open_project: Open) -> None:
    session = open_project(write({"project.conf": HEAD, "sub/library.bst": "kind: manual\n"}))
    with pytest.raises(LoadError) as caught:
        session.load(["sub/libary.bst"])
    assert caught.value.detail == "Did you mean 'sub/library.bst'?"
    with pytest.raises(LoadError) as caught:
        session.load(["library.bst"])
    assert caught.value.detail == "Did you mean 'sub/library.bst'?"
    # That both are elements makes no two names alike.
    with pytest.raises(LoadError) as caught:
        session.load(["sub/a.bst"])
    assert caught.value.detail is None


def test_the_end_that_a_name_lacks_is_told(write: Write, open_project: Open) -> None:
    project = open_project(write({"project.conf": HEAD, "app.bst": "kind: manual\n"})).project
    with pytest.raises(StreamError) as caught:
        classify_targets(["app"], project)
    assert caught.value.detail == "Did you mean 'app.bst'?"


def test_a_directory_that_is_not_there_is_told_apart_from_one_without_project(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="There is no directory"):
        find_project(str(tmp_path / "nowhere"), YamlFiles(None))
    with pytest.raises(LoadError, match=r"Neither project\.conf"):
        find_project("/", YamlFiles(None))


def test_conditionals_and_includes_compose_into_the_declaration(write: Write, open_project: Open) -> None:
    option = "options:\n  debug: {type: bool, description: d, default: true, variable: dbg}\n"
    element = (
        "kind: manual\n(@): inc.yml\nvariables:\n  a: own\n  (?):\n  - debug:\n      c: debug\n"
        "environment-nocache:\n  (>): [last]\n"
    )
    include = "variables:\n  a: inc\n  b: inc\n  (?):\n  - not debug:\n      d: x\nenvironment-nocache: [first]\n"
    files = {"project.conf": HEAD + option, "a.bst": element, "inc.yml": include}
    session = open_project(write(files))
    [loaded] = session.load(["a.bst"])
    assert loaded.node.get_mapping("variables").strip_node_info() == {"a": "own", "c": "debug", "b": "inc"}
    assert loaded.node.get_str_list("environment-nocache") == ["first", "last"]
    assert str(loaded.node.get_mapping("variables").get_node("b").get_provenance()) == "inc.yml [line 3 column 5]"
    assert session.project.base_variables.get_str("dbg") == "1"


def test_an_include_used_by_many_elements_is_composed_once(write: Write, open_project: Open) -> None:
    elements = {f"{name}.bst": "kind: manual\n(@): inc.yml\n" for name in "ab"}
    session = open_project(write({"project.conf": HEAD, "inc.yml": "variables: {a: b}\n", **elements}))
    first, second = session.load(["a.bst", "b.bst"])
    assert first.node.get_mapping("variables") is second.node.get_mapping("variables")


def test_nodes_shared_by_elements_do_not_change_each_other(write: Write, open_project: Open) -> None:
    directives = {f"{name}.bst": f"kind: manual\n(@): inc.yml\nconfig: {{x: {{(>): [{name}]}}}}\n" for name in "ab"}
    session = open_project(write({"project.conf": HEAD, "inc.yml": "config: {x: [0]}\n", **directives}))
    loaded = session.load(["a.bst", "b.bst"])
    assert [element.node.get_mapping("config").get_str_list("x") for element in loaded] == [["0", "a"], ["0", "b"]]


def test_user_configuration_overrides_a_project(write: Write, open_project: Open) -> None:
    conf = HEAD + "options:\n  debug: {type: bool, description: d, default: false}\nmirrors: [{name: m, aliases: {}}]\n"
    config = "projects:\n  test:\n    options: {debug: true}\n    strict: false\n    mirrors: []\n"
    session = open_project(write({"project.conf": conf}), config=config)
    assert session.project.options.value("debug") is True
    assert not session.config.is_strict("test")
    assert session.project.config.mirrors == ()
    assert session.project.mirrors_overridden


def test_options_of_the_command_line_come_last(write: Write, open_project: Open) -> None:
    conf = HEAD + "options:\n  f: {type: flags, description: d, values: [a, b, c], variable: v}\n"
    config = "projects:\n  test:\n    options: {f: [c, a]}\n"
    directory = write({"project.conf": conf})
    session = open_project(directory, config=config)
    assert session.project.options.value("f") == ["a", "c"]
    session = open_project(directory, config=config, options=(("f", "b , a"),))
    assert session.project.base_variables.get_str("v") == "a,b"
    assert session.project.options.printable() == {"f": "a,b"}


def test_aliases_know_the_directories_of_projects(write: Write, open_project: Open) -> None:
    conf = "aliases: {here: '%{project-root-uri}/', top: '%{toplevel-root}/', v: '%{prefix}'}\n"
    files = {
        "project.conf": HEAD,
        "j.bst": "kind: junction\nsources: [{kind: local, path: sub dir}]\n",
        "sub dir/project.conf": f"name: sub\nmin-version: 2.0\n{conf}",
        "sub dir/a.bst": "kind: manual\n",
    }
    directory = write(files)
    session = open_project(directory)
    [element] = session.load(["j.bst:a.bst"])
    aliases = element.project.config.aliases.strip_node_info()
    assert aliases == {"here": f"file://{directory}/sub%20dir/", "top": f"{directory}/", "v": "/usr"}


def test_refs_are_found_by_project_element_and_place(write: Write, open_project: Open) -> None:
    files = {
        "project.conf": HEAD + "ref-storage: project.refs\n",
        "project.refs": "projects:\n  test:\n    a.bst:\n    - ref: one\n    - {}\n",
    }
    project = open_project(write(files)).project
    project.ensure_fully_loaded()
    assert project.refs is not None
    assert project.junction_refs is not None
    found = project.refs.lookup("test", "a.bst", 0)
    assert found is not None
    assert found.get_str("ref") == "one"
    assert project.refs.lookup("test", "a.bst", 2) is None
    assert project.refs.lookup("test", "b.bst", 0) is None
    assert project.junction_refs.lookup("other", "b.bst", 0) is None


def test_a_workspace_leads_to_its_project(write: Write, open_project: Open, tmp_path: Path) -> None:
    directory = write(
        {
            "project.conf": HEAD,
            ".bst2/workspaces.yml": "format-version: 4\nworkspaces:\n  a.bst:\n    path: w\n    last_build: key\n",
        }
    )
    inside = write(
        {
            ".bstproject.yaml": f"format-version: 1\nprojects:\n- project-path: {directory}\n  element-name: a.bst\n",
            "deep/x": "",
        },
        "workspace",
    )
    session = open_project(inside / "deep")
    assert session.project.directory == str(directory)
    assert session.workspace_element == "a.bst"
    assert session.context.workspaces.directory("a.bst") == str(directory / "w")
    assert session.context.workspaces.get("b.bst") is None


@pytest.mark.parametrize("text", ["format-version: 3\n", "format-version: 5\n", "{}\n", "format-version: x\n"])
def test_workspaces_of_other_formats_are_refused(text: str, write: Write, open_project: Open) -> None:
    with pytest.raises(LoadError) as caught:
        open_project(write({"project.conf": HEAD, ".bst2/workspaces.yml": text}))
    assert caught.value.reason == "INVALID_DATA"


def test_without_a_project_the_reason_says_so(open_project: Open, tmp_path: Path) -> None:
    with pytest.raises(LoadError) as caught:
        open_project(tmp_path)
    assert caught.value.reason == "MISSING_PROJECT_CONF"


def test_a_second_session_reads_little_yaml(write: Write, open_project: Open) -> None:
    directory = write({"project.conf": HEAD, "a.bst": "kind: manual\n", "b.bst": "kind: stack\ndepends: [a.bst]\n"})
    for expected in (6, 0):  # two elements, project.conf, the user's configuration, and the defaults of both
        session = open_project(directory, cached=True)
        session.load(["b.bst"])
        session.close()
        assert session.files.parsed == expected


def test_a_kind_that_there_is_no_plugin_of_gets_a_near_one_or_advice(project: Callable[..., Any]) -> None:
    for kind, advice in (("manuel", "Did you mean 'manual'?"), ("nonsense", "'plugins' of project.conf")):
        with pytest.raises(PluginError) as caught:
            project({"a.bst": f"kind: {kind}\n"}).load("a.bst")
        assert caught.value.reason == "plugin-not-found"
        assert advice in str(caught.value.detail)
        assert caught.value.where == "a.bst [line 1 column 0]"
