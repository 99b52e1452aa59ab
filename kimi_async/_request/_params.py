"""What a call can say: its parameters, their types, and the checks before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec
from attrs import asdict

from kimi_async._errors import ConfigurationError
from kimi_async._models import Message, Messages, Thinking
from kimi_async._wire import ChatRequest, ToolDefinition

__all__ = ["ChatParams", "chat_request", "check_headers"]

_Limit = Annotated[int, msgspec.Meta(ge=1)]
_Penalty = Annotated[float, msgspec.Meta(ge=-2, le=2)]


class _Plain(TypedDict, total=False):
    """The parameters that are given as they are sent."""

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
    thinking: bool | Thinking
    reasoning_effort: str
    user: str
    metadata: Mapping[str, str]
    seed: int
    prompt_cache_key: str
    extra_body: Mapping[str, Any]
    extra_headers: Mapping[str, str]


class _Spelled(_Plain, total=False):
    """All parameters as they are sent, for the check: msgspec knows no union of a class and a mapping."""

    tools: Sequence[Mapping[str, Any]]


class ChatParams(_Plain, total=False):
    """The parameters of one reply, under the field's names; only what is given is sent.

    Ranges are the widest of any provider (``docs/providers.md`` 1.3, 2.3, 3.3); a provider may take less.

    Attributes:
        model: The model; the client's own is the default. Cloudsway needs none.
        temperature: 0 to 2. Kimi K2.5 and later accept one fixed value at Moonshot: better left out.
        max_tokens: The most tokens of the reply, thinking included. Cloudsway always gets one (32768).
        max_completion_tokens: The newer name of the same limit.
        top_p: 0 to 1.
        n: Number of choices.
        stop: One or several texts at which to stop.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        logprobs: Whether to give log probabilities.
        top_logprobs: 0 to 20.
        logit_bias: Token id to bias.
        response_format: ``{"type": "json_object"}`` and its kind.
        tools: Tools made by :func:`~kimi_async.tools.tool`, or in the OpenAI form.
        tool_choice: ``"auto"``, ``"none"``, ``"required"`` or one function as an object.
        parallel_tool_calls: Whether several calls may come in one turn.
        thinking: ``True``, ``False`` or :class:`~kimi_async.Thinking`; spelled for the provider. Left out when
            ``reasoning_effort`` is given, which says more.
        reasoning_effort: ``"low"``, ``"high"``, ``"max"`` for the K3 family.
        user: The end user, for the provider's abuse control.
        metadata: Texts to keep with the request.
        seed: For reproducible sampling, where it is honoured.
        prompt_cache_key: Moonshot's key of the prefix cache.
        extra_body: Keys laid over the finished body: a way to send what has no parameter here.
        extra_headers: Headers for this call. The authorization cannot be given here.
    """

    tools: Sequence[ToolDefinition | Mapping[str, Any]]


_NAMES: Final = frozenset(ChatParams.__annotations__)
#: Read by the client itself and not part of the body.
_NOT_IN_BODY: Final = frozenset({"model", "extra_body", "extra_headers"})


def chat_request(
    messages: Messages, params: Mapping[str, Any], *, model: str | None, stream: bool
) -> ChatRequest:
    """Check *messages* and *params* and make the request of them.

    Args:
        messages: As the caller gave them.
        params: As the caller gave them; what is ``None`` counts as not given.
        model: The client's own model, for want of one in *params*.
        stream: Whether the reply comes as events.

    Raises:
        ConfigurationError: A parameter is unknown, of a wrong type or out of range, or a message is none. The text
            names the place, and holds nothing of a message or a header value.
    """
    given = {name: value for name, value in params.items() if value is not None}
    if "tools" in given:
        given["tools"] = _wire_tools(given["tools"])
    if model is not None:
        given.setdefault("model", model)
    unknown = next((name for name in given if name not in _NAMES), None)
    if unknown is not None:
        raise ConfigurationError(_unknown_parameter(unknown))
    problem = _problem_of(given)
    if problem is not None:
        raise ConfigurationError(problem)
    check_headers(given.get("extra_headers", {}), "extra_headers")
    return ChatRequest(
        model=given.get("model"),
        messages=_wire_messages(messages),
        stream=stream,
        params={name: value for name, value in given.items() if name not in _NOT_IN_BODY},
        extra_body=dict(given.get("extra_body", {})),
    )


def _wire_tools(tools: object) -> object:
    """Tools as they are sent; what is no list is left to the check."""
    if not isinstance(tools, (list, tuple)) or not any(
        isinstance(each, ToolDefinition) for each in tools
    ):
        return tools
    return [each.to_wire() if isinstance(each, ToolDefinition) else each for each in tools]


def _unknown_parameter(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, _NAMES, n=1)
    hint = (
        f"did you mean {near[0]!r}?"
        if near
        else "extra_body={...} sends what has no parameter here"
    )
    return f"unknown parameter {name!r}; {hint}"


def _problem_of(given: Mapping[str, Any]) -> str | None:
    thinking = given.get("thinking", False)
    if not isinstance(thinking, (bool, Thinking)):
        return f"bad parameter: thinking must be True, False or Thinking(...), not {type(thinking).__name__}"
    # Into a finished value msgspec does not look.
    unmade = {"thinking": asdict(thinking)} if isinstance(thinking, Thinking) else {}
    try:
        msgspec.convert({**given, **unmade}, _Spelled, strict=True)
    except msgspec.ValidationError as error:
        return f"bad parameter: {error}"
    return _problem_of_json(
        {name: value for name, value in given.items() if name not in ("thinking", "extra_headers")}
    )


def _problem_of_json(values: Mapping[str, Any]) -> str | None:
    if _is_json(values):
        return None
    culprit = next(name for name, value in values.items() if not _is_json(value))
    return f"bad parameter: {culprit} holds something that cannot be written as JSON"


def _is_json(value: object) -> bool:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def check_headers(headers: object, name: str) -> None:
    """Refuse headers that cannot be sent, and an authorization, which belongs to the provider.

    Raises:
        ConfigurationError: Naming the header and never its value.
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
    """Messages as JSON objects; dicts go through unchanged."""
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, (Message, Mapping)) or not isinstance(messages, Sequence):
        raise ConfigurationError(
            f"messages must be a text or a list of messages, not {type(messages).__name__}"
        )
    if not messages:
        raise ConfigurationError("messages must hold at least one message")
    wire = tuple(_wire_message(message, place) for place, message in enumerate(messages))
    problem = _problem_of_json(
        {f"messages[{place}]": message for place, message in enumerate(wire)}
    )
    if problem is not None:
        raise ConfigurationError(problem)
    return wire


def _wire_message(message: object, place: int) -> Mapping[str, Any]:
    if isinstance(message, Message):
        return message.to_wire()
    if not isinstance(message, Mapping):
        raise ConfigurationError(
            f"messages[{place}] must be a Message or a dict, not {type(message).__name__}"
        )
    if not isinstance(message.get("role"), str):
        raise ConfigurationError(f"messages[{place}] must have a 'role' that is a text")
    return dict(message)
