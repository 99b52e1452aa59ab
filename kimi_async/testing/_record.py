"""Record real exchanges into a file, and replay them."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Any, Final, Literal, Self

import anyio
import httpx

from kimi_async import http_client
from kimi_async.testing._checks import all_of, named
from kimi_async.testing._exchanges import Exchange, RecordingError, read_exchanges, written
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._secrets import keys_in, refuse_keys, scrubbed
from kimi_async.testing._steps import Answer, Ending

__all__ = ["Recorder", "Replay", "record", "replay"]

#: Kept to a microsecond, so that a file can be read and compared.
_DIGITS: Final = 6


class _Clock:
    """The seconds since a request."""

    def __init__(self) -> None:
        self._start = anyio.current_time()

    def now(self) -> float:
        return round(anyio.current_time() - self._start, _DIGITS)


class _OwnClient(httpx.AsyncBaseTransport):
    """Sends over an HTTP client that ``AsyncKimi`` would make, so through the proxies of the environment."""

    def __init__(self) -> None:
        self._client = http_client()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._client.send(request, stream=True)

    async def aclose(self) -> None:
        await self._client.aclose()


class _Tap(httpx.AsyncByteStream):
    """The body of an answer, whose pieces are kept as they pass."""

    def __init__(self, stream: httpx.AsyncByteStream, exchange: Exchange, clock: _Clock) -> None:
        self._stream = stream
        self._pieces = aiter(stream)
        self._exchange = exchange
        self._clock = clock
        self._is_open = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            data = await anext(self._pieces)
        except StopAsyncIteration:
            self._end("finish")
            raise
        except httpx.TransportError as error:
            self._end(_ending(error))
            raise
        self._exchange.pieces.append((self._clock.now(), data))
        return data

    def _end(self, ending: Ending) -> None:
        if self._is_open:
            self._is_open = False
            self._exchange.end, self._exchange.ended_at = ending, self._clock.now()

    async def aclose(self) -> None:
        self._end("stall")
        await self._stream.aclose()


def _ending(error: httpx.TransportError) -> Ending:
    if isinstance(error, httpx.TimeoutException):
        return "stall"
    return "hangup" if isinstance(error, httpx.RemoteProtocolError) else "reset"


class Recorder(httpx.AsyncBaseTransport):
    """The transport of :func:`record`: sends requests over another transport, and keeps what passes.

    Attributes:
        path: The file that is written at the end of the block.
        http_client: An HTTP client over this transport, for ``AsyncKimi(http_client=...)``.
    """

    def __init__(
        self,
        path: Path,
        over: httpx.AsyncBaseTransport,
        secrets: Iterable[str],
        scrub: Callable[[str], str],
    ) -> None:
        self.path = path
        self.http_client = httpx.AsyncClient(transport=self)
        self._over = over
        self._keys = {text for text in all_of(secrets, str, name="secrets") if text}
        self._scrub = scrub
        self._exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send *request*, as ``httpx.AsyncClient`` asks for it."""
        # Compressed bytes could not be read in the file.
        request.headers["accept-encoding"] = "identity"
        exchange = self._begin(request, await request.aread())
        clock = _Clock()
        try:
            response = await self._over.handle_async_request(request)
        except httpx.TransportError as error:
            exchange.end, exchange.ended_at = _ending(error), clock.now()
            raise
        exchange.status, exchange.answered_at = response.status_code, clock.now()
        exchange.answer_headers = scrubbed(response.headers.multi_items())
        assert isinstance(response.stream, httpx.AsyncByteStream)
        # A body of our own connections would be read past the tap.
        response.extensions.pop("kimi_body", None)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=_Tap(response.stream, exchange, clock),
            extensions=response.extensions,
        )

    def _begin(self, request: httpx.Request, content: bytes) -> Exchange:
        headers = request.headers.multi_items()
        self._keys |= keys_in(headers, os.environ)
        exchange = Exchange(
            method=request.method,
            url=str(request.url),
            headers=scrubbed(headers),
            body=_json(content),
        )
        self._exchanges.append(exchange)
        return exchange

    def write(self) -> None:
        """Write the file; the end of the block does it too. Without any request, a file that exists stays as it is.

        Raises:
            RecordingError: A key is left in it; nothing is written.
        """
        if not self._exchanges and self.path.exists():
            return  # the run failed before its first request
        text: object = self._scrub(written(self._exchanges))
        if not isinstance(text, str):
            raise RecordingError(f"scrub returned {named(text)}; it must return the changed text")
        kept = read_exchanges(text)
        refuse_keys(kept, self._keys)
        self.path.write_text(written(kept), encoding="utf-8")

    async def aclose(self) -> None:
        """Close the transport beneath this one."""
        await self._over.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
        self.write()


