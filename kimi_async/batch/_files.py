"""The lines of batch files: OpenAI's format, with the facts that a resumed batch needs; pure.

A line of the input is ``{"custom_id": ..., "body": {"messages": ..., ...}}``. Shorter forms are accepted too: the body
itself, ``{"prompt": ...}`` with parameters beside it, or a text. A line of the output has the same ``custom_id``, and
the reply in OpenAI's shape as its ``response``. A line of the error file is the line of the input with an ``error``, so
the file can be an input.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from attrs import field, frozen

from kimi_async._configuration import CallParams
from kimi_async._errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    ErrorInfo,
    KimiError,
    NotFoundError,
    OutputError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
)
from kimi_async._models import ChatCompletion
from kimi_async._request._params import ChatParams
from kimi_async.batch._rows import BatchRequest, BatchResult

__all__ = [
    "FileRow",
    "Finished",
    "digest_of",
    "error_line",
    "may_be_ours",
    "output_line",
    "passes",
    "read_row",
    "read_state",
]

_URL: Final = "/v1/chat/completions"
#: Keys of a body that say how the reply travels, which is not the row's business.
_TRAVEL: Final = frozenset({"stream", "stream_options"})
_PARAMETERS: Final = ChatParams.__annotations__.keys() | _TRAVEL
#: Keys of a row that are not parameters.
_ROW: Final = frozenset({"custom_id", "prompt"})
#: The beginning of each line that this package writes.
_BEGIN: Final = b'{"custom_id":'
#: The key of our own facts in a line.
_OURS: Final = "kimi_async"


@frozen(kw_only=True)
class FileRow:
    """One line of the input.

    Attributes:
        custom_id: The name of the row.
        body: The parameters and messages of the request, as OpenAI spells them.
        digest: Differs if the body differs.
    """

    custom_id: str
    body: Mapping[str, Any] = field(repr=False)
    digest: str

    @property
    def text_bytes(self) -> int:
        """The size of the texts in its messages."""
        return sum(
            len(text.encode()) for message in self.body["messages"] for text in _texts_of(message)
        )

    def to_request(self, system: str | None) -> BatchRequest[None]:
        """Return the request, with *system* as its system message if it has none."""
        params: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in self.body.items():
            if name in ChatParams.__annotations__:
                params[name] = value
            elif name != "messages" and name not in _TRAVEL:
                extra[name] = value
        given = params.get("extra_body")
        # Another value is left as it is: the request refuses it, and only this row fails.
        if extra and isinstance(given, (dict, type(None))):
            params["extra_body"] = {**(given or {}), **extra}
        messages: list[Any] = self.body["messages"]
        if system is not None and not any(_is_system(each) for each in messages):
            messages = [{"role": "system", "content": system}, *messages]
        return BatchRequest(self.custom_id, messages, cast("CallParams", cast("object", params)))


def _texts_of(message: object) -> Iterator[str]:
    """Yield the texts of *message*, which the request has not checked yet; media and ids are not text."""
    content = message.get("content") if isinstance(message, dict) else None
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text


def _is_system(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") == "system"


def digest_of(value: object) -> str:
    """Return a short text that differs for values that differ as JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_row(line: str, number: int, *, is_text: bool) -> FileRow:
    """Read one line of the input.

    Args:
        line: The line.
        number: Its number, from 1, which is the ``custom_id`` of a row without one.
        is_text: Whether the file holds prompts and not JSON.

    Raises:
        ConfigurationError: The line is not a request.
    """
    value: object = line.rstrip("\r\n") if is_text else _read_json(line, number)
    name = str(number)
    if isinstance(value, dict):
        name, value = value.get("custom_id", name), _body_of(value, number)
    if isinstance(value, str):
        value = _body_with(value)
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"line {number}: custom_id must be a text that is not empty")
    if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
        raise ConfigurationError(
            f'line {number}: expected {{"custom_id": ..., "body": {{"messages": [...]}}}}, {{"prompt": ...}} or a text'
        )
    return FileRow(custom_id=name, body=value, digest=digest_of(value))


def _read_json(line: str, number: int) -> object:
    try:
        value: object = msgspec.json.decode(line.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, RecursionError):
        raise ConfigurationError(
            f"line {number} is not JSON; name a file of prompts, one on each line, *.txt"
        ) from None
    return value


