"""A body that its host compresses is read piece by piece, and every other encoding is refused."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable

import anyio
import pytest
from fake_host import FakeBody
from hypothesis import given
from hypothesis import strategies as st

import kimi_async as kimi
from kimi_async._http._decoding import READ_BYTES, decoded

pytestmark = pytest.mark.anyio

TEXT = b"".join(b"data: %d\n\n" % number for number in range(10_000))


def raw_deflate(data: bytes) -> bytes:
    """Compress without a header."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def two_members(data: bytes) -> bytes:
    """Compress as two gzip files, one after the other."""
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


CODINGS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip-after-identity": ("identity, gzip", gzip.compress),
    "two-members": ("gzip", two_members),
    "deflate": ("deflate", zlib.compress),
    "raw-deflate": ("deflate", raw_deflate),
}


async def read(reads: Iterable[bytes], encoding: str) -> list[bytes]:
    return [piece async for piece in decoded(aiter(FakeBody(reads, None)), encoding)]


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
@pytest.mark.parametrize(("encoding", "compress"), CODINGS.values(), ids=CODINGS)
async def test_a_compressed_body_is_read_in_small_pieces(
    encoding: str, compress: Callable[[bytes], bytes], size: int
) -> None:
    pieces = await read(cut(compress(TEXT), size), encoding)
    assert b"".join(pieces) == TEXT
    assert min(map(len, pieces)) > 0
    assert max(map(len, pieces)) <= READ_BYTES


@given(data=st.binary(max_size=200), cuts=st.integers(1, 50), coding=st.sampled_from([*CODINGS]))
def test_any_bytes_cut_anywhere_come_back(data: bytes, cuts: int, coding: str) -> None:
    encoding, compress = CODINGS[coding]
    pieces = anyio.run(read, cut(compress(data * 100), cuts), encoding)
    assert b"".join(pieces) == data * 100


@pytest.mark.parametrize("encoding", ["", "identity", "Identity, identity"])
async def test_a_plain_body_stays_itself(encoding: str) -> None:
    body = aiter(FakeBody([b"plain"], None))
    assert decoded(body, encoding) is body
    assert [piece async for piece in body] == [b"plain"]


async def test_an_empty_body_is_no_broken_one() -> None:
    assert await read([], "gzip") == []


async def test_each_flush_gives_what_was_written_before_it() -> None:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    events = [b"data: %d\n\n" % number for number in range(3)]
    flushed = [compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH) for event in events]
    assert await read([*flushed, compressor.flush()], "gzip") == events


BROKEN: dict[str, tuple[bytes, str]] = {
    "no-gzip": (b"data: 1\n\n", "gzip"),
    "no-deflate": (b"\xff\xff\xff", "deflate"),
    "cut": (gzip.compress(TEXT)[:-9], "gzip"),
    "changed": (gzip.compress(TEXT)[:-8] + b"\0" * 8, "gzip"),
    "bytes-after-it": (gzip.compress(b"") + b"more", "gzip"),
}


@pytest.mark.parametrize(("data", "encoding"), BROKEN.values(), ids=BROKEN)
async def test_broken_data_is_an_error(data: bytes, encoding: str) -> None:
    with pytest.raises(zlib.error):
        await read([data], encoding)


@pytest.mark.parametrize(
    "encoding", ["gzip, gzip", "br", "zstd", "deflate,gzip", "compress", "no such thing", "x" * 999]
)
async def test_every_other_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(kimi.ProtocolError, match="content encoding") as caught:
        await read([b""], encoding)
    assert len(str(caught.value)) < 500
