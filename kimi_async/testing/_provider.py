"""The provider that all fakes share: the key, the script and the requests so far.

No I/O: a request comes in as values and an :class:`Answer` goes out. The server and the respx mocks put HTTP around it.
"""

from __future__ import annotations

import inspect
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import httpx
from attrs import evolve, frozen

from kimi_async.testing._checks import ScriptError, named, their_errors
from kimi_async.testing._options import FakeOptions, settings_of
from kimi_async.testing._rate_limits import RateLimiter
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._routes import METHODS, Service, route
from kimi_async.testing._script import ErrorReply, RenderContext, ScriptedReply, is_reply
from kimi_async.testing._steps import Answer
from kimi_async.testing._wire import ProviderName

__all__ = ["Script", "ScriptedProvider", "Served"]

_IS_ASYNC: Final = "the script function is async; it must return the reply, not await"

#: The answers: one reply to every request, replies in their order, or a function that makes the reply to each request.
Script: TypeAlias = (
    ScriptedReply | Iterable[ScriptedReply] | Callable[[ReceivedRequest], ScriptedReply]
)


@frozen
class Served:
    """One answer on its way.

    Attributes:
        answer: The answer.
        is_accepted: Whether the request counts as in flight until :meth:`ScriptedProvider.finish`.
    """

    answer: Answer
    is_accepted: bool


