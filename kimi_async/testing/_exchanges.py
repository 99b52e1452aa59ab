"""Read and write recordings: requests with their answers, one line of JSON for each thing that happened. Pure.

The first line is ``{"kimi_recording": 1}``. Each other line belongs to an exchange, which is one request with its
answer, and has one of these forms; ``at`` is in seconds since the request:

- ``{"exchange": 1, "request": {"method": "POST", "url": ..., "headers": [[name, value], ...], "body": ...}}``
- ``{"exchange": 1, "at": 0.8, "status": 200, "headers": [[name, value], ...]}``
- ``{"exchange": 1, "at": 0.9, "data": "data: ..."}``, or ``base64`` in place of ``data`` for bytes that are not UTF-8
- ``{"exchange": 1, "at": 2.0, "end": "finish"}``; see :data:`~kimi_async.testing.Ending` for the words
"""

from __future__ import annotations

import contextlib
import json
import re
import zlib
from base64 import b64decode, b64encode
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal, TypeAlias
from urllib.parse import unquote

import msgspec
from attrs import define, field

from kimi_async.testing._checks import is_header
from kimi_async.testing._steps import ENDINGS, Answer, Ending, Send, Step, Wait

__all__ = ["Exchange", "RecordingError", "read_exchanges", "written"]

_VERSION: Final = 1
#: Headers that are about the connection and not about the answer.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding"})

Pairs = tuple[tuple[str, str], ...]
#: The names on the way to a value of JSON.
_Place: TypeAlias = tuple[str | None, ...]


class RecordingError(Exception):
    """Raised when a recording cannot be written, read or matched."""


@define(kw_only=True)
class Exchange:
    """One request with its answer, as far as it came.

    Attributes:
        method: The HTTP method.
        url: The URL.
        headers: The headers of the request, without secrets.
        body: The JSON body of the request; ``None`` if it has none.
        status: The HTTP status; ``None`` if no answer came.
        answer_headers: The headers of the answer.
        answered_at: Seconds until the headers of the answer.
        pieces: The pieces of the body, each with its seconds.
        end: How the answer ended.
        ended_at: Seconds until the end.
    """

    method: str
    url: str
    headers: Pairs
    body: Any
    status: int | None = None
    answer_headers: Pairs = ()
    answered_at: float = 0.0
    pieces: list[tuple[float, bytes]] = field(factory=list)
    end: Ending = "stall"
    ended_at: float = 0.0

    def answer(self, speed: float) -> Answer:
        """Return the answer in its rhythm.

        Args:
            speed: 2 is twice as fast; infinity = without the waits.
        """
        end = _waits(self._last_at(), self.ended_at, speed)
        ending = ENDINGS[self.end]
        if self.status is None:
            return Answer(before_headers=(*end, *ending))
        headers = tuple(
            (name, value)
            for name, value in self.answer_headers
            if name not in _HOP_BY_HOP and is_header(name, value)
        )
        return Answer(
            status=self.status,
            headers=headers,
            before_headers=(*_waits(0.0, self.answered_at, speed),),
            steps=(*self._sends(speed), *end, *ending),
        )

    def _last_at(self) -> float:
        return self.pieces[-1][0] if self.pieces else self.answered_at

    def _sends(self, speed: float) -> Iterator[Step]:
        before = self.answered_at
        for at, data in self.pieces:
            yield from _waits(before, at, speed)
            yield Send(data)
            before = at

    def texts(self) -> Iterator[str]:
        """Return every text of the exchange, and also the texts that the pieces of a stream give together."""
        yield self.url
        yield unquote(self.url)
        for name, value in (*self.headers, *self.answer_headers):
            yield from (name, value)
        yield from (text for _, text in _texts_in(self.body, ()))
        sent = b"".join(data for _, data in self.pieces)
        for body in (sent, *_inflated(sent)):
            text = body.decode(errors="replace")
            yield text
            yield from _joined_texts(text)


def _waits(since: float, until: float, speed: float) -> Iterator[Step]:
    # Times are kept to a microsecond, and so are the differences.
    seconds = round((until - since) / speed, 6)
    if seconds > 0:
        yield Wait(seconds)


def _inflated(body: bytes) -> Iterator[bytes]:
    """Yield *body* decompressed, if it is compressed: a few hosts do it although the request asks them not to."""
    # Gzip or zlib by its header, and raw deflate.
    for wbits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj(wbits).decompress(body)


