"""The parameters of a call: their types, and the checks before anything is sent; pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import NoneType
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec

from kimi_async._errors import ConfigurationError
from kimi_async._messages import Message, MessageDict, Messages
from kimi_async._models import Thinking, ThinkingDict
from kimi_async._request._borrowed import refuse_functions, refuse_unknown
from kimi_async._to_json import problem_of_json, problem_of_types
from kimi_async._wire import ChatRequest, ToolDefinition, Wire

__all__ = ["ChatParams", "chat_request", "check_headers", "wire_tools"]

_Limit = Annotated[int, msgspec.Meta(ge=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class _Plain(TypedDict, total=False):
    """The parameters whose type here is the type that is sent."""

    model: Annotated[str, msgspec.Meta(min_length=1)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)]
    max_tokens: _Limit
    max_completion_tokens: _Limit
    top_p: Annotated[float, msgspec.Meta(ge=0, le=1)]
    n: _Limit
    stop: str | Sequence[str]
    frequency_penalty: _Penalty
    presence_penalty: _Penalty
    logprobs: bool
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)]
    logit_bias: Mapping[str, float]
    response_format: Mapping[str, Any]
    tool_choice: Literal["auto", "none", "required"] | Mapping[str, Any]
    parallel_tool_calls: bool
    reasoning_effort: str
    prediction: Mapping[str, Any]
    user: str
    safety_identifier: str
    metadata: Mapping[str, str]
    seed: int
    prompt_cache_key: str
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]


class _Spelled(_Plain, total=False):
    """The parameters that msgspec checks; ``thinking`` is checked before, and ``tools`` are then JSON objects."""

    tools: Sequence[Mapping[str, Any]]


class ChatParams(_Plain, total=False):
    """The parameters of one reply, under the names that the OpenAI API gives them.

    A parameter is sent only if it is given. The ranges are the widest of any provider (see the page Providers, sections
    1.3, 2.3 and 3.3); a provider may accept less.

    Attributes:
        model: The model; the default is the model of the client. Cloudsway does not need one.
        temperature: 0 to 2. Moonshot accepts 0 to 1 on the K3 family and one fixed value on older models.
        max_tokens: The largest number of tokens of the reply, thinking included. Cloudsway always receives a limit,
            32768 unless you give one.
        max_completion_tokens: The newer name of the same limit.
        top_p: 0 to 1.
        n: Number of choices.
        stop: One text or several texts at which the model stops.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        logprobs: Whether the reply holds log probabilities.
        top_logprobs: 0 to 20.
        logit_bias: A bias for each token id.
        response_format: The form of the answer, such as ``{"type": "json_object"}``.
        tools: Tools made by :func:`~kimi_async.tools.tool`, or tools in the OpenAI form.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or one function as an object.
        parallel_tool_calls: Whether one turn may hold several calls.
        thinking: ``True``, ``False``, :class:`~kimi_async.Thinking`, or a dict of the form
            ``{"type": "enabled", "keep": "all", "effort": "low"}``; each is spelled for the provider. It is not sent
            when ``reasoning_effort`` is given.
        reasoning_effort: ``"low"``, ``"high"`` or ``"max"`` on the K3 family.
        prediction: The expected answer, ``{"type": "content", "content": ...}`` (K3 at Moonshot).
        user: The end user, for the abuse control of the provider.
        safety_identifier: The newer name of ``user`` (Moonshot).
        metadata: Texts that the provider keeps with the request.
        seed: The seed of the sampling, where the provider honours it.
        prompt_cache_key: Moonshot's key of the prefix cache.
        extra_body: Keys that are laid over the finished body. Use it for everything that has no parameter here.
        extra_headers: Headers of this call. The authorization and the headers that frame the request (``Host``,
            ``Content-Length``, ``Expect``, ...) cannot be given.
    """

    thinking: bool | Thinking | ThinkingDict
    tools: Sequence[ToolDefinition | Mapping[str, Any]]


_NAMES: Final = frozenset(ChatParams.__annotations__)
#: Parameters that the client reads itself; they are not part of the body.
_NOT_IN_BODY: Final = frozenset({"model", "extra_body", "extra_headers"})


def chat_request(
    messages: Messages, params: Mapping[str, Any], *, model: str | None, wire: Wire
) -> ChatRequest:
    """Check *messages* and *params* and make a request of them.

    Args:
        messages: The messages as the caller gave them.
        params: The parameters as the caller gave them; a value of ``None`` counts as not given.
        model: The model of the client, used if *params* has none.
        wire: Whether the reply is asked for as a stream or as one JSON body.

    Raises:
        ConfigurationError: A parameter is unknown, of a wrong type or out of range, or a message has a wrong form. The
            text names the place and quotes neither a message nor a header value. A message that JSON cannot
            express is found when a provider encodes the body.
    """
    given = {name: value for name, value in params.items() if value is not None}
    if model is not None:
        given.setdefault("model", model)
    check_names(given)
    if "tools" in given:
        given["tools"] = wire_tools(given["tools"])
    if "thinking" in given:
        given["thinking"] = _as_thinking(given["thinking"])
    problem = _problem_of(given)
    if problem is not None:
        raise ConfigurationError(f"bad parameter: {problem}")
    check_headers(given.get("extra_headers", {}), "extra_headers")
    return ChatRequest(
        model=given.get("model"),
        messages=_wire_messages(messages),
        wire=wire,
        params={name: value for name, value in given.items() if name not in _NOT_IN_BODY},
        extra_body=dict(given.get("extra_body", {})),
    )


def check_names(params: Collection[str]) -> None:
    """Refuse the names of parameters that do not exist.

    Raises:
        ConfigurationError: It names the first one, and its likely meaning.
    """
    refuse_unknown(
        [name for name in params if name not in _NAMES],
        "parameter",
        _NAMES,
        "extra_body={...} sends a key that has no parameter here",
    )


def wire_tools(tools: object) -> object:
    """Return *tools* in the OpenAI form; a value that is not a list is left to the check."""
    if not isinstance(tools, (list, tuple)):
        return tools
    refuse_functions(tools)
    if not any(isinstance(each, ToolDefinition) for each in tools):
        return tools
    return [each.to_wire() if isinstance(each, ToolDefinition) else each for each in tools]


def _as_thinking(value: object) -> bool | Thinking:
    """Read the value of ``thinking``.

    Raises:
        ConfigurationError: It has a wrong type, or the dict has an unknown key or type.
    """
    if isinstance(value, (bool, Thinking)):
        return value
    if not isinstance(value, Mapping):
        kind = "a class" if isinstance(value, type) else type(value).__name__
        raise ConfigurationError(
            f"bad parameter: thinking must be True, False, Thinking(...) or a dict, not {kind}"
        )
    fields: dict[str, Any] = {**value}
    word = fields.pop("type", None)
    if word not in ("enabled", "disabled") or fields.keys() - ThinkingDict.__annotations__.keys():
        raise ConfigurationError(
            "bad parameter: a thinking dict has a type of 'enabled' or 'disabled' and may have keep, effort and"
            " budget_tokens; extra_body={'thinking': ...} sends any other form"
        )
    return Thinking(enabled=word == "enabled", **fields)


def _problem_of(given: Mapping[str, Any]) -> str | None:
    thinking = given.get("thinking")
    if isinstance(thinking, Thinking) and thinking.effort and "reasoning_effort" in given:
        return "give reasoning_effort or Thinking(effort=...), not both"
    values = {name: value for name, value in given.items() if name != "thinking"}
    try:
        msgspec.convert(values, _Spelled, strict=True)
    except msgspec.ValidationError as error:
        return str(error)
    except UnicodeEncodeError:
        pass  # a text that is no UTF-8 is named below, and not quoted
    values.pop("extra_headers", None)
    return problem_of_json(values)


#: Headers that the HTTP client writes itself. Another value breaks the connection or makes the server wait for more.
_FRAMING: Final = frozenset(
    {
        *("connection", "content-encoding", "content-length", "expect", "host", "keep-alive"),
        *("proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "http2-settings"),
    }
)


def check_headers(headers: object, name: str) -> None:
    """Refuse headers that cannot be sent, that frame the request, or that hold the authorization.

    Raises:
        ConfigurationError: A header cannot be given. The text names the header and never shows its value.
    """
    if not isinstance(headers, Mapping):
        raise ConfigurationError(f"{name} must map header names to values")
    for key, value in headers.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ConfigurationError(f"{name} must map texts to texts")
        if key.lower() == "authorization":
            raise ConfigurationError(
                f"{name} must not hold the authorization; give the provider its api_key"
            )
        if key.lower() == "proxy-authorization":
            raise ConfigurationError(
                f"{name} must not hold {key}, which would reach the provider; give the HTTP client the proxy's user and"
                " password"
            )
        if key.lower() in _FRAMING:
            raise ConfigurationError(
                f"{name} must not hold {key}; the HTTP client writes it to fit the request"
            )
        if not _is_header_name(key) or not _is_header_value(value):
            raise ConfigurationError(
                f"{name}: the header {key!r} holds characters that cannot be sent"
            )


def _is_header_name(name: str) -> bool:
    return (
        name.isascii()
        and name != ""
        and all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in name)
    )


def _is_header_value(value: str) -> bool:
    return value.isascii() and (value.isprintable() or value == "") and value == value.strip()


def _wire_messages(messages: Messages) -> tuple[Mapping[str, Any], ...]:
    """Return *messages* as JSON objects."""
    if isinstance(messages, str):
        messages = [Message(role="user", content=messages)]
    elif isinstance(messages, Message):
        messages = [messages]
    if isinstance(messages, Mapping | bytes | bytearray | memoryview) or not isinstance(
        messages, Sequence
    ):
        raise ConfigurationError(
            f"messages must be a text, a Message or a list of messages, not {type(messages).__name__}"
        )
    if not messages:
        raise ConfigurationError("messages must hold at least one message")
    wire = tuple(_wire_message(message, place) for place, message in enumerate(messages))
    problem = _problem_of_messages(wire)
    if problem is not None:
        raise ConfigurationError(f"bad parameter: {problem}")
    return wire


def _problem_of_messages(messages: tuple[Mapping[str, Any], ...]) -> str | None:
    """Say which message JSON would change. One that cannot be encoded is found when the body is: images are large."""
    return problem_of_types({f"messages[{place}]": each for place, each in enumerate(messages)})


def _wire_message(message: Any, place: int) -> Mapping[str, Any]:
    """Return *message* as a JSON object; a dict keeps every key, and its tools are written in the OpenAI form."""
    wire = message.to_wire() if isinstance(message, Message) else message
    check_message(wire, place)
    return with_wire_tools(dict(wire))


def with_wire_tools(wire: dict[str, Any]) -> dict[str, Any]:
    """Write the tools of a message in the OpenAI form, and return the message."""
    if wire.get("tools") is not None:
        wire["tools"] = wire_tools(wire["tools"])
    return wire


def check_message(wire: Any, place: int) -> None:
    """Refuse a message in the OpenAI form that is malformed or has a misspelt key.

    Args:
        wire: The message.
        place: Its number in the list, from 0.

    Raises:
        ConfigurationError: It is not a dict, it has a misspelt key, or a key has a value of a wrong type.
    """
    if not isinstance(wire, Mapping):
        raise ConfigurationError(
            f"messages[{place}] must be a Message or a dict, not {type(wire).__name__}"
        )
    slip = _slip(wire)
    if slip is not None:
        raise ConfigurationError(f"messages[{place}] has {slip[0]}; did you mean {slip[1]!r}?")
    if not isinstance(wire.get("role"), str):
        raise ConfigurationError(f"messages[{place}] must have a 'role' that is a text")
    for key, (form, types) in _FORMS.items():
        if not isinstance(wire.get(key), (*types, NoneType)):
            kind = type(wire[key]).__name__
            raise ConfigurationError(f"messages[{place}]: {key} must be {form}, not {kind}")
    content: Any = wire.get("content") or ()
    for index, part in enumerate(() if isinstance(content, str) else content):
        if not isinstance(part, Mapping):
            raise ConfigurationError(
                f"messages[{place}]: content[{index}] must be a dict such as that of text_part(),"
                f" not {type(part).__name__}"
            )


#: The types of the keys that are the same at every provider; thinking and refusals are not.
_FORMS: Final[Mapping[str, tuple[str, tuple[type, ...]]]] = {
    "content": ("a text or a list of parts", (str, list, tuple)),
    "tool_calls": ("a list", (list, tuple)),
    "tools": ("a list", (list, tuple)),
    "tool_call_id": ("a text", (str,)),
    "name": ("a text", (str,)),
}
#: The keys that a message can have.
_KEYS: Final = frozenset(MessageDict.__annotations__)
#: The roles that a message can have.
ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})


def _slip(message: Mapping[Any, Any]) -> tuple[str, str] | None:
    """Find a key or a role that is one slip of the keyboard away from a known one that is missing."""
    for key in message.keys() - _KEYS:
        for known in sorted(_KEYS - message.keys()):
            if isinstance(key, str) and _is_one_slip(key, known):
                return f"the key {key!r}", known
    role = message.get("role")
    if isinstance(role, str) and role not in ROLES:
        for known in sorted(ROLES):
            if _is_one_slip(role, known):
                return f"the role {role!r}", known
    return None


def _is_one_slip(written: str, meant: str) -> bool:
    """Return whether one letter is missing, added or another one, or two neighbours changed places."""
    if abs(len(written) - len(meant)) > 1:
        return False
    start = 0
    while written[start : start + 1] == meant[start : start + 1] != "":
        start += 1
    left, right = written[start:], meant[start:]
    return (
        left[1:] == right
        or left == right[1:]
        or left[1:] == right[1:]
        or (left[1::-1], left[2:]) == (right[:2], right[2:])
    )