class ScriptedProvider:
    """All providers, without the HTTP around them.

    Attributes:
        api_key: The key that requests must carry; ``None`` = any, or none.
        requests: All requests so far, refused ones too.
        failure: The first error of the script, or ``None``.
    """

    def __init__(self, script: Script, api_key: str | None, options: FakeOptions) -> None:
        self.api_key = api_key
        self._settings = settings_of(options)
        self._limiter = RateLimiter(self._settings.rate_limits)
        self.requests: list[ReceivedRequest] = []
        self.failure: ScriptError | None = None
        #: The last request, also after a script has cleared the list.
        self.last: ReceivedRequest | None = None
        if inspect.iscoroutinefunction(script):
            raise TypeError(_IS_ASYNC)
        self._replies: deque[ScriptedReply] = deque()
        self._make: Callable[[ReceivedRequest], object] = self._take
        if is_reply(script):
            self._make = lambda _request: script
        elif callable(script) and not isinstance(script, type):
            self._make = script
        else:
            self._replies.extend(_checked(script))
        self._given = len(self._replies)

    def add(self, *replies: ScriptedReply) -> None:
        """Append *replies* to the script.

        Raises:
            RuntimeError: The script is a function or one reply.
            TypeError: One of them is not a reply.
        """
        if self._make != self._take:
            raise RuntimeError(
                "the script is a function or one reply: there is no list to add replies to"
            )
        self._replies.extend(_checked(replies))
        self._given += len(replies)

    def serve(
        self,
        *,
        method: str,
        path: str,
        headers: httpx.Headers,
        content: bytes,
        connection: int,
        now: float = 0.0,
    ) -> Served:
        """Take one request and return the answer to it; :meth:`finish` is due when the answer is over.

        A path, key or body that is wrong is refused as the provider would refuse it, and uses up no reply; nor does
        the list of models.

        Args:
            method: The HTTP method.
            path: The path, with the query.
            headers: The headers.
            content: The body.
            connection: The number of the connection.
            now: Seconds of any clock, for the rate limits.

        Raises:
            ScriptError: The script is used up, or its function or its reply failed.
        """
        provider, service = route(headers.get("host", ""), path, self._settings.answers_as)
        request = ReceivedRequest(
            method=method,
            path=path,
            headers=headers,
            body=_parse(content),
            provider=None if service is None else provider,
            connection=connection,
        )
        self.last = request
        self.requests.append(request)
        is_accepted = False
        try:
            refusal = self._refusal(request, provider, service, now)
            is_accepted = refusal is None and service == "chat"
            reply = refusal or self._reply(request, service)
            answer = self._delayed(_rendered(reply, self._asked(request, provider)), now)
        except ScriptError as error:
            # Kept for the end of the block: a program under test may drop the task that made the request.
            self.failure = self.failure or error
            self._limiter.finish(is_accepted)
            raise
        return Served(answer, is_accepted)

    def finish(self, served: Served) -> None:
        """Count an answer as over."""
        self._limiter.finish(served.is_accepted)

    def raise_failure(self, error: BaseException | None) -> None:
        """Raise the first error of the script at the end of a block, if there is one.

        Args:
            error: The exception that ends the block. An :class:`Exception` is usually a consequence of the script's
                error; a cancellation and the like go first.
        """
        if self.failure is not None and (error is None or isinstance(error, Exception)):
            raise self.failure

    def _asked(self, request: ReceivedRequest, provider: ProviderName) -> RenderContext:
        body = request.body if isinstance(request.body, dict) else {}
        settings = self._settings
        return RenderContext(
            provider=provider,
            stream=settings.oddities.is_streamed(body.get("stream") is True),
            include_usage=_asks_for_usage(body),
            model=body.get("model"),
            number=len(self.requests),
            prefix=_prefix_of(body) if settings.honours_prefix else "",
            oddities=settings.oddities,
        )

    def _refusal(
        self,
        request: ReceivedRequest,
        provider: ProviderName,
        service: Service | None,
        now: float,
    ) -> ErrorReply | None:
        """Return the refusal of a request; ``None`` = it is accepted, and a chat request is in flight."""
        if service is None or request.method != METHODS[service]:
            return ErrorReply(404, message=f"no route for {request.method} {request.path}")
        key = request.headers.get("authorization")
        if self.api_key is not None and key != f"Bearer {self.api_key}":
            return ErrorReply(401, message="the bearer key is missing or wrong")
        if service == "models":
            return None
        if not isinstance(request.body, dict):
            return ErrorReply(400, message="the body is not a JSON object")
        with their_errors("an oddity"):
            message = self._settings.oddities.refusal(request.body)
        if message is not None:
            return ErrorReply(400, message=message)
        return self._limiter.refusal(request.body, provider, now)

    def _delayed(self, answer: Answer, now: float) -> Answer:
        """Return the answer with the headers of the limits, and its latency."""
        told = evolve(answer, headers=(*answer.headers, *self._limiter.headers(now)))
        with their_errors("the latency"):
            return self._settings.latency.apply(told, len(self.requests))

    def _reply(self, request: ReceivedRequest, service: Service | None) -> ScriptedReply:
        return self._settings.models if service == "models" else self._scripted(request)

    def _scripted(self, request: ReceivedRequest) -> ScriptedReply:
        with their_errors("the script function"):
            reply = self._make(request)
        if inspect.iscoroutine(reply):
            reply.close()
            raise ScriptError(_IS_ASYNC)
        if not is_reply(reply):
            raise ScriptError(f"the script function returned {named(reply)}, which is not a reply")
        return reply

    def _take(self, _request: ReceivedRequest) -> ScriptedReply:
        if self._replies:
            return self._replies.popleft()
        raise ScriptError(
            f"the script is used up: request {len(self.requests)} came, and it had {self._given} replies; "
            "give it more, or a function"
        )


def _checked(script: object) -> list[ScriptedReply]:
    """Return the replies of a script.

    Raises:
        TypeError: The script is neither replies nor a function, or one of them is not a reply.
    """
    if isinstance(script, (str, bytes, type)) or not isinstance(script, Iterable):
        raise TypeError(
            f"a script must be a reply, a list of replies or a function of the request, not {named(script)}"
        )
    replies: list[ScriptedReply] = []
    for index, reply in enumerate(script):
        if not is_reply(reply):
            raise TypeError(
                f"item {index} of the script is {named(reply)}, which is not a reply such as Reply or ErrorReply"
            )
        replies.append(reply)
    return replies


def _rendered(reply: ScriptedReply, asked: RenderContext) -> Answer:
    with their_errors(named(reply)):
        answer: object = reply.render(asked)
    if not isinstance(answer, Answer):
        raise ScriptError(f"{named(reply)} rendered {named(answer)}, which is not an Answer")
    return answer


def _prefix_of(body: Mapping[str, Any]) -> str:
    """Return the text that a request wants continued; ``""`` = none."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(last, dict) or last.get("partial") is not True:
        return ""
    content = last.get("content")
    return content if isinstance(content, str) else ""


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):  # a body that nests too deeply
        return None
