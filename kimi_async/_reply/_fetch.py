"""Read complete response bodies: the body of an error status, and the list of models."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

import anyio

from kimi_async._errors import APIError, KimiError, ProtocolError, TransportError, over_limit
from kimi_async._http._event_loop import loop_clock
from kimi_async._http._response import BodyError, BodyTimeout, Response
from kimi_async._http._transport import Transport
from kimi_async._json_text import is_deeper
from kimi_async._providers import Provider
from kimi_async._reply._deadlines import Deadlines
from kimi_async._settings import Limits, Timeouts
from kimi_async._wire import WireRequest

__all__ = ["fetch", "status_error"]

#: The longest wait for an error body, in seconds. It is short, because the status already reports the error.
ERROR_BODY_SECONDS: Final = 5.0


async def status_error(provider: Provider, response: Response, limits: Limits) -> APIError:
    """Return the error of a response with an error status, after reading its body."""
    body = bytearray()
    with anyio.move_on_after(ERROR_BODY_SECONDS):
        try:
            while (
                len(body) < limits.error_body_bytes and (data := await response.read()) is not None
            ):
                body += data
        except (BodyError, ProtocolError):
            pass  # the status and the bytes so far say more than the error of the connection
    kept = bytes(body[: limits.error_body_bytes])
    if is_deeper(kept, limits.nesting):
        kept = provider.excerpt_of(kept).encode()
    return provider.parse_error(response.status, response.headers, kept, now=time.time())


async def fetch(
    provider: Provider,
    wire: WireRequest,
    *,
    headers: Mapping[str, str],
    transport: Transport,
    timeouts: Timeouts,
    limits: Limits,
) -> bytes:
    """Send a request and return the body of the response; ``first_output`` and ``total`` cover both.

    Raises:
        KimiError: The request could not be sent or was refused; or the response broke, was too large or took too long.
    """
    begun = loop_clock()()
    deadlines = Deadlines(timeouts, begun)
    failure: KimiError
    with anyio.move_on_after(deadlines.until_first_output(begun)):
        response = await transport.send(
            provider,
            wire,
            headers=headers,
            timeouts=timeouts,
            read_timeout=deadlines.read_timeout,
        )
        try:
            if not 200 <= response.status < 300:
                raise await status_error(provider, response, limits)
            return await _read_all(response, limits)
        except BodyTimeout:
            failure = deadlines.first_output_error(begun)
        except BodyError as broken:
            failure = TransportError(
                "the connection broke before the response was complete",
                stage="waiting for the first output",
                cause=broken.cause,
            )
        finally:
            await response.aclose()
        raise failure
    raise deadlines.first_output_error(begun)


async def _read_all(response: Response, limits: Limits) -> bytes:
    body = bytearray()
    while (data := await response.read()) is not None:
        body += data
        if len(body) > limits.body_bytes:
            raise over_limit("body_bytes", limits.body_bytes, "the body of the response")
    if is_deeper(body, limits.nesting):
        raise over_limit("nesting", limits.nesting, "the JSON of the response")
    return bytes(body)