def record(
    path: str | Path,
    *,
    over: httpx.AsyncBaseTransport | None = None,
    secrets: Iterable[str] = (),
    scrub: Callable[[str], str] = str,
) -> Recorder:
    """Return a transport that records requests and answers into a file.

    ``async with record("file.kimi") as recorder:`` and ``AsyncKimi(http_client=recorder.http_client)`` record every
    reply of the block: the request, and the headers and bytes of the answer with their times. The file is written at
    the end of the block, also after an exception; :func:`replay` reads it. If no request was sent, a file that exists
    stays as it is. The values of secret headers (``Authorization``, cookies and the like) are replaced. A key that is
    left anywhere else is refused: those of the headers and of the environment, those in *secrets*, and texts that look
    like one.

    Args:
        path: The file, by custom with the suffix ``.kimi``.
        over: The transport that sends the requests; ``None`` = that of :func:`~kimi_async.http_client`, which honours
            the proxies of the environment. It is closed with the block.
        secrets: More texts that must not be in the file.
        scrub: Changes the text of the file, line ends apart, before it is searched for keys; it can replace a name.

    Raises:
        ConfigurationError: A proxy of the environment cannot be used.
        TypeError: *over*, *secrets* or *scrub* is of a wrong type.
        RecordingError: The file cannot be written there; or, at the end of the block, a key is left, and nothing was
            written.
    """
    if not callable(scrub):
        raise TypeError(f"scrub must be a function that changes a text, not {named(scrub)}")
    given: object = over
    if not isinstance(given, httpx.AsyncBaseTransport | None):
        raise TypeError(f"over must be an httpx.AsyncBaseTransport, not {named(given)}")
    file = Path(path)
    if file.is_dir() or not file.parent.is_dir():
        # Noticed now, and not after the requests were paid for.
        raise RecordingError(f"{file} cannot be written: it is a folder, or its folder is missing")
    return Recorder(file, _OwnClient() if given is None else given, secrets, scrub)


class Replay:
    """The script of :func:`replay`: the recorded answers, one for each request.

    Attributes:
        left: The exchanges that no request has used.
    """

    def __init__(
        self, exchanges: list[Exchange], speed: float, match: Literal["order", "strict"]
    ) -> None:
        self.left = exchanges
        self._speed = speed
        self._match = match

    def __call__(self, request: ReceivedRequest) -> Answer:
        """Return the answer to a request.

        Raises:
            RecordingError: No exchange is left, or none that fits.
        """
        if not self.left:
            raise RecordingError(
                "every exchange of the recording was used, and one more request came"
            )
        fitting = self.left[:1] if self._match == "order" else self._equal_to(request)
        if not fitting:
            differing = _differences(self.left[0].body, request.body)
            raise RecordingError(
                f"no exchange of the recording has this request; the next one differs in {differing}"
            )
        self.left.remove(fitting[0])
        return fitting[0].answer(self._speed)

    def _equal_to(self, request: ReceivedRequest) -> list[Exchange]:
        return [exchange for exchange in self.left if exchange.body == request.body]


def _differences(recorded: Any, received: Any) -> str:
    """Name the keys of two bodies that differ, and none of their values."""
    if not isinstance(recorded, dict) or not isinstance(received, dict):
        return "its whole body"
    keys = [*dict.fromkeys((*recorded, *received))]
    return ", ".join(key for key in keys if recorded.get(key) != received.get(key))


def replay(
    path: str | Path, *, speed: float = 1.0, match: Literal["order", "strict"] = "order"
) -> Replay:
    """Return a script that answers as a recording of :func:`record` does, with the same bytes in the same rhythm.

    ``FakeTransport(replay("file.kimi"))`` plays it, and so do :class:`FakeProvider` and :func:`mock_kimi`. Only
    ``POST`` requests are replayed; the list of models is that of the fake.

    Args:
        path: The file.
        speed: 2 is twice as fast; ``math.inf`` = without the waits.
        match: ``"order"`` gives each request the next answer; ``"strict"`` gives it the first one whose recorded
            request has the same JSON body, and a request without one fails the test.

    Raises:
        OSError: The file cannot be read.
        RecordingError: The file is not a recording, or holds a key.
        ValueError: *speed* is not more than 0, or *match* is another word.
    """
    if not isinstance(speed, (int, float)) or not speed > 0:
        raise ValueError(f"speed must be a number above 0, not {speed!r}")
    if match not in ("order", "strict"):
        raise ValueError(f"match must be 'order' or 'strict', not {match!r}")
    exchanges = read_exchanges(_text_of(Path(path)))
    refuse_keys(exchanges, keys_in((), os.environ))
    return Replay([each for each in exchanges if each.method == "POST"], speed, match)


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecordingError(f"{file} is not a recording, which is a text in UTF-8") from error


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
