"""How many bytes pickle writes for a value, from the opcodes of protocol 4 and 5 (Lib/pickletools.py, PEP 3154).

Knows nothing of graphs: sharing and order are the caller's matter.
"""

from __future__ import annotations

# Opcode and memo sizes, in bytes.
MEMOIZE = 1
SHORT_GET = 2  # BINGET, for the first 256 entries of the memo
LONG_GET = 5  # LONG_BINGET
SHORT_MEMO = 256
PROTO_AND_STOP = 3
FRAME = 9
FRAME_TARGET = 64 * 1024
BATCH = 1000  # items per APPENDS, SETITEMS, ADDITEMS


def int_size(value: int) -> int:
    """Bytes of an int of the exact type ``int``."""
    if 0 <= value < 256:
        return 2
    if 0 <= value < 65536:
        return 3
    if -(2**31) <= value < 2**31:
        return 5
    length = (value.bit_length() // 8) + 1
    # Pickle drops a redundant sign byte of a negative power of 256.
    if value < 0 and length > 1 and (value >> ((length - 1) * 8 - 1)) == -1:
        length -= 1
    return length + (2 if length < 256 else 5)


def text_size(value: str) -> int:
    """Bytes of a str that is written for the first time, its memo entry included."""
    length = len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    return _counted(length)


def bytes_size(value: bytes) -> int:
    """Bytes of a bytes object that is written for the first time, its memo entry included."""
    return _counted(len(value))


def bytearray_size(length: int, protocol: int) -> int:
    """Bytes of a bytearray: an opcode of its own from protocol 5, a call of the class before."""
    if protocol >= 5:
        return length + 9 + MEMOIZE
    # builtins, bytearray, STACK_GLOBAL, the bytes, TUPLE1, REDUCE and the memo entries of all of them.
    return 11 + 12 + 2 + _counted(length) + 2 + 2


def _counted(length: int) -> int:
    if length < 256:
        return length + 2 + MEMOIZE
    if length < 2**32:
        return length + 5 + MEMOIZE
    return length + 9 + MEMOIZE


def sequence_size(items: int) -> int:
    """Bytes around the items of a list, dict or set: the empty container, its memo entry, a mark per batch."""
    if not items:
        return 2
    if items == 1:
        return 3
    batches = -(-items // BATCH)
    # A last batch of one item needs no mark.
    return 2 + 2 * batches - (1 if items % BATCH == 1 else 0)


def tuple_size(items: int) -> int:
    """Bytes around the items of a tuple; the empty tuple has no memo entry."""
    if not items:
        return 1
    return 2 if items <= 3 else 3


def frozenset_size(items: int) -> int:
    """Bytes around the items of a frozenset."""
    return 3