def _joined_texts(body: str) -> Iterator[str]:
    """Join the texts of all events, place by place: a key of ours may come in several deltas."""
    joined: defaultdict[_Place, str] = defaultdict(str)
    # Not splitlines(): a text may hold other line ends, such as U+2028.
    for line in (body, *re.split(r"[\r\n]+", body)):
        try:
            value = json.loads(line.removeprefix("data:"))
        except (ValueError, RecursionError):
            continue
        for place, text in _texts_in(value, ()):
            joined[place] += text
    yield from joined.values()


def _texts_in(value: object, place: _Place) -> Iterator[tuple[_Place, str]]:
    """Return the texts of a value of JSON, names too, each with its place.

    An element of a list has the place of its ``index``, as the choices and calls of a stream have one.
    """
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield (*place, name, None), name
            yield from _texts_in(inner, (*place, name))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            index = inner.get("index", number) if isinstance(inner, dict) else number
            yield from _texts_in(inner, (*place, str(index)))


# Writing


def written(exchanges: Iterable[Exchange]) -> str:
    """Return exchanges as the text of a file."""
    lines: list[dict[str, Any]] = [{"kimi_recording": _VERSION}]
    for number, exchange in enumerate(exchanges, 1):
        lines += [{"exchange": number, **line} for line in _lines(exchange)]
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def _lines(exchange: Exchange) -> Iterator[dict[str, Any]]:
    request = {
        "method": exchange.method,
        "url": exchange.url,
        "headers": exchange.headers,
        "body": exchange.body,
    }
    yield {"request": request}
    if exchange.status is not None:
        at, headers = exchange.answered_at, exchange.answer_headers
        yield {"at": at, "status": exchange.status, "headers": headers}
    for at, data in exchange.pieces:
        yield {"at": at} | _as_text(data)
    yield {"at": exchange.ended_at, "end": exchange.end}


def _as_text(data: bytes) -> dict[str, str]:
    try:
        return {"data": data.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(data).decode()}


# Reading


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    method: str
    url: str
    headers: Pairs
    body: Any


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """Any line after the first."""

    exchange: int
    at: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    request: _Request | None = None
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] | None = None
    headers: Pairs = ()
    data: str | None = None
    base64: str | None = None
    end: Literal["finish", "hangup", "reset", "stall"] | None = None


def read_exchanges(text: str) -> list[Exchange]:
    """Read the text of a file.

    Raises:
        RecordingError: It is not a recording, or one of its lines is wrong.
    """
    # Not splitlines(): a text may hold other line ends, such as U+2028.
    first, *lines = text.removesuffix("\n").split("\n")
    if _version(first) != _VERSION:
        raise RecordingError(f'the first line of a recording is {{"kimi_recording": {_VERSION}}}')
    exchanges: dict[int, Exchange] = {}
    for number, line in enumerate(lines, 2):
        try:
            _add(exchanges, msgspec.json.decode(line, type=_Line))
        except (ValueError, RecursionError) as error:
            raise RecordingError(f"line {number} of the recording is wrong: {error}") from error
    return [*exchanges.values()]


def _version(line: str) -> object:
    try:
        return msgspec.json.decode(line, type=dict[str, Any]).get("kimi_recording")
    except (ValueError, RecursionError):
        return None


def _add(exchanges: dict[int, Exchange], line: _Line) -> None:
    if line.request is not None:
        said = line.request
        exchanges[line.exchange] = Exchange(
            method=said.method, url=said.url, headers=said.headers, body=said.body
        )
        return
    exchange = exchanges.get(line.exchange)
    if exchange is None:
        raise ValueError(f"exchange {line.exchange} has no line with its request before this one")
    if {line.status, line.data, line.base64, line.end} == {None}:
        raise ValueError("it has no request, status, data, base64 or end")
    if line.status is not None:
        exchange.status, exchange.answered_at = line.status, line.at
        exchange.answer_headers = line.headers
    if line.data is not None:
        exchange.pieces.append((line.at, line.data.encode()))
    if line.base64 is not None:
        exchange.pieces.append((line.at, b64decode(line.base64, validate=True)))
    if line.end is not None:
        exchange.end, exchange.ended_at = line.end, line.at
