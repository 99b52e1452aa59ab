"""Write replies as Moonshot and OpenAI-compatible hosts write them. Pure.

No stream of theirs is shipped as a recording. Moonshot's is that of the page Providers, 3.4 and 3.5. The compatible
host is our reading of a newer vLLM: thinking only under ``reasoning`` (6.2), usage in a chunk of its own and only when
it is asked for, errors with the phrase and number of the HTTP status.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from msgspec.structs import replace

from kimi_async._models import ModelInfo
from kimi_async._record import Usage
from kimi_async.testing._completion import Completion, Part, ReplyChoice, call_object
from kimi_async.testing._wire import ErrorSpec, Wire, as_models, given, head_of, phrase

__all__ = ["CompatibleWire", "MoonshotWire"]


class MoonshotWire(Wire):
    """Moonshot's own platform with K3 (the page Providers, 3.4, 3.5).

    Usage comes inside the finished choice, and once more in a last chunk when it was asked for.
    """

    # the page Providers, 3.2; 1M and 256K are its words for the context.
    listed: ClassVar[tuple[ModelInfo, ...]] = tuple(
        replace(
            model,
            context_length=1_048_576 if model.id == "kimi-k3" else 262_144,
            supports_image_in=True,
            supports_video_in=True,
            supports_reasoning=True,
        )
        for model in as_models(["kimi-k3", "kimi-k2.7-code", "kimi-k2.6"])
    )

    _TYPES: Final = {
        401: "invalid_authentication_error",
        403: "permission_denied_error",
        404: "resource_not_found_error",
        429: "rate_limit_reached_error",
        499: "client_closed_request",
        503: "server_unavailable",
        529: "server_unavailable",
    }

    def new_id(self, number: int) -> str:
        return f"chatcmpl-{number:024x}"

    def model(self, asked: str | None, /) -> str:
        return "kimi-k3" if asked is None else asked

    def error(self, complaint: ErrorSpec) -> dict[str, Any]:
        usual = "invalid_request_error" if complaint.status < 500 else "server_error"
        kind = complaint.type
        error: dict[str, Any] = {
            "type": self._TYPES.get(complaint.status, usual) if kind is None else kind,
            "message": complaint.message,
        }
        return {"error": error | given(code=complaint.code)}

    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        whole = head_of(completion, kind) | {"choices": choices}
        if any(choice["finish_reason"] is not None for choice in choices):
            whole["system_fingerprint"] = "fpv0_00000000"
        return whole if usage is None else whole | {"usage": self._usage(usage)}

    def _usage(self, usage: Usage) -> dict[str, Any]:
        details = given(reasoning_tokens=usage.reasoning_tokens)
        written: dict[str, Any] = {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            **given(cached_tokens=usage.cached_tokens),
        }
        return written | {"completion_tokens_details": details} if details else written

    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": index, **said, "finish_reason": reason}

    def _finish(self, choice: dict[str, Any], usage: Usage | None, /) -> dict[str, Any]:
        return choice if usage is None else choice | {"usage": self._usage(usage)}

    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": choice.content}
        message |= given(reasoning_content=choice.reasoning, refusal=choice.refusal)
        calls = [call_object(at, call) for at, call in enumerate(choice.tool_calls)]
        return message | {"tool_calls": calls} if calls else message

    def _delta(self, part: Part) -> dict[str, Any]:
        return {{"reasoning": "reasoning_content"}.get(key, key): part[key] for key in part}


class CompatibleWire(Wire):
    """An OpenAI-compatible host: open weights on a newer vLLM (the page Providers, 6.2)."""

    listed: ClassVar[tuple[ModelInfo, ...]] = as_models(["moonshotai/Kimi-K2.6"])

    # The phrase "Forbidden" is a code of Ace Data Cloud for filtered content.
    _TYPES: Final = {403: "permission_error"}

    def new_id(self, number: int) -> str:
        return f"chatcmpl-{number:032x}"

    def model(self, asked: str | None, /) -> str:
        return "moonshotai/Kimi-K2.6" if asked is None else asked

    def error(self, complaint: ErrorSpec) -> dict[str, Any]:
        status = complaint.status
        usual = self._TYPES.get(status) or phrase(status)
        return {
            "error": {
                "message": complaint.message,
                "type": usual if complaint.type is None else complaint.type,
                "param": None,
                "code": status if complaint.code is None else complaint.code,
            }
        }

    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        whole = head_of(completion, kind) | {"choices": choices}
        return whole if usage is None else whole | {"usage": self._usage(usage)}

    def _usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.prompt_tokens,
            "total_tokens": usage.total_tokens,
            "completion_tokens": usage.completion_tokens,
            "prompt_tokens_details": given(cached_tokens=usage.cached_tokens) or None,
            "completion_tokens_details": given(reasoning_tokens=usage.reasoning_tokens) or None,
        }

    def _choice(self, index: int, said: dict[str, Any], reason: str | None) -> dict[str, Any]:
        return {"index": index, **said, "logprobs": None, "finish_reason": reason}

    def _message(self, choice: ReplyChoice) -> dict[str, Any]:
        return {
            "role": "assistant",
            "content": choice.content,
            "refusal": choice.refusal,
            "reasoning": choice.reasoning,
            "tool_calls": [call_object(at, call) for at, call in enumerate(choice.tool_calls)],
        }

    def _delta(self, part: Part) -> dict[str, Any]:
        return part
