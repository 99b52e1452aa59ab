"""How each provider writes a reply down, streamed and whole, and how it says no. Pure.

Keys, their order, nulls and the place of the finish reason are those of the recordings in ``data/``. Two things were
never recorded and are our reading: Cloudsway's chunks (the fields of its bodies moved to ``delta``,
``docs/providers.md`` 2.4; usage last as OpenAI does) and Cloudsway's errors (2.5).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, Final, Literal, TypeAlias

from attrs import frozen

from kimi_async._models import Usage
from kimi_async.testing._completion import (
    Completion,
    Part,
    ReplyChoice,
    call_object,
    dump,
    parts_of,
)

__all__ = ["WIRES", "Complaint", "ProviderName", "Wire", "stream_events"]

#: The wires that the fakes speak.
ProviderName: TypeAlias = Literal["acedata", "cloudsway"]


@frozen(kw_only=True)
class Complaint:
    """An error before a provider's spelling.

    Attributes:
        status: The HTTP status.
        code: The provider's code; ``None`` = the provider's usual one for the status.
        message: The text.
        type: An error type; ``None`` = none.
        number: Which request it answers, from 1; trace ids are made from it.
    """

    status: int
    code: str | int | None
    message: str
    type: str | None
    number: int


class Wire(ABC):
    """How one provider writes; what all have in common is written here."""

    @abstractmethod
    def new_id(self, number: int) -> str:
        """Give the id of the reply to the *number*-th request."""

    @abstractmethod
    def model(self, asked: str | None, /) -> str:
        """Give the model's name that is echoed to a request for *asked*."""

    @abstractmethod
    def error(self, complaint: Complaint) -> dict[str, Any]:
        """Write an error in the provider's envelope."""

    @abstractmethod
    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        """Write the outermost object of a body or a chunk; *kind* is its ``object``."""

    @abstractmethod
    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        """Write a choice; *said* is its ``message`` or ``delta`` under that key."""

    @abstractmethod
    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        """Write a whole message."""

    @abstractmethod
    def _delta(self, part: Part) -> dict[str, Any]:
        """Write one piece of a message; ``{}`` is the empty delta."""

    @abstractmethod
    def _finishable(self, parts: list[Part]) -> list[Part]:
        """Arrange the parts of a choice so that the last one can carry the finish reason."""

    def body(self, completion: Completion) -> dict[str, Any]:
        """Write a completion as one JSON body."""
        choices = [
            self._choice(index, {"message": self._message(choice)}, choice.reason)
            for index, choice in enumerate(completion.choices)
        ]
        return self._whole(completion, "chat.completion", choices, completion.usage)

    def chunks(self, completion: Completion) -> Iterator[dict[str, Any]]:
        """Write a completion as the objects of a stream: choices take turns, usage is last."""
        kind = "chat.completion.chunk"
        turns = (
            self._deltas(index, choice, completion.chunk_chars)
            for index, choice in enumerate(completion.choices)
        )
        for choice in chain.from_iterable(zip_longest(*turns)):
            if choice is not None:
                yield self._whole(completion, kind, [choice], None)
        if completion.usage is not None:
            yield self._whole(completion, kind, [], completion.usage)

    def _deltas(
        self, index: int, choice: ReplyChoice, chunk_chars: int
    ) -> Iterator[dict[str, Any]]:
        *parts, last = self._finishable(parts_of(choice, chunk_chars))
        for part in parts:
            yield self._choice(index, {"delta": self._delta(part)}, None)
        yield self._choice(index, {"delta": self._delta(last)}, choice.reason)


