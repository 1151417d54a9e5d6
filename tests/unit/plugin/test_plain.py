"""A plugin is plain if its text can do nothing but name a class of ours; all else is not."""

from __future__ import annotations

import pytest

from grilse.plugin.plain import is_plain

PLAIN = '''\
"""Builds things."""

from buildstream import BuildElement, ElementError


class Thing(BuildElement):
    """A thing."""

    BST_MIN_VERSION = "2.0"
    BST_STRICT_REBUILD = True


# Plugin entry point
def setup():
    return Thing
'''


def test_a_class_with_nothing_but_constants_is_plain() -> None:
    assert is_plain(PLAIN.encode())
    assert is_plain(PLAIN.replace("def setup", "def other").encode(), "other")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from buildstream import BuildElement", "import os\nfrom buildstream import BuildElement"),
        ("from buildstream import BuildElement", "from buildstream import Element as BuildElement"),
        ("from buildstream import BuildElement", "from .buildstream import BuildElement"),
        ("from buildstream import BuildElement", "from buildstream import *; from buildstream import BuildElement"),
        ("from buildstream import BuildElement", "from mine import BuildElement"),
        ("class Thing(BuildElement)", "class Thing(Other)"),
        ("class Thing(BuildElement)", "class Thing(BuildElement, metaclass=Odd)"),
        ("class Thing(BuildElement)", "@odd\nclass Thing(BuildElement)"),
        ('BST_MIN_VERSION = "2.0"', "BST_MIN_VERSION = version()"),
        ("BST_STRICT_REBUILD = True", "BST_STRICT_REBUILD = [True]"),
        ("BST_STRICT_REBUILD = True", "configure = None"),
        ("BST_STRICT_REBUILD = True", "def configure(self, node): pass"),
        ("    return Thing", "    return Thing if True else Other"),
        ("    return Thing", "    return BuildElement"),
        ("    return Thing", "    print()\n    return Thing"),
        ("def setup()", "def setup(odd=print())"),
        ("def setup()", "@odd\ndef setup()"),
        ("def setup()", "async def setup()"),
        ("def setup()", "Thing = 1\ndef setup()"),
        ("def setup()", "def setups()"),
        ("def setup()", "def setup("),
    ],
)
def test_anything_more_is_not(old: str, new: str) -> None:
    assert old in PLAIN
    assert not is_plain(PLAIN.replace(old, new).encode())


def test_what_cannot_be_read_is_not() -> None:
    assert not is_plain(b"\x00")
    assert not is_plain(b"\xff\xfe")
    assert not is_plain(b"(" * 5000)
