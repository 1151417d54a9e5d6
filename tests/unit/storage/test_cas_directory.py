"""The Directory API on the store behaves as BuildStream's documentation of it says."""

import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grilse.protocol.errors import ErrorDomain
from grilse.storage.directory import CasDirectory
from grilse.storage.filetypes import ARBITRARY_TIMESTAMP, DirectoryError, FileStat, FileType
from grilse.storage.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "cache"))


def build(store: Store, tree: Any) -> CasDirectory:
    """A directory from nested dictionaries; a text that starts with ``->`` is a link, other texts are contents."""
    directory = CasDirectory(store)
    fill(directory, tree)
    return directory


def fill(directory: CasDirectory, tree: Any) -> None:
    from grilse.storage.messages import SymlinkNode

    for name, value in tree.items():
        if isinstance(value, dict):
            fill(directory.open_directory(name, create=True), value)
        elif value.startswith("->"):
            directory._put(name, SymlinkNode(value[2:]))
        else:
            with directory.open_file(name, mode="w") as file:
                file.write(value)


def dump(directory: CasDirectory) -> Any:
    tree: Any = {}
    for name in directory:
        if directory.isdir(name):
            tree[name] = dump(directory.open_directory(name))
        elif directory.islink(name):
            tree[name] = "->" + directory.readlink(name)
        else:
            with directory.open_file(name) as file:
                tree[name] = file.read()
    return tree


TREE = {"a": "1", "d": {"b": "2", "e": {"c": "3"}, "empty": {}}, "l": "->d/b", "abs": "->/d", "out": "->../../../a"}


def test_it_is_a_collection_of_names(store: Store) -> None:
    directory = build(store, TREE)
    assert sorted(directory) == ["a", "abs", "d", "l", "out"] and len(directory) == 5 and directory
    assert not CasDirectory(store)
    assert str(directory.open_directory("d/e")) == "[CAS:/d/e]"


def test_a_tree_is_loaded_by_its_digest_and_only_where_it_is_opened(store: Store) -> None:
    digest = build(store, TREE).digest()
    again = CasDirectory(Store(store.cachedir), digest)
    assert dump(again) == TREE and again.digest() == digest
    fresh = Store(store.cachedir)
    lazy = CasDirectory(fresh, digest)
    lazy.exists("a")
    assert len(fresh._listings) == 1


def test_paths_may_go_up_but_not_out(store: Store) -> None:
    directory = build(store, TREE)
    assert directory.open_directory("d/../d/./e//").exists("c")
    assert directory.open_directory("../../d").exists("b")
    assert directory.exists("d/../../../../a")
    assert directory.open_directory("d/e").exists("../../a")
    with pytest.raises(ValueError):
        directory.open_directory("/d")
    with pytest.raises(ValueError):
        directory.exists("/a")


def test_opening_what_is_no_directory_says_why(store: Store) -> None:
    directory = build(store, TREE)
    for path, reason in (("nothing", "directory-not-found"), ("a", "not-a-directory"), ("abs", "not-a-directory")):
        with pytest.raises(DirectoryError) as caught:
            directory.open_directory(path)
        assert caught.value.reason == reason and caught.value.domain is ErrorDomain.VIRTUAL_FS


def test_links_are_followed_on_request_within_the_root(store: Store) -> None:
    directory = build(store, TREE)
    assert directory.open_directory("abs", follow_symlinks=True).exists("b")
    assert directory.isfile("l", follow_symlinks=True) and directory.islink("l")
    assert directory.isfile("out", follow_symlinks=True)
    assert directory.exists("abs/e/c", follow_symlinks=True) and not directory.exists("abs/e/c")
    assert directory.stat("abs", follow_symlinks=True).file_type is FileType.DIRECTORY


