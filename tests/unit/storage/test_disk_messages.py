"""The codec of messages on disk agrees with protobuf, byte for byte."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grilse.storage.digest import Digest, digest_bytes, parse_digest
from grilse.storage.messages import DirectoryNode, FileNode, Listing, SymlinkNode, decode_listing, encode_listing
from grilse.storage.proto import remote_execution_pb2 as reapi
from grilse.storage.wire import MessageError, decode_digest, encode_digest

NAMES = st.text(min_size=1, max_size=200).filter(lambda n: n not in (".", "..") and not set(n) & {"/", "\0"})
HASHES = st.text("0123456789abcdef", min_size=64, max_size=64)
DIGESTS = st.builds(Digest, HASHES, st.integers(0, 2**62))
TIMES = st.none() | st.integers(-(2**60), 2**60)
FILES = st.builds(FileNode, DIGESTS, st.booleans(), TIMES)
NODES = FILES | st.builds(SymlinkNode, st.text(max_size=300)) | st.builds(DirectoryNode, DIGESTS)
LISTINGS = st.builds(Listing, st.dictionaries(NAMES, NODES, max_size=12), st.none() | st.booleans(), TIMES)


def by_protobuf(listing: Listing) -> bytes:
    """The same message, made by protobuf."""
    message = reapi.Directory()
    for name, node in sorted(listing.nodes.items(), key=lambda item: item[0].encode("utf-8")):
        if isinstance(node, FileNode):
            file = message.files.add(name=name, is_executable=node.executable)
            file.digest.hash, file.digest.size_bytes = node.digest
            if node.mtime is not None:
                file.node_properties.mtime.FromNanoseconds(node.mtime)
        elif isinstance(node, DirectoryNode):
            directory = message.directories.add(name=name)
            directory.digest.hash, directory.digest.size_bytes = node.digest
        else:
            message.symlinks.add(name=name, target=node.target)
    if listing.read_only is not None:
        message.node_properties.properties.add(name="SubtreeReadOnly", value="true" if listing.read_only else "false")
    if listing.mtime is not None:
        message.node_properties.mtime.FromNanoseconds(listing.mtime)
    return message.SerializeToString()


@given(LISTINGS)
def test_a_directory_message_is_what_protobuf_writes(listing: Listing) -> None:
    assert encode_listing(listing) == by_protobuf(listing)


@given(LISTINGS)
def test_a_directory_message_is_read_back(listing: Listing) -> None:
    assert decode_listing(by_protobuf(listing)) == listing


@given(DIGESTS)
def test_a_digest_message_is_what_protobuf_writes(digest: Digest) -> None:
    data = encode_digest(digest)
    assert data == reapi.Digest(hash=digest.hash, size_bytes=digest.size).SerializeToString()
    assert decode_digest(data) == digest


@given(st.binary(max_size=300))
def test_garbage_is_an_error_and_nothing_else(data: bytes) -> None:
    try:
        listing = decode_listing(data)
    except MessageError:
        return
    assert all("/" not in name for name in listing.nodes)


@given(LISTINGS, st.data())
def test_a_cut_or_changed_message_is_an_error_or_another_directory(listing: Listing, data: st.DataObject) -> None:
    encoded = bytearray(encode_listing(listing))
    if encoded:
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_listing(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]))
    except MessageError:
        pass


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a\0b"])
def test_a_name_that_leads_out_of_a_directory_is_refused(name: str) -> None:
    message = reapi.Directory()
    message.symlinks.add(name=name, target="x")
    with pytest.raises(MessageError):
        decode_listing(message.SerializeToString())


def test_unknown_fields_and_properties_are_passed_over() -> None:
    digest = digest_bytes(b"x")
    message = reapi.Directory()
    file = message.files.add(name="a", is_executable=True)
    file.digest.hash, file.digest.size_bytes = digest
    file.node_properties.unix_mode.value = 0o4755
    file.node_properties.properties.add(name="sha1", value="0" * 40)
    data = message.SerializeToString() + b"\x7a\x01x"
    assert decode_listing(data).nodes == {"a": FileNode(digest, True)}


def test_names_that_are_not_utf8_survive() -> None:
    listing = Listing({"b\udcff": SymlinkNode("\udc80"), "a": SymlinkNode("x")})
    assert decode_listing(encode_listing(listing)) == listing


@pytest.mark.parametrize(
    "text", ["", "abc", "0" * 64, "0" * 64 + "/", "0" * 64 + "/x", "../" + "0" * 61 + "/1", "Z" * 64 + "/1"]
)
def test_text_that_is_no_digest_is_refused(text: str) -> None:
    from grilse.protocol.errors import CasError

    with pytest.raises(CasError):
        parse_digest(text)


def test_a_digest_reads_as_it_is_written() -> None:
    digest = digest_bytes(string.ascii_letters.encode())
    assert parse_digest(str(digest)) == digest
