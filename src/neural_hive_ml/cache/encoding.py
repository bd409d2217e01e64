"""A cached row as bytes: format, time made, statistics number, then the numbers themselves, little-endian."""

import struct

import numpy as np

from neural_hive_ml.cache.port import CachedRow

# The first byte is the format: bytes of another release are not read as numbers of this one.
_HEAD = struct.Struct("<Bqq")
_FORMAT = 1


def encode_row(row: CachedRow, made_at_ms: int) -> bytes:
    """Return the bytes of a row made at `made_at_ms` (UTC epoch ms); 17 bytes and 8 a number."""
    return _HEAD.pack(_FORMAT, made_at_ms, row.sequence) + np.ascontiguousarray(row.values, dtype="<f8").tobytes()


def decode_row(data: bytes) -> tuple[CachedRow, int] | None:
    """Return the row and when it was made, or None for bytes of another format.

    >>> row, made_at_ms = decode_row(encode_row(CachedRow(np.array([1.5]), 7), 99))
    >>> row.values.tolist(), row.sequence, made_at_ms
    ([1.5], 7, 99)
    >>> decode_row(b"something else")
    """
    if len(data) < _HEAD.size or data[0] != _FORMAT or (len(data) - _HEAD.size) % 8:
        return None
    _, made_at_ms, sequence = _HEAD.unpack_from(data)
    return CachedRow(np.frombuffer(data, dtype="<f8", offset=_HEAD.size), sequence), made_at_ms