def test_links_in_a_circle_are_an_error(store: Store) -> None:
    directory = build(store, {"x": "->y", "y": "->x", "s": "->s/s"})
    assert not directory.exists("x", follow_symlinks=True)
    for path in ("x", "s"):
        with pytest.raises(DirectoryError):
            directory.stat(path, follow_symlinks=True)
        with pytest.raises(DirectoryError):
            directory.open_directory(path, follow_symlinks=True)


def test_status_tells_kind_size_and_time(store: Store) -> None:
    directory = build(store, TREE)
    assert directory.stat("a") == FileStat(FileType.REGULAR_FILE, size=1, mtime=ARBITRARY_TIMESTAMP)
    assert directory.stat("d") == FileStat(FileType.DIRECTORY, executable=True)
    assert directory.stat("l") == FileStat(FileType.SYMLINK, size=3)
    assert str(FileType.REGULAR_FILE) == "regular file"
    assert directory.file_digest("a") == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    for call in (lambda: directory.file_digest("d"), lambda: directory.readlink("a"), lambda: directory.stat("no")):
        with pytest.raises(DirectoryError):
            call()


def test_files_are_written_read_and_replaced(store: Store) -> None:
    directory = build(store, TREE)
    before = directory.digest()
    with directory.open_file("d/b", mode="w") as file:
        file.write("é")
    with directory.open_file("d/b", mode="rb") as file:
        assert file.read() == "é".encode()
    assert directory.digest() != before and not directory.stat("d/b").executable
    with pytest.raises(DirectoryError), directory.open_file("d/b", mode="x"):
        pass
    with pytest.raises(DirectoryError), directory.open_file("nothing"):
        pass
    with pytest.raises(DirectoryError), directory.open_file("d"):
        pass
    with pytest.raises(ValueError), directory.open_file("a", mode="a"):
        pass


def test_a_write_that_fails_changes_nothing(store: Store) -> None:
    directory = build(store, TREE)
    before = directory.digest()
    with pytest.raises(ZeroDivisionError), directory.open_file("a", mode="w") as file:
        file.write("partial")
        raise ZeroDivisionError
    assert directory.digest() == before and os.listdir(store.tmpdir) == []


def test_a_change_deep_below_changes_the_root_and_nothing_beside_it(store: Store) -> None:
    directory = CasDirectory(store, build(store, {**TREE, "other": {"x": {"y": "z"}}}).digest())
    other = directory.open_directory("other").digest()
    with directory.open_directory("d/e").open_file("c", mode="w") as file:
        file.write("changed")
    assert dump(CasDirectory(store, directory.digest()))["d"]["e"]["c"] == "changed"
    assert directory.open_directory("other").digest() == other


def test_removal(store: Store) -> None:
    directory = build(store, TREE)
    for path in ("d", "nothing"):
        with pytest.raises(DirectoryError):
            directory.remove(path)
    directory.remove("d/empty")
    directory.remove("abs")
    directory.remove("d", recursive=True)
    assert dump(directory) == {"a": "1", "l": "->d/b", "out": "->../../../a"}
    assert dump(CasDirectory(store, directory.digest())) == dump(directory)


def test_renaming(store: Store) -> None:
    directory = build(store, TREE)
    directory.rename("d/e", "f")
    directory.rename("a", "d/b")
    directory.rename("l", "l")
    assert dump(directory)["d"] == {"b": "1", "empty": {}} and dump(directory)["f"] == {"c": "3"}
    assert str(directory.open_directory("f")) == "[CAS:/f]"
    with directory.open_directory("f").open_file("new", mode="w") as file:
        file.write("n")
    assert dump(CasDirectory(store, directory.digest())) == dump(directory)
    for source, target in (("d", "d/empty/x"), ("nothing", "x"), ("f", "nowhere/x"), ("f", "d/.."), ("f", "")):
        with pytest.raises(DirectoryError):
            directory.rename(source, target)
    directory.rename("f", "d")
    assert dump(directory)["d"] == {"c": "3", "new": "n"}


