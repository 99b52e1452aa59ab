"""The table of ``test_checks.py``: requests with one problem each, and the same requests put right."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

import kimi_async as kimi
from kimi_async import AceDataCloud, Cloudsway, Message, Moonshot, Provider, ToolCall

K26, K3, K31 = "kimi-k2.6", "kimi-k3", "kimi-k3.1-pro"
MOONSHOT, ACE, CLOUDSWAY = Moonshot("k"), AceDataCloud("k"), Cloudsway("k", "path")
HI = [kimi.user("Hi")]


@frozen(kw_only=True)
class Case:
    """A request with one problem, and a request without it that differs in nothing else."""

    code: str
    where: str
    text: str
    error: bool = False
    contradiction: bool = False
    provider: Provider = MOONSHOT
    model: str | None = K26
    bad: dict[str, Any] = field(factory=dict)
    good: dict[str, Any] = field(factory=dict)
    bad_messages: Any = HI
    good_messages: Any = HI


def named(name: object, kind: str = "function") -> dict[str, Any]:
    return {"type": kind, "function": {"name": name, "parameters": {"type": "object"}}}


def with_schema(schema: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"a": schema}}
    return {"type": "function", "function": {"name": "g", "parameters": parameters}}


F = ToolCall(id="f:0", name="f", arguments="{}")
G = ToolCall(id="g:1", name="g", arguments="{}")
FORCED = {"type": "function", "function": {"name": "f"}}


def called(*calls: ToolCall, reasoning: str | None = "Hm.", content: str | None = None) -> Message:
    return kimi.assistant(content, reasoning_content=reasoning, tool_calls=calls)


def turn(*calls: ToolCall) -> list[Message]:
    return [called(*calls), *(kimi.tool_result(call, "1") for call in calls)]


TEXT: dict[str, Any] = {"type": "text", "text": "Hi"}
NO_TEXT: dict[str, Any] = {"type": "text", "text": ""}
SCHEMA: dict[str, Any] = {"name": "n", "schema": {"type": "object"}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
FAR = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
#: Parts without the key that holds their content, and the same put right.
WITHOUT_THEIR_KEY: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"type": "text", "txt": "Hi"}, TEXT),
    ({"type": "text", "text": 5}, TEXT),
    ({"type": "image_url", "url": "data:image/png;base64,AAAA"}, PICTURE),
]
BARE = {"type": "image_url", "image_url": "http://example.com/a.png"}
SOUND = {"type": "input_audio", "input_audio": {}}
BEGUN = kimi.assistant("{", partial=True)

CASES: dict[str, Case] = {
    # Parameters
    "3.3-fixed-sampling": Case(
        code="fixed-sampling",
        where="top_p",
        text="only 0.95 is accepted; leave it out",
        error=True,
        bad={"top_p": 0.9},
        good={"top_p": 0.95, "presence_penalty": 0},
    ),
    "1.3-n": Case(
        code="fixed-sampling",
        where="n",
        text="only 1 is accepted",
        provider=ACE,
        bad={"n": 2},
        good={"n": 1},
    ),
    "3.3-temperature-thinking": Case(
        code="temperature",
        where="temperature",
        text="only 1 is accepted",
        error=True,
        bad={"temperature": 0.6},
        good={"temperature": 1.0},
    ),
    "3.3-temperature-not-thinking": Case(
        code="temperature",
        where="temperature",
        text="only 0.6 is accepted",
        error=True,
        bad={"temperature": 1.0, "thinking": kimi.Thinking(enabled=False)},
        good={"temperature": 0.6, "thinking": False},
    ),
    "9.2-temperature-of-k3": Case(
        code="temperature",
        where="temperature",
        text="only 0 to 1 is accepted; leave it out",
        error=True,
        model=K3,
        bad={"temperature": 1.1},
        good={"temperature": 0.3},
    ),
    "9.2-temperature-of-k3-at-the-edges": Case(
        code="temperature",
        where="temperature",
        text="only 0 to 1 is accepted",
        error=True,
        model=K3,
        bad={"temperature": 2.0, "thinking": False},
        good={"temperature": 0, "thinking": False},
    ),
    "9.1-retired-model": Case(
        code="retired-model",
        where="model",
        text="retired on 2026-08-31",
        error=True,
        model="kimi-k2.5",
        good={"model": "kimi-k2.6"},
    ),
    "9.1-retired-model-of-the-first-generation": Case(
        code="retired-model",
        where="model",
        text="retired on 2026-05-25",
        error=True,
        model="kimi-k2-0905-preview",
        good={"model": "kimi-k3"},
    ),
    "9.1-retired-model-by-its-own-name": Case(
        code="retired-model",
        where="model",
        text="retired on 2026-08-31",
        error=True,
        provider=Moonshot("k", models={"mine": "moonshot-v1-8k", "kimi-k2.5": "kimi-k2.6"}),
        model="mine",
        good={"model": "kimi-k2.5"},
    ),
    "3.3-stop-limit": Case(
        code="stop-limit",
        where="stop",
        text="6 texts, and 5 are accepted",
        bad={"stop": ["a"] * 6},
        good={"stop": ["a"] * 5},
    ),
    "2.3-stop-limit": Case(
        code="stop-limit",
        where="stop",
        text="5 texts, and 4 are accepted",
        provider=CLOUDSWAY,
        bad={"stop": [*"abcde"]},
        good={"stop": "abcde"},
    ),
    "3.3-stop-length": Case(
        code="stop-length",
        where="stop",
        text="longer than 32 bytes",
        bad={"stop": "北" * 11},
        good={"stop": ["北" * 10]},
    ),
    "3.3-effort": Case(
        code="effort",
        where="reasoning_effort",
        text="'medium' is not accepted: the words are low, high, max",
        model=K3,
        bad={"reasoning_effort": "medium"},
        good={"reasoning_effort": "max"},
    ),
    "3.3-effort-of-others": Case(
        code="effort",
        where="reasoning_effort",
        text="'low' is not accepted: this model takes no effort",
        bad={"reasoning_effort": "low"},
        good={"thinking": True},
    ),
    "9.2-effort-in-thinking": Case(
        code="effort",
        where="thinking",
        text="'medium' is not accepted: the words are low, high, max",
        model=K3,
        bad={"thinking": {"type": "enabled", "effort": "medium"}},
        good={"thinking": {"type": "enabled", "keep": "all", "effort": "low"}},
    ),
    "3.2-always-thinks": Case(
        code="thinking",
        where="thinking",
        text="it may think anyway",
        model=K31,
        bad={"thinking": False},
        good={"thinking": True},
    ),
    "9.2-thinking-beside-an-effort": Case(
        code="thinking",
        where="thinking",
        text="it is not sent beside reasoning_effort",
        model=K3,
        bad={"thinking": False, "reasoning_effort": "low"},
        good={"thinking": True, "reasoning_effort": "low"},
    ),
    "9.2-keep-beside-an-effort": Case(
        code="thinking",
        where="thinking",
        text="use Thinking(effort=...)",
        model=K3,
        bad={"thinking": kimi.Thinking(keep="all"), "reasoning_effort": "low"},
        good={"thinking": kimi.Thinking(keep="all", effort="low")},
    ),
    "9.2-thinking-off-on-k3": Case(
        code="thinking",
        where="thinking",
        text="not known to accept it",
        provider=ACE,
        model=K3,
        bad={"thinking": False},
        good={"reasoning_effort": "low"},
    ),
    "3.3-output-limit": Case(
        code="output-limit",
        where="max_tokens",
        text="2000000 is more than the 1048576",
        model=K3,
        bad={"max_tokens": 2_000_000},
        good={"max_completion_tokens": 1_048_576},
    ),
    "2.3-json-schema": Case(
        code="json-schema",
        where="response_format",
        text="use json_object",
        provider=CLOUDSWAY,
        bad={"response_format": {"type": "json_schema", "json_schema": {}}},
        good={"response_format": {"type": "json_object"}},
    ),
    "json-object": Case(
        code="json-object",
        where="response_format",
        text="not known to have a JSON mode",
        provider=Moonshot("k", capabilities=MOONSHOT.capabilities.override(json_object=False)),
        bad={"response_format": {"type": "json_object"}},
        good={"response_format": {"type": "text"}},
    ),
    **{
        f"9.2-schema-form-{name}": Case(
            code="schema-form",
            where="response_format",
            text="needs a name that is a text and a schema that is an object",
            error=True,
            model=K3,
            bad={"response_format": {"type": "json_schema", "json_schema": form}},
            good={"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        )
        for name, form in {
            "none": None,
            "no-name": {"schema": {"type": "object"}},
            "no-schema": {"name": "n"},
            "schema-of-another-type": {"name": "n", "schema": []},
            "strict-of-another-type": {**SCHEMA, "strict": "yes"},
        }.items()
    },
    # Tools
    "tools-in-a-message": Case(
        code="tools",
        where="messages",
        text="not known to call tools",
        provider=Moonshot("k", capabilities=MOONSHOT.capabilities.override(tools=False)),
        model=K3,
        bad_messages=[{"role": "system", "tools": [named("f")]}, *HI],
        good_messages=HI,
    ),
    "9.2-tools-in-a-message-of-another-model": Case(
        code="tools-in-message",
        where="messages[0]",
        text="use the parameter tools",
        error=True,
        bad_messages=[{"role": "system", "tools": [named("f")]}, *HI],
        good={"tools": [named("f")]},
    ),
    "9.2-tools-beside-content": Case(
        code="tools-in-message",
        where="messages[1]",
        text="only a message of role system without content",
        error=True,
        model=K3,
        bad_messages=[*HI, {"role": "system", "content": "Use it.", "tools": [named("f")]}],
        good_messages=[*HI, {"role": "system", "content": "", "tools": [named("f")]}],
    ),
    "9.2-tools-of-another-role": Case(
        code="tools-in-message",
        where="messages[0]",
        text="only a message of role system without content",
        error=True,
        model=K3,
        bad_messages=[{"role": "developer", "tools": [named("f")]}, *HI],
        good_messages=[
            {"role": "system", "content": None, "tools": [named("f")]},
            *HI,
            {"role": "system", "tools": [named("g")]},
        ],
    ),
    "9.2-tool-of-a-message-again": Case(
        code="repeated-tool",
        where="messages[0].tools[0]",
        text="another tool has the same name",
        error=True,
        model=K3,
        bad={"tools": [named("f")]},
        bad_messages=[{"role": "system", "tools": [named("f")]}, *HI],
        good={"tools": [named("f")]},
        good_messages=[{"role": "system", "tools": [named("g")]}, *HI],
    ),
    "9.2-tool-of-a-message-without-a-name": Case(
        code="tool-name",
        where="messages[0].tools[1]",
        text="it has no function with a name",
        error=True,
        model=K3,
        bad_messages=[{"role": "system", "tools": [named("f"), "g"]}, *HI],
        good_messages=[{"role": "system", "tools": [named("f"), named("g")]}, *HI],
    ),
    "tools": Case(
        code="tools",
        where="tools",
        text="not known to call tools",
        provider=Moonshot("k", capabilities=MOONSHOT.capabilities.override(tools=False)),
        bad={"tools": [named("f")]},
        good={"tools": []},
    ),
    "3.3-tool-name": Case(
        code="tool-name",
        where="tools[1]",
        text="a name begins with a letter",
        error=True,
        bad={"tools": [named("f"), named("1f")]},
        good={"tools": [named("f"), named("_f-1")]},
    ),
    "3.3-tool-name-length": Case(
        code="tool-name",
        where="tools[0]",
        text="at most 128",
        error=True,
        bad={"tools": [named("f" * 129)]},
        good={"tools": [named("f" * 128)]},
    ),
    "3.3-tool-of-the-provider": Case(
        code="tool-name",
        where="tools[0]",
        text="is for tools of type builtin_function",
        error=True,
        bad={"tools": [named("$web_search")]},
        good={"tools": [named("$web_search", "builtin_function")]},
    ),
    "tool-of-the-provider-without-the-sign": Case(
        code="tool-name",
        where="tools[0]",
        text="is for tools of type builtin_function",
        error=True,
        bad={"tools": [named("web_search", "builtin_function")]},
        good={"tools": [named("web_search")]},
    ),
    "tool-without-a-name": Case(
        code="tool-name",
        where="tools[0]",
        text="it has no function with a name",
        error=True,
        bad={"tools": [named(7)]},
        good={"tools": [named("f")]},
    ),
    "tool-without-a-function": Case(
        code="tool-name",
        where="tools[0]",
        text="it has no function with a name",
        error=True,
        bad={"tools": [{"type": "function", "name": "f"}]},
        good={"tools": [named("f")]},
    ),
    "3.3-tool-schema": Case(
        code="tool-schema",
        where="tools[1]",
        text=(
            "the parameters of 'g' are not a schema that is accepted: the root.a: 'type' stands beside"
            " 'anyOf', and must be inside of it; tools.moonshot_schema() rewrites it"
        ),
        error=True,
        bad={"tools": [named("f"), with_schema({"type": "string", "anyOf": [{"type": "string"}]})]},
        good={"tools": [named("f"), with_schema({"anyOf": [{"type": "string"}]})]},
    ),
    "3.3-repeated-tool": Case(
        code="repeated-tool",
        where="tools[1]",
        text="another tool has the same name",
        error=True,
        bad={"tools": [named("f"), named("f")]},
        good={"tools": [named("f"), named("g")]},
    ),
    "3.3-tool-choice-required": Case(
        code="tool-choice",
        where="tool_choice",
        text="'required' is not known to be accepted here: use one of auto, none, function when",
        error=True,
        bad={"tools": [named("f")], "tool_choice": "required"},
        good={"tools": [named("f")], "tool_choice": "auto"},
    ),
    "3.3-tool-choice-with-thinking": Case(
        code="tool-choice",
        where="tool_choice",
        text="a named function is not known to be accepted",
        error=True,
        bad={"tools": [named("f")], "tool_choice": FORCED},
        good={"tools": [named("f")], "tool_choice": FORCED, "thinking": False},
    ),
    "3.3-tool-choice-of-k3": Case(
        code="tool-choice",
        where="tool_choice",
        text="a named function is not known to be accepted",
        error=True,
        model=K3,
        bad={"tools": [named("f")], "tool_choice": FORCED},
        good={"tools": [named("f")], "tool_choice": "required"},
    ),
    "3.3-tool-choice-without-tools": Case(
        code="tool-choice",
        where="tool_choice",
        text="a call is required, and there are no tools",
        error=True,
        model=K3,
        bad={"tool_choice": "required"},
        good={"tools": [named("f")], "tool_choice": "required"},
    ),
    "9.2-tool-choice-of-k3-not-thinking": Case(
        code="tool-choice",
        where="tool_choice",
        text="a named function is not known to be accepted here: use one of auto, none, required",
        error=True,
        model=K3,
        bad={"tools": [named("f")], "tool_choice": FORCED, "thinking": False},
        good={"tools": [named("f")], "tool_choice": "required", "thinking": False},
    ),
    "9.2-tool-choice-of-tools-in-a-message": Case(
        code="tool-choice",
        where="tool_choice",
        text="a call is required, and there are no tools",
        error=True,
        model=K3,
        bad={"tool_choice": "required"},
        good={"tool_choice": "required"},
        good_messages=[{"role": "system", "content": "", "tools": [named("f")]}, *HI],
    ),
    # Partial mode
    "3.3-partial-with-json": Case(
        code="partial-with-json",
        where="messages[1]",
        text="does not go together with json_object",
        contradiction=True,
        provider=ACE,
        bad={"response_format": {"type": "json_object"}},
        bad_messages=[*HI, BEGUN],
        good={"response_format": {"type": "text"}},
        good_messages=[*HI, BEGUN],
    ),
    "3.3-partial-is-last": Case(
        code="partial-position",
        where="messages[0]",
        text="only the last message can be partial",
        contradiction=True,
        provider=ACE,
        bad_messages=[BEGUN, *HI],
        good_messages=[*HI, BEGUN],
    ),
    "3.3-partial-of-the-assistant": Case(
        code="partial-position",
        where="messages[0]",
        text="one of role assistant",
        contradiction=True,
        bad_messages=[{"role": "user", "content": "Hi", "partial": True}],
        good_messages=[{"role": "user", "content": "Hi", "partial": False}],
    ),
    "2.3-partial-is-ignored": Case(
        code="partial",
        where="messages[1]",
        text="see completion.prefix_honoured",
        provider=CLOUDSWAY,
        bad_messages=[*HI, BEGUN],
        good_messages=HI,
    ),
    # History
    "role": Case(
        code="role",
        where="messages[0]",
        text="the roles are assistant, developer, system, tool, user",
        provider=ACE,
        bad_messages=[{"role": "bot", "content": "Hi"}],
        good_messages=[{"role": "developer", "content": "Hi"}],
    ),
    "3.3-empty-message": Case(
        code="empty-message",
        where="messages[0]",
        text="it has neither content nor calls",
        error=True,
        bad_messages=[kimi.user(""), *HI],
        good_messages=[kimi.user(" "), *HI],
    ),
    "empty-parts": Case(
        code="empty-message",
        where="messages[0]",
        text="it has neither content nor calls",
        error=True,
        bad_messages=[kimi.user([])],
        good_messages=[kimi.user([{"type": "text", "text": "Hi"}])],
    ),
    "3.3-empty-beside-tools": Case(
        code="empty-message",
        where="messages[0]",
        text="it has neither content nor calls",
        error=True,
        model=K3,
        bad_messages=[{"role": "system"}, *HI],
        good_messages=[{"role": "system", "tools": [named("f")]}, *HI],
    ),
    "9.3-empty-part-beside-calls": Case(
        code="empty-text",
        where="messages[0].content[0]",
        text="a text part without text; leave it out",
        error=True,
        bad_messages=[{**called(F).to_wire(), "content": [NO_TEXT]}, kimi.tool_result(F, "1")],
        good_messages=[{**called(F).to_wire(), "content": ""}, kimi.tool_result(F, "1")],
    ),
    **{
        f"part-without-its-key-{number}": Case(
            code="part-form",
            where="messages[0].content[0]",
            text=f"a part of type {part['type']} needs the key '{part['type']}'",
            bad_messages=[{"role": "user", "content": [part]}],
            good_messages=[{"role": "user", "content": [whole]}],
        )
        for number, (part, whole) in enumerate(WITHOUT_THEIR_KEY)
    },
    "9.3-empty-part-of-a-value": Case(
        code="empty-text",
        where="messages[0].content[1]",
        text="a text part without text",
        error=True,
        bad_messages=[{"role": "user", "content": [TEXT, NO_TEXT]}],
        good_messages=[kimi.user([TEXT, NO_TEXT])],
    ),
    **{
        f"9.3-empty-reasoning-of-{model}": Case(
            code="empty-reasoning",
            where="messages[1]",
            text="send reasoning_content=' '",
            error=True,
            model=model,
            bad_messages=[*HI, called(F, reasoning=""), kimi.tool_result(F, "1")],
            good_messages=[*HI, called(F, reasoning=" "), kimi.tool_result(F, "1")],
        )
        for model in (K26, "moonshotai/kimi-k2.6-turbo")
    },
    "9.3-empty-reasoning-of-others": Case(
        code="missing-reasoning",
        where="messages[1]",
        text="reasoning_content=' ' if the thinking is lost",
        error=True,
        model=K3,
        bad_messages=[*HI, called(F, reasoning=None), kimi.tool_result(F, "1")],
        good_messages=[*HI, called(F, reasoning=""), kimi.tool_result(F, "1")],
    ),
    "6.4-missing-reasoning": Case(
        code="missing-reasoning",
        where="messages[1]",
        text="send the message of the reply unchanged",
        error=True,
        bad_messages=[
            *HI,
            {**called(F, reasoning=None).to_wire(), "reasoning": None},
            kimi.tool_result(F, "1"),
        ],
        good_messages=[
            *HI,
            {**called(F, reasoning=None).to_wire(), "reasoning": "Hm."},
            kimi.tool_result(F, "1"),
        ],
    ),
    "6.4-missing-reasoning-when-not-thinking": Case(
        code="missing-reasoning",
        where="messages[1]",
        text="send the message of the reply unchanged",
        provider=ACE,
        bad_messages=[*HI, called(F, reasoning=None), kimi.tool_result(F, "1")],
        good={"thinking": False},
        good_messages=[*HI, called(F, reasoning=None), kimi.tool_result(F, "1")],
    ),
    "6.3-repeated-id": Case(
        code="repeated-id",
        where="messages[0]",
        text="two of its calls have the same id",
        bad_messages=turn(F, F),
        good_messages=[*turn(F), *turn(F)],
    ),
    "3.5-dangling-result": Case(
        code="dangling-result",
        where="messages[1]",
        text="it answers no call",
        error=True,
        bad_messages=[*HI, kimi.tool_result(F, "1")],
        good_messages=[*HI, *turn(F)],
    ),
    "result-behind-the-turn": Case(
        code="dangling-result",
        where="messages[3]",
        text="it answers no call",
        error=True,
        bad_messages=[*turn(F), *HI, kimi.tool_result(F, "1")],
        good_messages=[*turn(F), *HI],
    ),
    "9.3-missing-result": Case(
        code="missing-result",
        where="messages[0]",
        text="1 of its calls have no result after it",
        contradiction=True,
        provider=ACE,
        bad_messages=[*turn(F, G)[:2], *HI],
        good_messages=[*turn(F, G), *HI],
    ),
    "9.3-missing-result-at-the-end": Case(
        code="missing-result",
        where="messages[0]",
        text="2 of its calls have no result",
        contradiction=True,
        bad_messages=turn(F, G)[:1],
        good_messages=turn(G, F),
    ),
    "result-without-id": Case(
        code="result-without-id",
        where="messages[1]",
        text="needs the id of the call that it answers",
        contradiction=True,
        provider=CLOUDSWAY,
        bad_messages=[*turn(F)[:1], {"role": "tool", "content": "1"}],
        # A host that gave the call no id gets no id back.
        good_messages=turn(ToolCall(id=None, name="f", arguments="{}")),
    ),
    # Media
    "4-media": Case(
        code="media-type",
        where="messages[0].content[0]",
        text="are text",
        provider=CLOUDSWAY,
        bad_messages=[kimi.user([PICTURE])],
        good_messages=[kimi.user([{"type": "text", "text": "Hi"}])],
    ),
    "3.3-media": Case(
        code="media-type",
        where="messages[0].content[1]",
        text="are text, image_url, video_url",
        bad_messages=[kimi.user([PICTURE, SOUND])],
        good_messages=[kimi.user([PICTURE, PICTURE])],
    ),
    "3.3-media-url": Case(
        code="media-url",
        where="messages[0].content[0]",
        text="give a data URL or an id",
        error=True,
        bad_messages=[kimi.user([FAR])],
        good_messages=[kimi.user([PICTURE, {"type": "image_url", "image_url": "ms://x"}])],
    ),
    "media-url-as-text": Case(
        code="media-url",
        where="messages[0].content[0]",
        text="give a data URL or an id",
        error=True,
        bad_messages=[kimi.user([BARE])],
        good_messages=[kimi.user([{"type": "image_url", "image_url": "ms://1"}])],
    ),
    "1.3-media-url": Case(
        code="media-type",
        where="messages[0].content[0]",
        text="are text, image_url, file",
        provider=ACE,
        bad_messages=[kimi.user([{"type": "video_url", "video_url": {"url": "https://a.b/c"}}])],
        good_messages=[kimi.user([FAR])],
    ),
    "3.3-body-size": Case(
        code="body-size",
        where="messages",
        text="and 200 are accepted",
        error=True,
        provider=Moonshot("k", capabilities=MOONSHOT.capabilities.override(max_body_bytes=200)),
        bad_messages=[kimi.user("a" * 200)],
        good_messages=HI,
    ),
}
