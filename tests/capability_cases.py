"""What docs/providers.md says that providers can do, and the names of models by family."""

from __future__ import annotations

from typing import Any

# What the page says: a piece of its text, and the values that follow from it.
DOCUMENTED: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
    "1.3-partial": (
        "| partial (message) | bool | | | undocumented at Ace |",
        "acedata",
        None,
        {"partial_mode": False},
    ),
    "1.3-response_format": (
        "| object | older: text, json_object; newer: also json_schema |",
        "acedata",
        None,
        {"json_object": True, "json_schema": True},
    ),
    "1.3-thinking": (
        '| thinking | object | type enabled/disabled, keep "all" | | marked for kimi-k2.6 only |',
        "acedata",
        "kimi-k2.6",
        {"thinking_switch": True, "effort": ()},
    ),
    "1.3-thinking-of-others": (
        "marked for kimi-k2.6 only",
        "acedata",
        "kimi-k2.5",
        {"thinking_switch": False, "effort": ()},
    ),
    "1.3-reasoning_effort": (
        "| reasoning_effort | string | low/high/max | max | marked for kimi-k3;",
        "acedata",
        "kimi-k3",
        {"effort": ("low", "high", "max"), "thinking_switch": False},
    ),
    "1.3-tools": (
        "| tools, tool_choice, parallel_tool_calls | | none/auto/required/object |",
        "acedata",
        None,
        {"tools": True, "tool_choice": ("none", "auto", "required", "function")},
    ),
    "1.3-content": (
        "| string or parts | text, image_url, file |",
        "acedata",
        None,
        {"media": ("text", "image_url", "file")},
    ),
    "1.3-n": ("| older 1..128, newer exactly 1 |", "acedata", None, {"fixed_sampling": {"n": 1}}),
    "1.3-max_tokens": (
        "| max_tokens | number/null | | none |",
        "acedata",
        None,
        {"default_output_tokens": None},
    ),
    "7-max_tokens": (
        "one version of the guide gives 16,384 tokens",
        "acedata",
        "kimi-k3",
        {"max_output_tokens": None},
    ),
    "1.3-stop": ("| stop | string or array | up to 4 |", "acedata", None, {"stop_limit": 4}),
    "1.4-usage": (
        "| last chunk: `choices:[]` + usage, then `[DONE]` |",
        "acedata",
        None,
        {"usage_place": "last chunk"},
    ),
    "2.3-partial": (
        "documented, but the K2.5 capture starts afresh",
        "cloudsway",
        "kimi-k2.5",
        {"partial_mode": False},
    ),
    "2.3-response_format": (
        "| `json_object` shown | | json_schema not shown |",
        "cloudsway",
        None,
        {"json_object": True, "json_schema": False},
    ),
    "2.3-thinking": (
        '| thinking | object | `{"type":"false","budget_tokens":2000}` shown | on |',
        "cloudsway",
        None,
        {"thinking_switch": True},
    ),
    "4-effort": (
        "| reasoning_effort (K3) | unknown | reasoning_effort (K3) |",
        "cloudsway",
        "kimi-k3",
        {"effort": ()},
    ),
    "2.3-tools": (
        '| tools, tool_choice | | `"auto"` shown |',
        "cloudsway",
        None,
        {"tools": True, "tool_choice": ("auto",)},
    ),
    "4-media": (
        "| media | image, file | not shown | image, video |",
        "cloudsway",
        None,
        {"media": ("text",)},
    ),
    "2.3-temperature": (
        "| temperature | number | 0..2 |",
        "cloudsway",
        None,
        {"fixed_sampling": {}},
    ),
    "2.3-max_tokens": (
        "| max_tokens | int | up to 128000 | **1024** |",
        "cloudsway",
        None,
        {"max_output_tokens": 128_000, "default_output_tokens": 1024},
    ),
    "2.3-stop": ("| stop | string/array | up to 4 |", "cloudsway", None, {"stop_limit": 4}),
    "5-usage": (
        "| last, empty choices | body; stream unknown |",
        "cloudsway",
        None,
        {"usage_place": "any"},
    ),
    "3.2-k3.1": (
        "| kimi-k3.1-pro, -highspeed | always | top-level `reasoning_effort` low/high/max,",
        "moonshot",
        "kimi-k3.1-pro",
        {"thinking_switch": False, "effort": ("low", "high", "max")},
    ),
    "3.2-k3": (
        "| kimi-k3 | always | same |",
        "moonshot",
        "kimi-k3",
        {"thinking_switch": False, "effort": ("low", "high", "max")},
    ),
    "3.2-k2.7": (
        "| kimi-k2.7-code, -highspeed | always |",
        "moonshot",
        "kimi-k2.7-code",
        {"thinking_switch": False, "effort": ()},
    ),
    "3.2-k2.6": (
        "| kimi-k2.6 | default on | `thinking.type` enabled/disabled,",
        "moonshot",
        "kimi-k2.6",
        {"thinking_switch": True, "effort": ()},
    ),
    "3.3-max_completion_tokens-of-k3": (
        "| K3 up to 1048576 | K3 131072; K2.x 32768 |",
        "moonshot",
        "kimi-k3",
        {"max_output_tokens": 1_048_576, "default_output_tokens": 131_072},
    ),
    "3.3-max_completion_tokens-of-k2": (
        "| K3 up to 1048576 | K3 131072; K2.x 32768 |",
        "moonshot",
        "kimi-k2.6",
        {"max_output_tokens": None, "default_output_tokens": 32_768},
    ),
    "3.3-fixed": (
        "| top_p / n / penalties | | fixed 0.95 / 1 / 0 |",
        "moonshot",
        None,
        {
            "fixed_sampling": {
                "top_p": 0.95,
                "n": 1,
                "presence_penalty": 0,
                "frequency_penalty": 0,
            }
        },
    ),
    "3.3-stop": ("| stop | string or array | 5 items,", "moonshot", None, {"stop_limit": 5}),
    "3.3-response_format": (
        "| response_format | object | text, json_object, json_schema |",
        "moonshot",
        None,
        {"json_object": True, "json_schema": True},
    ),
    "3.3-tool_choice-of-k3": (
        "required: K3 only",
        "moonshot",
        "kimi-k3",
        {"tools": True, "tool_choice": ("auto", "none", "required")},
    ),
    "3.3-tool_choice-of-k2": (
        "named function clashes with thinking (400) or is ignored",
        "moonshot",
        "kimi-k2.6",
        {"tools": True, "tool_choice": ("auto", "none")},
    ),
    "3.3-partial": (
        "| messages[-1].partial | bool | role assistant, last message |",
        "moonshot",
        "kimi-k2.6",
        {"partial_mode": True},
    ),
    "6.4-partial": (
        "K3 ends after reasoning when prefilled",
        "moonshot",
        "kimi-k3",
        {"partial_mode": False},
    ),
    "3.3-content": (
        "| content parts | array | text, image_url, video_url |",
        "moonshot",
        None,
        {"media": ("text", "image_url", "video_url")},
    ),
    "3.4-usage": (
        "recorded shape is `choices[0].usage` on the finish chunk",
        "moonshot",
        None,
        {"usage_place": "choice"},
    ),
}