def test_relative_paths_are_listed_files_first(store: Store) -> None:
    directory = build(store, TREE)
    assert list(directory.list_relative_paths()) == [
        "a", "abs", "l", "out", "d", "d/b", "d/e", "d/e/c", "d/empty",
    ]  # fmt: skip


def test_an_import_merges_and_reports(store: Store) -> None:
    target = build(store, {"a": "old", "d": {"b": "old", "keep": "k"}, "full": {"x": "x"}, "hollow": {}})
    source = build(store, {"a": "new", "d": {"b": "new", "n": "n"}, "full": "file", "hollow": "file", "t": {"u": "v"}})
    result = target.import_files(source)
    assert result is not None
    assert sorted(result.files_written) == ["a", "d/b", "d/n", "hollow", "t/u"]
    assert sorted(result.overwritten) == ["a", "d/b", "hollow"]
    assert result.ignored == ["full"] and result.failed_attributes == []
    assert dump(target) == {
        "a": "new", "d": {"b": "new", "keep": "k", "n": "n"}, "full": {"x": "x"}, "hollow": "file", "t": {"u": "v"},
    }  # fmt: skip
    assert target.import_files(source, collect_result=False) is None


def test_an_import_does_not_tie_the_two_trees_together(store: Store) -> None:
    source = build(store, TREE)
    target = CasDirectory(store)
    target.import_files(source)
    with target.open_file("d/e/c", mode="w") as file:
        file.write("changed")
    assert dump(source) == TREE
    with source.open_file("d/e/c", mode="w") as file:
        file.write("other")
    assert dump(target)["d"]["e"]["c"] == "changed"


def test_a_directory_may_be_imported_below_itself(store: Store) -> None:
    directory = build(store, {"a": "1", "sub": {}})
    directory.open_directory("sub").import_files(directory, filter_callback=lambda path: True)
    assert dump(directory) == {"a": "1", "sub": {"a": "1"}}


def test_a_directory_cannot_replace_a_file(store: Store) -> None:
    target = build(store, {"b": "x", "d": "->b"})
    with pytest.raises(DirectoryError, match=r"Destination is a symlink, not a directory: /d"):
        target.import_files(build(store, {"a": "written before", "d": {"x": "y"}}))
    assert dump(CasDirectory(store, target.digest())) == dump(target)


def test_a_filter_decides_on_files_and_empty_directories(store: Store) -> None:
    source = build(store, {"a": "1", "d": {"b": "2", "c": "3"}, "e": {"f": "4"}, "g": {}, "h": {}})
    asked: list[str] = []

    def accept(path: str) -> bool:
        asked.append(path)
        return path in ("a", "d/c", "h")

    target = CasDirectory(store)
    result = target.import_files(source, filter_callback=accept)
    assert result is not None and sorted(result.files_written) == ["a", "d/c"]
    assert dump(target) == {"a": "1", "d": {"c": "3"}, "h": {}}
    assert sorted(asked) == ["a", "d", "d/b", "d/c", "e", "e/f", "g", "h"]


def test_host_directories_and_files_are_imported(store: Store, tmp_path: Path) -> None:
    (tmp_path / "in" / "d").mkdir(parents=True)
    (tmp_path / "in" / "d" / "run").write_text("x")
    (tmp_path / "in" / "d" / "run").chmod(0o755)
    target = CasDirectory(store)
    result = target.import_files(str(tmp_path / "in"))
    assert result is not None and result.files_written == ["d/run"] and target.stat("d/run").executable
    single = target.open_directory("d").import_single_file(str(tmp_path / "in" / "d" / "run"))
    assert single.files_written == [str(tmp_path / "in" / "d" / "run")] and len(single.overwritten) == 1
    with pytest.raises(DirectoryError):
        target.import_files(str(tmp_path / "nowhere"))
    with pytest.raises(DirectoryError):
        target.import_single_file(str(tmp_path / "nowhere"))


