"""The tables of ``test_parsing.py``: JSON, and the chunk that is read from it.

A row named after a number is about that section of ``docs/providers.md``; the others are about no provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from kimi_async._protocol._chunk import ChunkChoice, ToolCallPiece
from kimi_async._record import Usage

JSON: TypeAlias = dict[str, Any]


def choice(
    index: int | str = 0,
    *,
    content: str | None = None,
    reasoning: str | None = None,
    refusal: str | None = None,
    calls: tuple[ToolCallPiece, ...] = (),
    finish: str | None = None,
    logprobs: Mapping[str, Any] | None = None,
    by_other_key: bool = False,
    has_halves: bool = False,
    in_message: bool = False,
) -> ChunkChoice:
    return ChunkChoice(
        index,
        content,
        reasoning,
        refusal,
        calls,
        finish,
        logprobs,
        by_other_key,
        has_halves,
        in_message,
    )


def piece(
    index: int | str | None = None,
    name: str | None = None,
    arguments: str | None = None,
    *,
    id: str | None = None,
    type: str | None = None,
) -> ToolCallPiece:
    return ToolCallPiece(index, id, name, arguments, type)


# A delta or message, and the fields of its choice.
SAID: Final[dict[str, tuple[JSON, ChunkChoice]]] = {
    "1.4-role-and-empty-content": ({"content": "", "role": "assistant"}, choice(content="")),
    "1.4-content-keeps-its-blank": ({"content": " Hi"}, choice(content=" Hi")),
    "1.4-reasoning-both-keys": (
        {"reasoning_content": "ok. ", "reasoning": "ok. "},
        choice(reasoning="ok. "),
    ),
    "1.4-reasoning-first-key": ({"reasoning_content": "ok"}, choice(reasoning="ok")),
    "1.4-content-beside-reasoning": (
        {"content": " Hi", "reasoning_content": "ok. ", "reasoning": "ok. "},
        choice(content=" Hi", reasoning="ok. "),
    ),
    "1.4-refusal-null": ({"content": "a", "refusal": None}, choice(content="a")),
    "1.4-refusal": ({"refusal": "No."}, choice(refusal="No.")),
    "1.4-tool-calls-empty": ({"content": "a", "tool_calls": []}, choice(content="a")),
    "2.4-tool-calls-null": ({"content": "a", "tool_calls": None}, choice(content="a")),
    "2.4-reasoning-keeps-its-blank": ({"reasoning_content": "ok "}, choice(reasoning="ok ")),
    "2.4-reasoning-null": ({"content": "a", "reasoning_content": None}, choice(content="a")),
    "2.4-nulls-of-a-shared-schema": (
        {"content": "Hi", "refusal": None, "annotations": None, "images": None, "audio": None}
        | {"reasoning_content": "ok ", "function_call": None, "tool_calls": None}
        | {"reasoning_details": None},
        choice(content="Hi", reasoning="ok "),
    ),
    "2.4-function-call-ignored": (
        {"content": "a", "function_call": {"name": "f", "arguments": "{}"}},
        choice(content="a"),
    ),
    "3.4-content-empty": ({"content": ""}, choice(content="")),
    "3.4-reasoning-empty-is-present": (
        {"reasoning_content": "", "content": "a"},
        choice(reasoning="", content="a"),
    ),
    "3.4-empty-delta": ({}, choice()),
    "5-reasoning-details": (
        {"reasoning_details": [{"type": "reasoning.text", "text": "o"}, {"text": "k"}]},
        choice(reasoning="ok"),
    ),
    "5-reasoning-details-without-text": (
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}, {"text": 5}, 6]},
        choice(),
    ),
    "5-reasoning-details-no-list": ({"reasoning_details": {"text": "x"}}, choice()),
    "6.2-reasoning-both-keys-differ": (
        {"reasoning_content": "a", "reasoning": "b"},
        choice(reasoning="a"),
    ),
    "6.2-reasoning-second-key": ({"reasoning": "ok"}, choice(reasoning="ok", by_other_key=True)),
    "6.2-reasoning-second-key-empty": ({"reasoning": ""}, choice(reasoning="", by_other_key=True)),
    "6.2-reasoning-first-key-empty": (
        {"reasoning_content": "", "reasoning": "ok"},
        choice(reasoning="ok"),
    ),
    "6.2-reasoning-both-keys-empty": (
        {"reasoning_content": "", "reasoning": ""},
        choice(reasoning=""),
    ),
    "6.2-reasoning-second-key-null": (
        {"reasoning_content": "", "reasoning": None},
        choice(reasoning=""),
    ),
    "6.2-reasoning-first-key-null": (
        {"reasoning_content": None, "reasoning": "ok"},
        choice(reasoning="ok", by_other_key=True),
    ),
    "6.2-reasoning-details-beside-text": (
        {"reasoning": "ok", "reasoning_details": [{"text": "no"}]},
        choice(reasoning="ok", by_other_key=True),
    ),
    "6.2-content-null": ({"content": None}, choice()),
    "6.2-role-repeated": ({"role": "assistant", "content": "a"}, choice(content="a")),
    "6.3-marker-tokens-are-left-alone": (
        {"content": "<|tool_calls_section_begin|>"},
        choice(content="<|tool_calls_section_begin|>"),
    ),
    "reasoning-of-another-api": ({"reasoning": {"effort": "high"}}, choice()),
    "content-as-parts": (
        {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        choice(content="ab"),
    ),
    "content-as-one-part": ({"content": {"type": "text", "text": "a"}}, choice(content="a")),
    "content-as-texts": ({"content": ["a", "b"]}, choice(content="ab")),
    "content-as-no-parts": ({"content": []}, choice()),
    "content-false": ({"content": False}, choice()),
    "content-with-an-empty-part": (
        {"content": [{"type": "text", "text": None}, {"type": "text", "text": "a"}, None]},
        choice(content="a"),
    ),
    "content-with-a-thinking-part": (
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
        choice(content="a", reasoning="hm"),
    ),
    "content-with-thinking-in-parts": (
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
        choice(reasoning="hm"),
    ),
    "content-with-a-reasoning-part": (
        {"content": [{"type": "reasoning", "text": "hm"}, "a"]},
        choice(content="a", reasoning="hm"),
    ),
    "content-with-a-signature": (
        {"content": [{"type": "redacted_thinking", "data": "x"}, {"text": "a"}]},
        choice(content="a"),
    ),
    "content-with-an-image": (
        {
            "content": [
                {"type": "image_url", "image_url": {"url": "x"}},
                {"type": "text", "text": "a"},
            ]
        },
        choice(content="a"),
    ),
    "content-image-alone": ({"content": [{"type": "image"}]}, choice()),
    "content-image-as-an-object": ({"content": {"type": "image"}}, choice()),
    "content-of-all-kinds": (
        {"content": ["a", 5, [], {"text": "b"}, ["c"]]},
        choice(content="a5bc"),
    ),
    "content-with-a-refusal": (
        {"content": [{"type": "refusal", "refusal": "No."}, {"type": "text", "text": "a"}]},
        choice(content="a", refusal="No."),
    ),
    "content-that-is-a-refusal": (
        {"content": {"type": "refusal", "refusal": "No."}, "refusal": None},
        choice(refusal="No."),
    ),
    "refusal-true": ({"content": "a", "refusal": True}, choice(content="a")),
    "content-number": ({"content": 6}, choice(content="6")),
    "content-number-as-sent": ({"content": 0.0}, choice(content="0.0")),
    "content-zero": ({"content": 0}, choice(content="0")),
    "refusal-false": ({"content": "a", "refusal": False}, choice(content="a")),
    "refusal-empty-list": ({"content": "a", "refusal": []}, choice(content="a")),
    "refusal-list": ({"refusal": ["no"]}, choice(refusal="no")),
    "refusal-number": ({"refusal": 0}, choice(refusal="0")),
    "reasoning-list": ({"reasoning_content": ["h", {"text": "m"}]}, choice(reasoning="hm")),
    "reasoning-object": ({"reasoning_content": {"content": "hm"}}, choice(reasoning="hm")),
    "reasoning-number": (
        {"reasoning_content": 7, "content": "a"},
        choice(content="a", reasoning="7"),
    ),
    "reasoning-without-text": ({"reasoning_content": [{"data": "x"}]}, choice()),
    "thinking": ({"thinking": "hm"}, choice(reasoning="hm")),
    "thinking-object": ({"thinking": {"thinking": "hm"}}, choice(reasoning="hm")),
    "thinking-of-a-request": ({"thinking": {"type": "enabled"}}, choice()),
    "thinking-beside-the-usual-key": (
        {"thinking": "hm", "reasoning_content": "hm"},
        choice(reasoning="hm"),
    ),
    "reasoning_text": ({"reasoning_text": "hm"}, choice(reasoning="hm")),
    "thinking_blocks": (
        {"thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": ""}]},
        choice(reasoning="hm"),
    ),
    "text-in-place-of-content": ({"text": "a"}, choice(content="a")),
    "text-beside-content": ({"text": "b", "content": "a"}, choice(content="a")),
    "text-as-a-value": (
        {"content": [{"type": "text", "text": {"value": "a"}}]},
        choice(content="a"),
    ),
    "tool-calls-false": ({"content": "a", "tool_calls": False}, choice(content="a")),
    "tool-calls-empty-object": ({"content": "a", "tool_calls": {}}, choice(content="a")),
}


def call(arguments: object = "", *, name: object = "f", **fields: object) -> JSON:
    return {"function": {"name": name, "arguments": arguments}, **fields}


# The tool calls of a delta, and their pieces.
CALLS: Final[dict[str, tuple[list[Any], tuple[ToolCallPiece, ...]]]] = {
    "2.4-keys-in-any-order": (
        [{"function": {"arguments": '{"a": 1}', "name": "f"}, "id": "f:0", "type": "function"}],
        (piece(None, "f", '{"a": 1}', id="f:0", type="function"),),
    ),
    "3.4-first-piece": (
        [call(index=0, id="call_1", type="function")],
        (piece(0, "f", "", id="call_1", type="function"),),
    ),
    "3.4-later-piece": ([{"index": 0, "function": {"arguments": "{}"}}], (piece(0, None, "{}"),)),
    "3.4-builtin-function": (
        [call(index=0, name="$web_search", type="builtin_function")],
        (piece(0, "$web_search", "", type="builtin_function"),),
    ),
    "5-id-forms": (
        [call(index=0, id="f:0"), call(index=1, id="functions.f:0"), call(index=2, id="call_1")],
        (
            piece(0, "f", "", id="f:0"),
            piece(1, "f", "", id="functions.f:0"),
            piece(2, "f", "", id="call_1"),
        ),
    ),
    "6.3-all-in-one-delta": (
        [call('{"a":1}', index=0, id="a"), call("{}", index=1, id="b", name="g")],
        (piece(0, "f", '{"a":1}', id="a"), piece(1, "g", "{}", id="b")),
    ),
    "6.3-one-character": ([call("{", index=2, name=None)], (piece(2, None, "{"),)),
    "6.3-arguments-before-the-name": (
        [{"index": 0, "id": "a", "function": {"arguments": "{"}}],
        (piece(0, None, "{", id="a"),),
    ),
    "6.3-index-missing": (
        [call("{}", id="a"), call("[]", id="b")],
        (piece(None, "f", "{}", id="a"), piece(None, "f", "[]", id="b")),
    ),
    "6.3-index-null": ([call(index=None)], (piece(None, "f", ""),)),
    "6.3-index-always-0": (
        [call("{}", index=0, id="a"), call("[]", index=0, id="b")],
        (piece(0, "f", "{}", id="a"), piece(0, "f", "[]", id="b")),
    ),
    "6.3-index-as-text": ([call(index="12")], (piece(12, "f", ""),)),
    "6.3-id-empty": ([call("x", index=0, id="", name=None)], (piece(0, None, "x"),)),
    "6.3-id-null": ([call("x", index=0, id=None)], (piece(0, "f", "x"),)),
    "6.3-id-missing": ([call("x", index=0)], (piece(0, "f", "x"),)),
    "6.3-id-odd-and-verbatim": (
        [call(index=0, id="chatcmpl-tool-9 é")],
        (piece(0, "f", "", id="chatcmpl-tool-9 é"),),
    ),
    "6.3-name-empty": ([call("x", index=0, name="")], (piece(0, None, "x"),)),
    "6.3-arguments-cut": ([call('{"a":', index=0)], (piece(0, "f", '{"a":'),)),
    "6.3-arguments-double-encoded": (
        [call('{"a":"{\\"b\\":1}"}', index=0)],
        (piece(0, "f", '{"a":"{\\"b\\":1}"}'),),
    ),
    "6.3-arguments-as-object": (
        [call({"city": "北京", "n": [1, 2.5, None]}, index=0)],
        (piece(0, "f", '{"city":"北京","n":[1,2.5,null]}'),),
    ),
    "6.3-arguments-as-empty-object": ([call({}, index=0)], (piece(0, "f", "{}"),)),
    "6.3-arguments-null": ([call(None, index=0)], (piece(0, "f"),)),
    "function-missing": ([{"index": 0, "id": "a"}], (piece(0, id="a"),)),
    "function-null": ([{"index": 0, "id": "a", "function": None}], (piece(0, id="a"),)),
    "type-odd": ([call(index=0, type=7)], (piece(0, "f", ""),)),
    "index-negative": (
        [call(index=-1, id="a"), call(index=0, id="b")],
        (piece(-1, "f", "", id="a"), piece(0, "f", "", id="b")),
    ),
    "index-name": ([call(index="first")], (piece("first", "f", ""),)),
    "index-whole-float": ([call(index=1.0)], (piece(1, "f", ""),)),
    "index-object": ([call(index={"n": 1})], (piece('{"n": 1}', "f", ""),)),
    "index-empty": ([call(index="")], (piece(None, "f", ""),)),
    "id-number": ([call(index=0, id=7)], (piece(0, "f", "", id="7"),)),
    "function-empty-list": ([{"index": 0, "id": "a", "function": []}], (piece(0, id="a"),)),
    "function-left-out": (
        [{"index": 0, "id": "a", "name": "f", "arguments": "{}"}],
        (piece(0, "f", "{}", id="a"),),
    ),
    "arguments-as-parameters": (
        [{"index": 0, "function": {"name": "f", "parameters": {"a": 1}}}],
        (piece(0, "f", '{"a":1}'),),
    ),
    "arguments-as-input": (
        [{"index": 0, "name": "f", "input": {"a": 1}, "arguments": None}],
        (piece(0, "f", '{"a":1}'),),
    ),
    "call-null": ([call(index=0), None], (piece(0, "f", ""),)),
}

# The choices of a chunk, as JSON and as read.
CHOICES: Final[dict[str, tuple[list[Any], tuple[ChunkChoice, ...]]]] = {
    "1.4-finish-null": ([{"index": 0, "delta": {}, "finish_reason": None}], (choice(),)),
    "1.4-finish-with-content": (
        [{"index": 0, "delta": {"content": "!"}, "finish_reason": "stop"}],
        (choice(content="!", finish="stop"),),
    ),
    "1.4-finish-with-empty-delta": (
        [{"index": 0, "delta": {}, "finish_reason": "length"}],
        (choice(finish="length"),),
    ),
    "1.4-logprobs-null": ([{"index": 0, "delta": {}, "logprobs": None}], (choice(),)),
    "1.4-logprobs-absent": ([{"index": 0, "delta": {}}], (choice(),)),
    "1.4-logprobs": (
        [{"index": 0, "delta": {}, "logprobs": {"content": []}}],
        (choice(logprobs={"content": []}),),
    ),
    "2.4-native-finish-reason": (
        [{"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": "end_turn"}],
        (choice(finish="stop"),),
    ),
    "3.4-finish-unexpected-state": (
        [{"index": 0, "delta": {}, "finish_reason": "unexpected_state"}],
        (choice(finish="unexpected_state"),),
    ),
    "6.2-finish-missing": ([{"index": 0, "delta": {"content": "a"}}], (choice(content="a"),)),
    "6.2-finish-empty": ([{"index": 0, "delta": {}, "finish_reason": ""}], (choice(),)),
    "finish-null-as-text": ([{"index": 0, "delta": {}, "finish_reason": "null"}], (choice(),)),
    "finish-none-as-text": ([{"index": 0, "delta": {}, "finish_reason": "None"}], (choice(),)),
    "6.2-finish-stop-beside-calls": (
        [{"index": 0, "delta": {"tool_calls": [call(index=0)]}, "finish_reason": "stop"}],
        (choice(calls=(piece(0, "f", ""),), finish="stop"),),
    ),
    "6.2-more-than-one": (
        [{"index": 1, "delta": {"content": "b"}}, {"index": 0, "delta": {"content": "a"}}],
        (choice(1, content="b"), choice(content="a")),
    ),
    "index-missing": (
        [{"delta": {"content": "a"}}, {"index": None, "delta": {"content": "b"}}],
        (choice(content="a"), choice(1, content="b")),
    ),
    "index-as-text": ([{"index": "3", "delta": {}}], (choice(3),)),
    "index-negative": ([{"index": -1, "delta": {}}], (choice(-1),)),
    "index-negative-text": ([{"index": "-1", "delta": {}}], (choice("-1"),)),
    "index-whole-float": ([{"index": 0.0, "delta": {}}], (choice(0),)),
    "index-true": ([{"index": True, "delta": {}}], (choice("true"),)),
    "index-empty-text": ([{"delta": {}}, {"index": "", "delta": {}}], (choice(0), choice(1))),
    "index-superscript": ([{"index": "\u00b2", "delta": {}}], (choice("\u00b2"),)),
    "index-long-text": ([{"index": "1" * 20, "delta": {}}], (choice("1" * 20),)),
    "finish-false": ([{"delta": {}, "finish_reason": False}], (choice(),)),
    "finish-object": ([{"delta": {}, "finish_reason": {"type": "stop"}}], (choice(finish="stop"),)),
    "finish-object-with-a-reason": (
        [{"delta": {}, "finish_reason": {"type": "", "reason": "length"}}],
        (choice(finish="length"),),
    ),
    "delta-in-a-list": ([{"delta": [{"content": "a"}]}], (choice(content="a"),)),
    "delta-in-a-list-with-a-number": ([{"delta": [{"content": 0.0}]}], (choice(content="0.0"),)),
    "finish-number": ([{"delta": {}, "finish_reason": 1}], (choice(finish="1"),)),
    "delta-empty-list": ([{"delta": [], "finish_reason": "stop"}], (choice(finish="stop"),)),
    "delta-false": ([{"delta": False}], (choice(),)),
    "choice-null": ([None, {"index": 0, "delta": {"content": "a"}}], (choice(content="a"),)),
    "tool-calls-as-one-object": (
        [{"delta": {"tool_calls": call(index=0)}}],
        (choice(calls=(piece(0, "f", ""),)),),
    ),
    "logprobs-odd": ([{"index": 0, "delta": {}, "logprobs": [1]}], (choice(),)),
    "text-in-the-choice": (
        [{"index": 0, "text": "a", "finish_reason": "stop"}],
        (choice(content="a", finish="stop"),),
    ),
    "text-beside-an-empty-delta": ([{"delta": {}, "text": 5}], (choice(content="5"),)),
    "message-beside-an-empty-delta": (
        [{"delta": {}, "message": {"content": "a"}}],
        (choice(content="a", in_message=True),),
    ),
    "delta-null": ([{"delta": None, "finish_reason": "stop"}], (choice(finish="stop"),)),
    "delta-missing": ([{"index": 0}], (choice(),)),
}

# A usage object, and its counts.
USAGES: Final[dict[str, tuple[object, Usage | None]]] = {
    "1.4-details-without-counts": (
        {"prompt_tokens": 9, "completion_tokens": 135, "total_tokens": 144}
        | {"prompt_tokens_details": {"cached_tokens_details": {}}, "completion_tokens_details": {}},
        Usage(prompt_tokens=9, completion_tokens=135, total_tokens=144),
    ),
    "2.4-details-null": (
        {"prompt_tokens": 3, "prompt_tokens_details": None, "completion_tokens_details": None},
        Usage(prompt_tokens=3),
    ),
    "2.4-cached-0-is-said": (
        {"prompt_tokens": 3, "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 0}},
        Usage(prompt_tokens=3, cached_tokens=0),
    ),
    "3.4-cached-at-top": (
        {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "cached_tokens": 1},
        Usage(prompt_tokens=3, completion_tokens=2, total_tokens=5, cached_tokens=1),
    ),
    "3.4-cached-in-both-places": (
        {"cached_tokens": 1, "prompt_tokens_details": {"cached_tokens": 0}},
        Usage(cached_tokens=0),
    ),
    "reasoning-tokens": (
        {"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 7}},
        Usage(completion_tokens=9, reasoning_tokens=7),
    ),
    "details-odd": (
        {"total_tokens": 5, "prompt_tokens_details": [1], "completion_tokens_details": 2},
        Usage(total_tokens=5),
    ),
    "counts-odd": (
        {
            "prompt_tokens": "9.",
            "completion_tokens": 1.5,
            "total_tokens": -1,
            "cached_tokens": True,
        },
        None,
    ),
    "counts-too-large": ({"prompt_tokens": 10**30, "completion_tokens": 1e300}, None),
    "counts-as-whole-floats-and-texts": (
        {"prompt_tokens": 100.0, "completion_tokens": "9", "total_tokens": 109.0},
        Usage(prompt_tokens=100, completion_tokens=9, total_tokens=109),
    ),
    "cached-as-cache-hit": (
        {"prompt_tokens": 3, "prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1},
        Usage(prompt_tokens=3, cached_tokens=2),
    ),
    "cached-as-cache-read": (
        {"prompt_tokens": 3, "cache_read_input_tokens": 2, "prompt_tokens_details": {}},
        Usage(prompt_tokens=3, cached_tokens=2),
    ),
    "cached-null-in-the-details": (
        {"cached_tokens": 1, "prompt_tokens_details": {"cached_tokens": None}},
        Usage(cached_tokens=1),
    ),
    "counts-under-other-names": (
        {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
        | {"output_tokens_details": {"reasoning_tokens": 1}},
        Usage(prompt_tokens=3, completion_tokens=2, cached_tokens=1, reasoning_tokens=1),
    ),
    "reasoning-tokens-at-top": ({"reasoning_tokens": 4}, Usage(reasoning_tokens=4)),
    "no-count": ({"prompt_tokens": None, "service_tier": "x"}, None),
    "empty": ({}, None),
    "null": (None, None),
    "odd": (["prompt_tokens"], None),
}

COUNTED: Final = {"total_tokens": 5}
# A chunk whose usage is ``COUNTED``.
USAGE_PLACES: Final[dict[str, JSON]] = {
    "1.4-usage-last-chunk": {"choices": [], "usage": COUNTED},
    "3.4-usage-at-top-of-the-finish-chunk": {"choices": [{"delta": {}}], "usage": COUNTED},
    "6.2-usage-in-choices": {"choices": [{"delta": {}, "usage": COUNTED}]},
    "6.2-usage-in-choices-beside-null": {"choices": [{"usage": COUNTED}], "usage": None},
    "6.2-usage-in-choices-beside-empty": {"choices": [{"usage": COUNTED}], "usage": {}},
    "6.2-usage-in-the-last-choice": {
        "choices": [{"usage": None}, {"usage": {}}, {"usage": COUNTED}]
    },
    "6.2-usage-in-both-places": {"choices": [{"usage": {"total_tokens": 1}}], "usage": COUNTED},
    "6.2-choices-missing": {"usage": COUNTED},
    "6.2-choices-null": {"choices": None, "usage": COUNTED},
}

# The head of a chunk, and the id, model and time that are read from it.
HEADS: Final[dict[str, tuple[JSON, tuple[str | None, str | None, int | None]]]] = {
    "1.4-id-of-k2.5": (
        {
            "id": "chatcmpl-a1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "kimi-k2.5",
        },
        ("chatcmpl-a1", "kimi-k2.5", 1),
    ),
    "1.4-id-of-k3": ({"id": "msg_a1"}, ("msg_a1", None, None)),
    "1.4-fingerprint-null": ({"system_fingerprint": None}, (None, None, None)),
    "2.4-id-bare-hex": ({"id": "0f" * 16}, ("0f" * 16, None, None)),
    "2.4-logprobs-at-top": ({"logprobs": None, "service_tier": None}, (None, None, None)),
    "3.4-id-cmpl": ({"id": "cmpl-1"}, ("cmpl-1", None, None)),
    "6.2-unknown-keys": ({"id": "a", "x_groq": {"id": "b"}}, ("a", None, None)),
    "empty": ({"id": "", "model": "", "created": None}, (None, None, None)),
    "odd": ({"id": 5, "model": ["m"], "created": "1"}, (None, None, None)),
    "created-true": ({"created": True}, (None, None, None)),
}

# Bytes that are not valid JSON text, and the content that is read from them.
DAMAGED: Final[dict[str, tuple[bytes, str]]] = {
    "6.1-padding": (b' \n\r\t{"choices":[{"delta":{"content":"a"}}]}\n\n', "a"),
    "6.1-byte-order-mark": (b'\xef\xbb\xbf{"choices":[{"delta":{"content":"a"}}]}', "a"),
    "6.1-byte-order-mark-and-padding": (
        b'\xef\xbb\xbf\n {"choices":[{"delta":{"content":"a"}}]}',
        "a",
    ),
    "not-utf-8": (b'{"choices":[{"delta":{"content":"a\xff\xe4\xbdz"}}]}', "a\ufffd\ufffdz"),
    "surrogate-pair-in-a-damaged-text": (
        b'{"choices":[{"delta":{"content":"\\ud83d\\ude00\xff"}}]}',
        "\U0001f600\ufffd",
    ),
    "a-number-too-large-for-a-float": (
        b'{"choices":[{"delta":{"content":"a"}}],"usage":{"total_tokens":1e400}}',
        "a",
    ),
    "control-characters": (b'{"choices":[{"delta":{"content":"a\n\tb\x00"}}]}', "a\n\tb\x00"),
}

# Bytes that are not a JSON object.
NO_OBJECT: Final[dict[str, bytes]] = {
    "empty": b"",
    "text": b"hello",
    "html": b"<html></html>",
    "cut": b'{"choices":[',
    "two-objects": b"{}{}",
    "list": b"[]",
    "null": b"null",
    "quoted-done": b'"[DONE]"',
    "int-too-large": b'{"created":' + b"1" * 9_000 + b"}",
    "deep-list": b"[" * 100_000,
    "deep-object": b'{"a":' * 100_000,
}


def at(**fields: object) -> JSON:
    return {"choices": [fields]}


def in_delta(**fields: object) -> JSON:
    return at(delta=fields)


def in_call(item: object) -> JSON:
    return in_delta(tool_calls=[item])


# A chunk, the expected type of a field, and its actual type.
WRONG: Final[dict[str, tuple[JSON, str, str]]] = {
    "choices-object": ({"choices": {"0": {}}}, "choices", "a list and is an object"),
    "choices-text": ({"choices": "a"}, "choices", "a list and is a text"),
    "choice-list": ({"choices": [{}, ["a"]]}, "choices[]", "an object and is a list"),
    "delta-text": (at(delta="a"), "delta", "an object and is a text"),
    "finish-object": (at(finish_reason={"a": 1}), "finish_reason", "a text and is an object"),
    "delta-of-two": (at(delta=[{}, {}]), "delta", "an object and is a list"),
    "delta-of-a-text": (at(delta=["a"]), "delta", "an object and is a text"),
    "finish-true": (at(finish_reason=True), "finish_reason", "a text and is true or false"),
    "content-true": (in_delta(content=True), "content", "a text and is true or false"),
    "content-object": (in_delta(content={"a": "b"}), "content", "a text and is an object"),
    "content-part-without-a-kind": (
        in_delta(content=["a", {"image": "x"}]),
        "content[]",
        "a part with text and is a list",
    ),
    "calls-object": (in_delta(tool_calls={"0": {}}), "tool_calls", "a list and is an object"),
    "calls-text": (in_delta(tool_calls="f()"), "tool_calls", "a list and is a text"),
    "call-text": (in_call("f()"), "tool_calls[]", "an object and is a text"),
    "function-text": (
        in_call({"function": "f"}),
        "tool_calls[].function",
        "an object and is a text",
    ),
    "call-name": (in_call(call(name=[5])), "tool_calls[].function.name", "a text and is a list"),
}

ERROR_OBJECTS: Final[dict[str, JSON]] = {
    "1.5-envelope": {"success": False, "error": {"code": "api_error", "message": "no"}},
    "1.5-error-null": {"success": False, "error": None, "trace_id": "t"},
    "1.5-error-missing": {"success": False},
    "6.4-error-object": {"error": {"message": "no"}},
    "6.4-error-text": {"error": "no"},
    "error-of-nothing-alone": {"error": {"code": None, "message": ""}},
    "error-true": {"error": True},
    "6.4-error-beside-no-choices": {"choices": [], "error": {"message": "no"}},
    "6.4-flat": {"code": 20015, "message": "no", "data": None},
    "6.4-nil": {"error": {"type": "<nil>", "message": "no"}, "type": "error"},
    "6.4-type-alone": {"type": "error"},
    "6.4-object-error": {"object": "error", "message": "no", "code": 400},
    "6.4-object-error-without-code": {"object": "error", "message": "no"},
    "minimax": {"base_resp": {"status_code": 1004, "status_msg": "login fail"}, "choices": None},
    "volcengine": {"ResponseMetadata": {"RequestId": "r", "Error": {"Code": "E", "Message": "no"}}},
    "tencent": {"Response": {"Error": {"Code": "E", "Message": "no"}, "RequestId": "r"}},
    "a-message-that-reports-an-error": {"message": "Internal server error"},
    "status-failed": {"status": "failed", "message": "no"},
    "a-message-of-aws": {"Message": "the service is unavailable", "__type": "E"},
}

# Values beside choices that are not errors.
NO_ERROR: Final[dict[str, JSON]] = {
    "error-null": {"error": None},
    "error-empty-text": {"error": ""},
    "error-empty-object": {"error": {}},
    "error-of-nothing": {"error": {"code": 0, "message": "", "type": None}},
    "error-null-as-text": {"error": "null"},
    "success-false": {"success": False},
    "flat": {"code": 0, "message": "Success"},
    "type-error": {"type": "error"},
    "object-error": {"object": "error"},
    "minimax-success": {"base_resp": {"status_code": 0, "status_msg": ""}},
    "minimax-of-another-type": {"base_resp": "x"},
    "a-message": {"message": "Internal server error"},
}

# Objects that say nothing at all.
NOTHING: Final[dict[str, JSON]] = {
    "an-envelope-that-says-success": {"code": 0, "message": "Success", "choices": []},
    "empty": {},
    "success": {"success": True},
    "ping": {"type": "ping"},
    "code-alone": {"code": 1},
    "error-of-nothing": {"choices": [], "error": {"code": None, "message": ""}},
    "head-alone": {"created": None, "data": None, "param": "x", "trace_id": "t"},
}

# Objects that say something and are no chunk.
STRAY: Final[dict[str, JSON]] = {
    "message": {"message": "boom"},
    "words-by-their-field": {"model": ["is bad"]},
    "words-of-a-field": {"param": "is bad"},
    "a-message-that-says-success": {"code": 0, "message": "ok, no error"},
    "other-words": {"who": "me"},
    "choices-null": {"choices": None, "who": "me"},
    "a-chunk-inside": {"data": {"choices": [{"delta": {"content": "Hi"}}]}},
}
