"""The provider that all fakes share: the wire of each path, the key, the script and the requests so far.

No I/O: a request comes in as values and an :class:`Answer` goes out. The server and the respx mocks put HTTP around it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, TypedDict

import httpx
from attrs import evolve, field, frozen

from kimi_async._models import ModelInfo
from kimi_async.testing._checks import (
    ScriptError,
    is_bool,
    is_one_of,
    is_typed,
    named,
    their_errors,
)
from kimi_async.testing._latency import Latency
from kimi_async.testing._oddities import oddities_named
from kimi_async.testing._oddity import Oddities, Oddity
from kimi_async.testing._rate_limits import FakeRateLimits, RateLimiter
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._script import ErrorReply, ModelList, RenderContext, ScriptedReply, is_reply
from kimi_async.testing._steps import Answer
from kimi_async.testing._wire import ProviderName

__all__ = ["HOSTS", "FakeOptions", "Models", "Script", "ScriptedProvider", "Served", "settings_of"]

_Service: TypeAlias = Literal["chat", "models"]

_METHODS: Final[Mapping[_Service, str]] = {"chat": "POST", "models": "GET"}

#: Where each provider takes chat requests on its own host. The order is for requests that do not tell whose they are.
_CHATS: Final[tuple[tuple[ProviderName, re.Pattern[str]], ...]] = (
    ("acedata", re.compile(r"/kimi/chat/completions")),
    ("cloudsway", re.compile(r"/v1/ai/.+/chat/completions")),
    ("moonshot", re.compile(r"/v1/chat/completions")),
    ("openai", re.compile(r"/v1/chat/completions")),
    # The unified bases (the page Providers, 1.1, 2.1).
    ("acedata", re.compile(r"/v1/chat/completions")),
    ("cloudsway", re.compile(r"/v1/chat/completions")),
)

#: Where all of them list their models (the page Providers, 1.1, 2.1, 3.1).
_MODELS: Final = "/v1/models"

#: Whose host is whose; that of the compatible host is made up.
HOSTS: Final[Mapping[str, ProviderName]] = {
    "api.acedata.cloud": "acedata",
    "genaiapi.cloudsway.net": "cloudsway",
    "api.moonshot.ai": "moonshot",
    "api.moonshot.cn": "moonshot",
    "openai.test": "openai",
}

_IS_ASYNC: Final = "the script function is async; it must return the reply, not await"

_NAMES: Final[Mapping[str, ProviderName]] = {name: name for name in HOSTS.values()}


#: The answer to ``GET .../models``: names and :class:`~kimi_async.ModelInfo`, or a reply to every such request.
Models: TypeAlias = Iterable[str | ModelInfo] | ScriptedReply

#: The answers: one reply to every request, replies in their order, or a function that makes the reply to each request.
Script: TypeAlias = (
    ScriptedReply | Iterable[ScriptedReply] | Callable[[ReceivedRequest], ScriptedReply]
)


def _as_models(models: Models | None) -> ScriptedReply:
    if not isinstance(models, ScriptedReply):
        return ModelList(models)
    if isinstance(models, type):
        raise TypeError(f"models is a sequence of names or a reply, not {named(models)}")
    return models


class FakeOptions(TypedDict, total=False):
    """The settings that all fakes have, by name: :class:`FakeProvider`, :class:`FakeTransport`, :func:`mock_kimi`.

    Attributes:
        models: The models that every provider lists, or a reply such as ``ErrorReply(404)`` to every request for the
            list; ``None`` (default) = the models that each provider documents. Such requests use up no reply of the
            script.
        answers_as: The provider that answers at paths that do not name one; ``None`` (default) = the first that has
            such a path.
        oddities: The oddities of :func:`oddities`, by name, and oddities of your own; none by default.
        honours_prefix: Whether a :class:`Reply` to a request with a prefix (``partial``) leaves the prefix out, if its
            content begins with it. ``False`` (default) = it is sent as scripted, as by a provider that starts anew.
        rate_limits: The limits that are refused with status 429; none by default.
        latency: The time that every answer takes; none by default.
    """

    models: Models | None
    answers_as: ProviderName | None
    oddities: Iterable[str | Oddity]
    honours_prefix: bool
    rate_limits: FakeRateLimits
    latency: Latency


@frozen(kw_only=True)
class FakeSettings:
    """The values of :class:`FakeOptions`, checked."""

    models: ScriptedReply = field(factory=ModelList, converter=_as_models)
    answers_as: ProviderName | None = field(default=None, validator=is_one_of(None, *_NAMES))
    oddities: Oddities = field(factory=Oddities, converter=oddities_named)
    honours_prefix: bool = field(default=False, validator=is_bool)
    rate_limits: FakeRateLimits = field(
        default=FakeRateLimits(), validator=is_typed(FakeRateLimits)
    )
    latency: Latency = field(default=Latency(), validator=is_typed(Latency))


def settings_of(options: Mapping[str, Any]) -> FakeSettings:
    """Return the settings of a fake, checked.

    Raises:
        TypeError: There is no option of that name, or a value has the wrong type.
        ValueError: A value is out of range.
    """
    known = FakeOptions.__annotations__
    unknown = [name for name in options if name not in known]
    if unknown:
        raise TypeError(f"a fake has no option {unknown[0]!r}; there are {', '.join(known)}")
    return FakeSettings(**options)


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
        provider, service = _route(headers.get("host", ""), path, self._settings.answers_as)
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
        service: _Service | None,
        now: float,
    ) -> ErrorReply | None:
        """Return the refusal of a request; ``None`` = it is accepted, and a chat request is in flight."""
        if service is None or request.method != _METHODS[service]:
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

    def _reply(self, request: ReceivedRequest, service: _Service | None) -> ScriptedReply:
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
            f"a script is a reply, a list of replies or a function of the request, not {named(script)}"
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


def _route(
    host: str, path: str, usual: ProviderName | None
) -> tuple[ProviderName, _Service | None]:
    """Return the wire and the service of a request; ``None`` = there is no such service.

    The provider's name in front of the path says whose it is, or else the host, if the request was meant for a
    provider's own and was sent here. Without either it is *usual*, or else the first one that has such a path.
    """
    bare = path.partition("?")[0]
    prefix, slash, rest = bare.removeprefix("/").partition("/")
    meant: ProviderName | None = _NAMES.get(prefix)
    if meant is None:
        meant = HOSTS.get(host.partition(":")[0]) or usual
    else:
        bare = slash + rest
    for name, chat in _CHATS:
        if meant in (name, None) and chat.fullmatch(bare):
            return name, "chat"
    return meant or "acedata", "models" if bare == _MODELS else None


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