def test_an_archive_holds_everything(store: Store) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        build(store, TREE).export_to_tar(archive, "top", mtime=5)
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as archive:
        assert {member.name: member.mtime for member in archive} == dict.fromkeys(
            ["top/a", "top/abs", "top/d", "top/d/b", "top/d/e", "top/d/e/c", "top/d/empty", "top/l", "top/out"], 5
        )


def test_the_size_counts_files_and_directories(store: Store) -> None:
    directory = build(store, {"a": "12345", "d": {"b": "123"}})
    inner = directory.open_directory("d")
    assert directory.size() == 5 + 3 + directory.digest().size + inner.digest().size


def test_a_missing_subdirectory_is_an_error_where_it_is_needed(store: Store) -> None:
    digest = build(store, TREE).digest()
    os.unlink(store.path(CasDirectory(store, digest).open_directory("d").digest()))
    directory = CasDirectory(Store(store.cachedir), digest)
    assert directory.exists("a")
    with pytest.raises(DirectoryError) as caught:
        directory.exists("d/b") or directory.open_directory("d/e")
    assert caught.value.reason == "missing-blob"


def test_changes_between_two_trees_are_applied_to_a_third(store: Store) -> None:
    before = build(store, {"same": "1", "changed": "1", "gone": "1", "d": {"x": "1", "y": "1", "z": {"q": "1"}}})
    after = build(store, {"same": "1", "changed": "2", "new": "n", "d": {"x": "2", "z": {"q": "1"}, "w": {"v": "v"}}})
    here = build(
        store, {"same": "mine", "changed": "mine", "gone": "1", "own": "o", "d": {"x": "1", "y": "1", "o": "o"}}
    )
    here.apply_changes(before, after)
    assert dump(here) == {
        "same": "mine", "changed": "2", "own": "o", "new": "n", "d": {"x": "2", "o": "o", "w": {"v": "v"}},
    }  # fmt: skip


def test_a_read_only_mark_is_part_of_the_digest(store: Store) -> None:
    directory = build(store, TREE)
    before = directory.digest()
    directory.set_read_only(True)
    assert directory.digest() != before
    assert store.listing(directory.digest()).read_only is True


NAMES = st.sampled_from(["a", "b", "c"])
TREES: Any = st.recursive(
    st.text("xyz", max_size=2) | st.just("->a"), lambda inner: st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
ROOTS: Any = st.dictionaries(NAMES, TREES, max_size=3)


def merged(target: Any, source: Any) -> Any:
    """What an import should make of two trees, or None if it cannot be."""
    out = dict(target)
    for name, value in source.items():
        here = out.get(name)
        if isinstance(value, dict):
            if here is not None and not isinstance(here, dict):
                return None
            below = merged(here or {}, value)
            if below is None:
                return None
            out[name] = below
        elif not (isinstance(here, dict) and here):
            out[name] = value
    return out


@settings(max_examples=100, deadline=None)
@given(ROOTS, ROOTS, st.booleans(), st.booleans())
def test_any_two_trees_merge_as_they_should(
    tmp_path_factory: pytest.TempPathFactory, first: Any, second: Any, reload: bool, filtered: bool
) -> None:
    store = Store(str(tmp_path_factory.mktemp("merge")))
    target, source = build(store, first), build(store, second)
    if reload:
        target, source = CasDirectory(store, target.digest()), CasDirectory(store, source.digest())
    expected = merged(first, second)
    accept = (lambda path: True) if filtered else None
    if expected is None:
        with pytest.raises(DirectoryError):
            target.import_files(source, filter_callback=accept)
        return
    before = target.digest()
    result = target.import_files(source, filter_callback=accept)
    assert dump(target) == expected and dump(CasDirectory(store, target.digest())) == expected
    assert result is not None and set(result.overwritten) <= set(result.files_written)
    assert (target.digest() == before) == (expected == first)
    assert dump(source) == second