class _AceData(Wire):
    """Ace Data Cloud with K2.5, as recorded on 2026-02-13 (``docs/providers.md`` 1.4, 1.5)."""

    _CODES: Final = {
        400: "bad_request",
        401: "invalid_token",
        403: "used_up",
        404: "no_api",
        429: "too_many_requests",
        504: "timeout",
    }

    def new_id(self, number: int) -> str:
        return f"chatcmpl-{number:016x}"

    def model(self, asked: str | None, /) -> str:
        return "kimi-k2.5" if asked is None else asked

    def error(self, complaint: Complaint) -> dict[str, Any]:
        code = complaint.code
        error = {
            "code": self._CODES.get(complaint.status, "api_error") if code is None else code,
            "message": complaint.message,
        }
        return {
            "success": False,
            "error": error | _given(type=complaint.type),
            "trace_id": f"00000000-0000-4000-8000-{complaint.number:012x}",
        }

    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        fingerprint = {"system_fingerprint": None} if kind == "chat.completion.chunk" else {}
        return {
            "id": completion.id,
            "object": kind,
            "created": completion.created,
            "model": completion.model,
            **fingerprint,
            "choices": choices,
            "usage": None if usage is None else self._usage(usage),
        }

    def _usage(self, usage: Usage) -> dict[str, Any]:
        details: dict[str, Any] = {"cached_tokens_details": {}}
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": details | _given(cached_tokens=usage.cached_tokens),
            "completion_tokens_details": _given(reasoning_tokens=usage.reasoning_tokens),
        }

    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": index, **said, "logprobs": None, "finish_reason": reason}

    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        return {
            "role": "assistant",
            "content": choice.content,
            "refusal": choice.refusal,
            "reasoning_content": choice.reasoning,
            "reasoning": choice.reasoning,
            "tool_calls": [call_object(at, call) for at, call in enumerate(choice.tool_calls)],
        }

    def _delta(self, part: Part) -> dict[str, Any]:
        if "reasoning" not in part:
            return part
        others = {key: value for key, value in part.items() if key != "reasoning"}
        return others | {"reasoning_content": part["reasoning"], "reasoning": part["reasoning"]}

    def _finishable(self, parts: list[Part]) -> list[Part]:
        """Join the last reasoning with the first content, and let the last content carry the finish reason.

        Both as recorded. What does not end with content gets an empty delta for it, as K3 does.
        """
        joined: list[Part] = []
        for part in parts:
            if joined and "content" in part and joined[-1].keys() == {"reasoning"}:
                joined[-1] = part | joined[-1]
            else:
                joined.append(part)
        # The opening has content as well, and never a finish reason.
        return joined if len(joined) > 1 and "content" in joined[-1] else [*joined, {}]


class _Cloudsway(Wire):
    """Cloudsway with K2.5, its bodies as recorded on 2026-04-13 (``docs/providers.md`` 2.4)."""

    def new_id(self, number: int) -> str:
        return f"{number:032x}"

    def model(self, _asked: str | None, /) -> str:
        # The endpoint picks the model, whatever was asked for.
        return "MaaS_Kimi_K2.5_20260127"

    def error(self, complaint: Complaint) -> dict[str, Any]:
        """Write the flat form, one of those that resellers use (6.4): Cloudsway's own is not documented."""
        code = complaint.status if complaint.code is None else complaint.code
        return {"code": code, "message": complaint.message, **_given(type=complaint.type)}

    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        return {
            "id": completion.id,
            "choices": choices,
            "logprobs": None,
            "created": completion.created,
            "model": completion.model,
            "object": kind,
            "system_fingerprint": None,
            "service_tier": None,
            "usage": None if usage is None else self._usage(usage),
        }

    def _usage(self, usage: Usage) -> dict[str, Any]:
        prompt = {"audio_tokens": 0, "cached_tokens": usage.cached_tokens}
        return {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "completion_tokens_details": _given(reasoning_tokens=usage.reasoning_tokens) or None,
            "prompt_tokens_details": None if usage.cached_tokens is None else prompt,
            "cache_creation_input_tokens": None,
            "cache_creation": None,
            "gemini_cache_tokens_details": None,
        }

    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {
            "index": index,
            "logprobs": None,
            **said,
            "finish_reason": reason,
            "native_finish_reason": None,
        }

    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        calls = [call_object(at, call) for at, call in enumerate(choice.tool_calls)]
        part = {
            "content": choice.content,
            "refusal": choice.refusal,
            "reasoning": choice.reasoning,
            "tool_calls": calls or None,
        }
        return self._delta(part)

    def _delta(self, part: Part) -> dict[str, Any]:
        if not part:
            return {}
        return {
            "role": "assistant",
            "content": part.get("content"),
            "refusal": part.get("refusal"),
            "annotations": None,
            "images": None,
            "reasoning_content": part.get("reasoning"),
            "function_call": None,
            "tool_calls": part.get("tool_calls"),
            "reasoning_details": None,
        }

    def _finishable(self, parts: list[Part]) -> list[Part]:
        return [*parts, {}]


#: Each provider's way of writing.
WIRES: Final[Mapping[ProviderName, Wire]] = {"acedata": _AceData(), "cloudsway": _Cloudsway()}


def _given(**fields: str | int | None) -> dict[str, str | int]:
    """Leave out what is ``None``."""
    return {name: value for name, value in fields.items() if value is not None}


def stream_events(wire: Wire, completion: Completion) -> tuple[bytes, ...]:
    """Write a completion as server-sent events, ``[DONE]`` last; each with its blank line."""
    data = [*map(dump, wire.chunks(completion)), "[DONE]"]
    return tuple(f"data: {text}\n\n".encode() for text in data)
