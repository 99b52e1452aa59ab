"""The provider behind every fake: which wire a path means, the key, the script, and what was asked so far.

No I/O: a request comes in as values and an :class:`Answer` goes out. The server and the respx mocks put HTTP around it.
"""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

import httpx
from attrs import frozen

from kimi_async._models import ModelInfo
from kimi_async.testing._script import ErrorReply, ModelList, RenderContext, ScriptedReply
from kimi_async.testing._steps import Answer
from kimi_async.testing._wire import ProviderName

__all__ = ["HOSTS", "Models", "ReceivedRequest", "Script", "ScriptedProvider"]

_logger = logging.getLogger("kimi_async.testing")

_Service: TypeAlias = Literal["chat", "models"]

_METHODS: Final[Mapping[_Service, str]] = {"chat": "POST", "models": "GET"}

#: Where each provider takes chat requests on its own host. The order is for requests that do not tell whose they are.
_CHATS: Final[tuple[tuple[ProviderName, re.Pattern[str]], ...]] = (
    ("acedata", re.compile(r"/kimi/chat/completions")),
    ("cloudsway", re.compile(r"/v1/ai/.+/chat/completions")),
    ("moonshot", re.compile(r"/v1/chat/completions")),
    ("openai", re.compile(r"/v1/chat/completions")),
    # The unified base (docs/providers.md 1.1).
    ("acedata", re.compile(r"/v1/chat/completions")),
)

#: Where all of them list their models (docs/providers.md 1.1, 2.1, 3.1).
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


#: What ``GET .../models`` is answered with: names and :class:`~kimi_async.ModelInfo`, or a reply to every such request.
Models: TypeAlias = Iterable[str | ModelInfo] | ScriptedReply

#: What is answered: replies in their order, or a function that makes the reply to each request.
Script: TypeAlias = Iterable[ScriptedReply] | Callable[[ReceivedRequest], ScriptedReply]


class ScriptedProvider:
    """All providers, without the HTTP around them.

    Attributes:
        api_key: The key that requests must carry.
        requests: All requests so far, refused ones too.
        failure: The first exception that a script function raised, or ``None``.
    """

    def __init__(self, script: Script, api_key: str, models: Models | None = None) -> None:
        self.api_key = api_key
        self._models = models if isinstance(models, ScriptedReply) else ModelList(models)
        self.requests: list[ReceivedRequest] = []
        self.failure: Exception | None = None
        self._replies: deque[ScriptedReply] = deque(() if callable(script) else script)
        self._given = len(self._replies)
        self._make = script if callable(script) else self._take

    def add(self, *replies: ScriptedReply) -> None:
        """Append replies to the script.

        Raises:
            RuntimeError: The script is a function.
        """
        if self._make != self._take:
            raise RuntimeError("the script is a function: there is no list to add replies to")
        self._replies.extend(replies)
        self._given += len(replies)

    def answer(
        self, *, method: str, path: str, headers: httpx.Headers, content: bytes, connection: int
    ) -> Answer:
        """Take one request and give the answer to it.

        A path, key or body that is wrong is refused as the provider would, and uses up no reply; nor does the list of
        models.
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
        return self._reply(request, service).render(asked)

    def raise_failure(self) -> None:
        """Raise what the script function raised, if it did."""
        if self.failure is not None:
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
            return self._make(request)
        except Exception as error:
            # Raised again at the end: an assertion inside a script function must fail the test, and a client that
            # retries would hide it.
            _logger.exception("the script function raised")
            self.failure = self.failure or error
            message = f"the script raised {type(error).__name__}: {error}"
            return ErrorReply(500, "script_failed", message=message)

    def _take(self, _request: ReceivedRequest) -> ScriptedReply:
        if self._replies:
            return self._replies.popleft()
        message = f"the script is used up: it had {self._given} replies"
        return ErrorReply(500, "script_used_up", message=message)


def _route(host: str, path: str) -> tuple[ProviderName, _Service | None]:
    """Tell whose wire a request speaks, and what it asks for; ``None`` = nothing that is there.

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
