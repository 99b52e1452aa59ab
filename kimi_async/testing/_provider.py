"""The provider that all fakes share: the wire of each path, the key, the script and the requests so far.

No I/O: a request comes in as values and an :class:`Answer` goes out. The server and the respx mocks put HTTP around it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import httpx
from attrs import frozen

from kimi_async._models import ModelInfo
from kimi_async.testing._checks import ScriptError, named
from kimi_async.testing._script import ErrorReply, ModelList, RenderContext, ScriptedReply, is_reply
from kimi_async.testing._steps import Answer
from kimi_async.testing._wire import ProviderName

__all__ = ["HOSTS", "Models", "ReceivedRequest", "Script", "ScriptedProvider"]

_Service: TypeAlias = Literal["chat", "models"]

_METHODS: Final[Mapping[_Service, str]] = {"chat": "POST", "models": "GET"}

#: Where each provider takes chat requests on its own host. The order is for requests that do not tell whose they are.
_CHATS: Final[tuple[tuple[ProviderName, re.Pattern[str]], ...]] = (
    ("acedata", re.compile(r"/kimi/chat/completions")),
    ("cloudsway", re.compile(r"/v1/ai/.+/chat/completions")),
    ("moonshot", re.compile(r"/v1/chat/completions")),
    ("openai", re.compile(r"/v1/chat/completions")),
    # The unified base (the page Providers, 1.1).
    ("acedata", re.compile(r"/v1/chat/completions")),
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

_NAMES: Final[Mapping[str, ProviderName]] = {name: name for name in HOSTS.values()}


@frozen(kw_only=True)
class ReceivedRequest:
    """One request as it reached a fake. The ``repr`` shows no key.

    Attributes:
        method: The HTTP method.
        path: The path, with the query if there is one.
        headers: The headers, looked up without regard to case. They do hold the key.
        body: The JSON body; ``None`` if there is none or it is not JSON.
        provider: The wire that the path belongs to; ``None`` if none.
        connection: Which connection it came on, counted from 1; 0 where there are none (respx).
    """

    method: str
    path: str
    # The repr of httpx.Headers masks authorization.
    headers: httpx.Headers
    body: Any
    provider: ProviderName | None
    connection: int


#: The answer to ``GET .../models``: names and :class:`~kimi_async.ModelInfo`, or a reply to every such request.
Models: TypeAlias = Iterable[str | ModelInfo] | ScriptedReply

#: The answers: replies in their order, or a function that makes the reply to each request.
Script: TypeAlias = Iterable[ScriptedReply] | Callable[[ReceivedRequest], ScriptedReply]


class ScriptedProvider:
    """All providers, without the HTTP around them.

    Attributes:
        api_key: The key that requests must carry.
        requests: All requests so far, refused ones too.
        failure: The first error of the script, or ``None``.
    """

    def __init__(self, script: Script, api_key: str, models: Models | None = None) -> None:
        self.api_key = api_key
        self._models = models if isinstance(models, ScriptedReply) else ModelList(models)
        self.requests: list[ReceivedRequest] = []
        self.failure: ScriptError | None = None
        if inspect.iscoroutinefunction(script):
            raise TypeError("the script function is async; it must return the reply, not await")
        self._replies: deque[ScriptedReply] = deque()
        self._make: Callable[[ReceivedRequest], object] = self._take
        if callable(script) and not isinstance(script, ScriptedReply):
            self._make = script
        else:
            self._replies.extend(_checked(script))
        self._given = len(self._replies)

    def add(self, *replies: ScriptedReply) -> None:
        """Append replies to the script.

        Raises:
            RuntimeError: The script is a function.
            TypeError: One of them is not a reply.
        """
        if self._make != self._take:
            raise RuntimeError("the script is a function: there is no list to add replies to")
        self._replies.extend(_checked(replies))
        self._given += len(replies)

    def answer(
        self, *, method: str, path: str, headers: httpx.Headers, content: bytes, connection: int
    ) -> Answer:
        """Take one request and give the answer to it.

        A path, key or body that is wrong is refused as the provider would refuse it, and uses up no reply; nor does
        the list of models.

        Raises:
            ScriptError: The script is used up, or its function or its reply failed.
        """
        provider, service = _route(headers.get("host", ""), path)
        request = ReceivedRequest(
            method=method,
            path=path,
            headers=headers,
            body=_parse(content),
            provider=None if service is None else provider,
            connection=connection,
        )
        self.requests.append(request)
        body = request.body if isinstance(request.body, dict) else {}
        asked = RenderContext(
            provider=provider,
            stream=body.get("stream") is True,
            include_usage=_asks_for_usage(body),
            model=body.get("model"),
            number=len(self.requests),
        )
        try:
            return _rendered(self._reply(request, service), asked)
        except ScriptError as error:
            # Kept for the end of the block: a program under test may drop the task that made the request.
            self.failure = self.failure or error
            raise

    def raise_failure(self, error: BaseException | None) -> None:
        """Raise the first error of the script at the end of a block, if there is one.

        Args:
            error: The exception that ends the block. An :class:`Exception` is usually a consequence of the script's
                error; a cancellation and the like go first.
        """
        if self.failure is not None and (error is None or isinstance(error, Exception)):
            raise self.failure

    def _reply(self, request: ReceivedRequest, service: _Service | None) -> ScriptedReply:
        if service is None or request.method != _METHODS[service]:
            return ErrorReply(404, message=f"no route for {request.method} {request.path}")
        if request.headers.get("authorization") != f"Bearer {self.api_key}":
            return ErrorReply(401, message="the bearer key is missing or wrong")
        if service == "models":
            return self._models
        if not isinstance(request.body, dict):
            return ErrorReply(400, message="the body is not a JSON object")
        return self._scripted(request)

    def _scripted(self, request: ReceivedRequest) -> ScriptedReply:
        try:
            reply = self._make(request)
        except Exception as error:
            raise ScriptError(
                f"the script function raised {type(error).__name__}: {error}"
            ) from error
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
    if isinstance(script, (str, bytes, ScriptedReply)) or not isinstance(script, Iterable):
        raise TypeError(
            f"a script is a list of replies or a function of the request, not {named(script)}"
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
    try:
        answer: object = reply.render(asked)
    except Exception as error:
        raise ScriptError(f"{named(reply)} raised {type(error).__name__}: {error}") from error
    if not isinstance(answer, Answer):
        raise ScriptError(f"{named(reply)} rendered {named(answer)}, which is not an Answer")
    return answer


def _route(host: str, path: str) -> tuple[ProviderName, _Service | None]:
    """Return the wire and the service of a request; ``None`` = there is no such service.

    The provider's name in front of the path says whose it is, or else the host, if the request was meant for a
    provider's own and was sent here. Without either the first one that has such a path is it.
    """
    bare = path.partition("?")[0]
    prefix, slash, rest = bare.removeprefix("/").partition("/")
    meant = _NAMES.get(prefix)
    if meant is None:
        meant = HOSTS.get(host.partition(":")[0])
    else:
        bare = slash + rest
    for name, chat in _CHATS:
        if meant in (name, None) and chat.fullmatch(bare):
            return name, "chat"
    return meant or "acedata", "models" if bare == _MODELS else None


def _asks_for_usage(body: Mapping[str, Any]) -> bool:
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return None