FAMILIES: dict[str, list[str | None]] = {
    "kimi-k3.1": ["kimi-k3.1-pro", "kimi-k3.1-pro-highspeed", "kimi-k3.1"],
    "kimi-k3": ["kimi-k3", "KIMI-K3", "moonshotai/kimi-k3:free"],
    "kimi-k2.7": ["kimi-k2.7-code", "kimi-k2.7-code-highspeed"],
    "kimi-k2.6": ["kimi-k2.6", "moonshotai/Kimi-K2.6"],
    "kimi-k2.5": ["kimi-k2.5", "MaaS_Kimi_K2.5_20260127"],
    "kimi-k2-thinking": [
        "kimi-k2-thinking",
        "kimi-k2-thinking-turbo",
        "moonshotai.kimi-k2-thinking",
    ],
    "kimi-k2": [
        "kimi-k2",
        "kimi-k2-instruct-0905",
        "kimi-k2-0905-preview",
        "kimi-k2-0711-preview",
        "kimi-k2-turbo-preview",
        "groq/moonshotai/Kimi-K2-Instruct",
    ],
    "*": [
        None,
        "",
        "kimi",
        "kimi-k",
        "kimi-latest",
        "MaaS_Kimi_X",
        "moonshot-v1-8k",
        "grok-4-0709",
        "kimi-k1.5",
        "kimi-k20",
        "kimi-k2.50",
        "kimi-k2.5.1",
        "kimi-k3.2",
        "kimi-k4",
        "accounts/fireworks/models/kimi-k2p5",
        "akimi-k2",
    ],
}