def _body_of(line: Mapping[str, Any], number: int) -> object:
    """Return the body of a row; a parameter at a place where it would be lost is refused."""
    rest = {name: value for name, value in line.items() if name not in _ROW}
    if "body" in line:
        _refuse(sorted(rest.keys() & _PARAMETERS), number, "put it into the body")
        _refuse_other_tasks(rest, number)
        return line["body"]
    if isinstance(line.get("prompt"), str):
        _refuse(sorted(rest.keys() - _PARAMETERS), number, "no parameter has this name")
        return {**_body_with(line["prompt"]), **rest}
    return {name: value for name, value in line.items() if name != "custom_id"}


def _refuse_other_tasks(line: Mapping[str, Any], number: int) -> None:
    """Refuse a line of OpenAI's format that is not for chat completions; their address begins with any version."""
    method, url = line.get("method", "POST"), line.get("url", _URL)
    if method != "POST" or not isinstance(url, str) or not url.endswith(_URL.removeprefix("/v1")):
        raise ConfigurationError(
            f"line {number}: only requests to POST {_URL} can be sent; leave out other lines"
        )


def _body_with(prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]}


def _refuse(names: Sequence[str], number: int, advice: str) -> None:
    if names:
        raise ConfigurationError(f"line {number}: {names[0]!r} would be ignored here; {advice}")


class Finished(msgspec.Struct, frozen=True, kw_only=True):
    """A row that an earlier run has finished.

    Attributes:
        custom_id: The name of the row.
        row: The digest of its body.
        settings: The digest of the settings of that run.
        may_repeat: Whether it failed in a way that may succeed when it is sent again.
    """

    custom_id: str
    row: str
    settings: str
    may_repeat: bool = False


def read_state(line: str) -> Finished | None:
    """Read the facts of a line of the output or of the error file; ``None`` if this package did not write it."""
    try:
        value: Any = msgspec.json.decode(line)
        return msgspec.convert({"custom_id": value["custom_id"], **value[_OURS]}, Finished)
    except (msgspec.MsgspecError, RecursionError, KeyError, TypeError):
        return None


def may_be_ours(line: bytes) -> bool:
    """Return whether this package may have written *line*, which may be torn."""
    try:
        msgspec.json.decode(line)
    except (msgspec.MsgspecError, RecursionError):
        # After a crash of the machine, zeros may be at the place of the text that was not written.
        return line.startswith(_BEGIN) or _BEGIN.startswith(line.rstrip(b"\0"))
    return read_state(line.decode()) is not None


def output_line(row: FileRow, reply: ChatCompletion, settings: str) -> bytes:
    """Return the line of a reply, with its line end."""
    response = {"status_code": 200, "request_id": reply.request_id, "body": reply.to_openai()}
    ours = {"row": row.digest, "settings": settings, "provider": reply.provider}
    return _line({"custom_id": row.custom_id, "response": response, "error": None, _OURS: ours})


#: Errors of the account, and of a URL or a provider that does not know the model: another run may have other ones.
_OF_THE_RUN: Final = (AuthenticationError, NotFoundError, QuotaExceededError, RateLimitError)


def passes(error: KimiError) -> bool:
    """Return whether the same request may succeed in another run: the failure was not one of the request itself."""
    if isinstance(error, ProviderUnavailableError):
        return not error.errors or any(map(passes, error.errors))
    if error.retryable or isinstance(error, _OF_THE_RUN):
        return True
    return not isinstance(error, (APIError, ConfigurationError, OutputError))


def error_line(row: FileRow, result: BatchResult[Any], settings: str) -> bytes:
    """Return the line of a failure, with its line end: the row itself, its error and the text that arrived."""
    error = result.error
    assert error is not None
    told: dict[str, Any] = {**msgspec.to_builtins(ErrorInfo.of(error))}
    if error.partial is not None and error.partial.text:
        told["partial"] = error.partial.text
    ours = {"row": row.digest, "settings": settings, "may_repeat": passes(error)}
    line = {"custom_id": row.custom_id, "method": "POST", "url": _URL, "body": row.body}
    return _line({**line, "error": told, _OURS: ours})


def _line(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(value) + b"\n"
