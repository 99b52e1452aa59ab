"""Write replies as the two resellers write them, Ace Data Cloud and Cloudsway. Pure.

Keys, their order, nulls and the place of the finish reason are those of the recordings in ``data/``. Two things were
never recorded and are our reading: Cloudsway's chunks (the fields of its bodies moved to ``delta``,
the page Providers, 2.4; usage last as OpenAI does) and Cloudsway's errors (2.5).
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from kimi_async._models import ModelInfo
from kimi_async._record import Usage
from kimi_async.testing._completion import Completion, Part, ReplyChoice, call_object
from kimi_async.testing._wire import ErrorSpec, Wire, as_models, given, head_of

__all__ = ["AceDataWire", "CloudswayWire"]


class AceDataWire(Wire):
    """Ace Data Cloud with K2.5, as recorded on 2026-02-13 (the page Providers, 1.4, 1.5)."""

    # Captures that did not ask for usage have it (the page Providers, 1.3).
    usage_unasked: ClassVar[bool] = True
    # the page Providers, 1.2, mid 2026.
    listed: ClassVar[tuple[ModelInfo, ...]] = as_models(
        ["kimi-k3", "kimi-k2.6", "kimi-k2-thinking-turbo", "kimi-k2.5", "kimi-k2-thinking"]
    )

    _CODES: Final = {
        400: "bad_request",
        401: "invalid_token",
        403: "disabled",
        404: "no_api",
        429: "too_many_requests",
        500: "api_error",
        504: "timeout",
    }

    def new_id(self, number: int) -> str:
        return f"chatcmpl-{number:016x}"

    def model(self, asked: str | None, /) -> str:
        return "kimi-k2.5" if asked is None else asked

    def error(self, complaint: ErrorSpec) -> dict[str, Any]:
        """Write the error; a status for which no code is documented has none, and so keeps its meaning."""
        usual = self._CODES.get(complaint.status)
        code = usual if complaint.code is None else complaint.code
        error = {**given(code=code), "message": complaint.message}
        return {
            "success": False,
            "error": error | given(type=complaint.type),
            "trace_id": f"00000000-0000-4000-8000-{complaint.number:012x}",
        }

    def _whole(
        self, completion: Completion, kind: str, choices: list[Any], usage: Usage | None
    ) -> dict[str, Any]:
        fingerprint = {"system_fingerprint": None} if kind == "chat.completion.chunk" else {}
        return {
            **head_of(completion, kind),
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
            "prompt_tokens_details": details | given(cached_tokens=usage.cached_tokens),
            "completion_tokens_details": given(reasoning_tokens=usage.reasoning_tokens),
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

        Both as recorded. A message that does not end with content gets an empty delta for it, as K3 does.
        """
        joined: list[Part] = []
        for part in parts:
            if joined and "content" in part and joined[-1].keys() == {"reasoning"}:
                joined[-1] = part | joined[-1]
            else:
                joined.append(part)
        # The opening has content as well, and never a finish reason.
        return joined if len(joined) > 1 and "content" in joined[-1] else [*joined, {}]


class CloudswayWire(Wire):
    """Cloudsway with K2.5, its bodies as recorded on 2026-04-13 (the page Providers, 2.4)."""

    usage_unasked: ClassVar[bool] = True
    listed: ClassVar[tuple[ModelInfo, ...]] = as_models(["MaaS_Kimi_K2.5_20260127"])

    def new_id(self, number: int) -> str:
        return f"{number:032x}"

    def model(self, _asked: str | None, /) -> str:
        # The endpoint picks the model, whatever was asked for.
        return "MaaS_Kimi_K2.5_20260127"

    def error(self, complaint: ErrorSpec) -> dict[str, Any]:
        """Write the flat form, one of those that resellers use (6.4): Cloudsway's own is not documented.

        Its code is the status, but for a success: ``"code": 200`` would say that all is well.
        """
        usual = complaint.status if complaint.status >= 300 else 500
        code = usual if complaint.code is None else complaint.code
        return {"code": code, "message": complaint.message, **given(type=complaint.type)}

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
            "completion_tokens_details": given(reasoning_tokens=usage.reasoning_tokens) or None,
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

    def _model(self, model: ModelInfo) -> dict[str, Any]:
        """Write one entry with ``created`` as a text of digits (the page Providers, 2.1)."""
        created = None if model.created is None else str(model.created)
        return super()._model(model) | given(created=created)
