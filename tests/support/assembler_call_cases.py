"""The rows of tool calls for ``test_assembler.py``; see ``assembler_cases.py``."""

from __future__ import annotations

from typing import Any

from assembler_cases import (
    END,
    ENDED,
    F_BARE,
    F_BARE_START,
    F_DELTA,
    F_START,
    FIRST,
    G_DELTA,
    G_START,
    SECOND,
    Case,
    F,
    G,
    cut,
    whole,
)
from chunk_notation import Json, call, called, piece, said

from kimi_async._events import Finish
from kimi_async._events import ToolCallDelta as Args
from kimi_async._events import ToolCallStart as Call

CALLS: dict[str, Case] = {
    "whole-in-one-piece": Case(
        [call("{}", **FIRST), END],
        [F_START, F_DELTA, F, ENDED],
        message={"tool_calls": (F.call,), "content": None},
    ),
    "whole-in-the-finishing-chunk": Case(
        [call("{}", **FIRST, finish="tool_calls")], [F_START, F_DELTA, F, ENDED]
    ),
    "3.4-name-then-arguments": Case(
        [
            call("", index=0, id="a", type="function", name="f"),
            call("{", index=0),
            call("}", index=0),
            END,
        ],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "6.3-one-character-each": Case(
        [call("", **FIRST), *(call(char, index=0) for char in '{"a":1}'), END],
        [F_START, *(Args(0, char) for char in '{"a":1}'), whole("a", "f", '{"a":1}'), ENDED],
    ),
    "empty-pieces-make-no-event": Case(
        [call("", **FIRST), call("", index=0), call(index=0), call("{}", index=0), END],
        [F_START, F_DELTA, F, ENDED],
    ),
    "no-arguments": Case([call("", **FIRST), END], [F_START, whole("a", "f", ""), ENDED]),
    "arguments-absent": Case([call(**FIRST), END], [F_START, whole("a", "f", ""), ENDED]),
    "interleaved": Case(
        [
            call("", **FIRST),
            call("[", **SECOND),
            call("{", index=0),
            called(piece(index=1, arguments="]"), piece(index=0, arguments="}")),
            END,
        ],
        [F_START, G_START, Args(1, "["), Args(0, "{"), Args(1, "]"), Args(0, "}"), F, G, ENDED],
        message={"tool_calls": (F.call, G.call)},
    ),
    "3-not-done-because-another-index-began": Case(
        [call("{}", **FIRST), call("", **SECOND)],
        [F_START, F_DELTA, G_START],
        message={"tool_calls": (cut("a", "f", "{}"), cut("b", "g", ""))},
    ),
    "indexes-order-the-calls": Case(
        [call("[]", **SECOND), call("{}", **FIRST), END],
        [G_START, G_DELTA, F_START, F_DELTA, F, G, ENDED],
        message={"tool_calls": (F.call, G.call)},
    ),
    "6.3-index-missing": Case(
        [call("{", id="a", name="f"), call("}"), call("[", id="b", name="g"), call("]"), END],
        [F_START, Args(0, "{"), Args(0, "}"), G_START, Args(1, "["), Args(1, "]"), F, G, ENDED],
    ),
    "index-missing-and-interleaved-by-id": Case(
        [
            called(piece(id="a", name="f", arguments="{"), piece(id="b", name="g", arguments="[")),
            called(piece(id="a", arguments="}"), piece(id="b", arguments="]")),
            END,
        ],
        [F_START, Args(0, "{"), G_START, Args(1, "["), Args(0, "}"), Args(1, "]"), F, G, ENDED],
    ),
    "index-missing-on-later-pieces": Case(
        [
            call("", **FIRST),
            call("", **SECOND),
            called(piece(id="a", arguments="{}"), piece(id="b", arguments="[]")),
            END,
        ],
        [F_START, G_START, F_DELTA, G_DELTA, F, G, ENDED],
    ),
    "index-and-id-missing": Case(
        [called(piece(name="f", arguments="{}"), piece(name="g", arguments="[]")), END],
        [F_BARE_START, F_DELTA, Call(1, None, "g"), G_DELTA, F_BARE, whole(None, "g", "[]"), ENDED],
    ),
    "index-and-id-missing-same-tool-twice": Case(
        [call("{}", name="f"), call("[]", name="f"), END],
        [F_BARE_START, F_DELTA, Call(1, None, "f"), G_DELTA, F_BARE, whole(None, "f", "[]"), ENDED],
    ),
    "index-and-id-missing-name-repeated": Case(
        [call(char, name="f") for char in "{}"] + [END],
        [F_BARE_START, Args(0, "{"), Args(0, "}"), F_BARE, ENDED],
    ),
    "index-and-id-missing-name-repeated-before-deep-arguments": Case(
        [call(text, name="f") for text in ("[" * 100_000, "1")],
        [F_BARE_START, Args(0, "[" * 100_000), Args(0, "1")],
    ),
    "index-and-id-missing-another-tool-before-the-first-is-whole": Case(
        [call("{", name="f"), call("[]", name="g"), END],
        [
            F_BARE_START,
            Args(0, "{"),
            Call(1, None, "g"),
            G_DELTA,
            whole(None, "f", "{"),
            whole(None, "g", "[]"),
            ENDED,
        ],
    ),
    "index-and-id-missing-another-tool-behind-one-without-arguments": Case(
        [call("", name="f"), call("[]", name="g"), END],
        [
            F_BARE_START,
            Call(1, None, "g"),
            G_DELTA,
            whole(None, "f", ""),
            whole(None, "g", "[]"),
            ENDED,
        ],
    ),
    "index-and-id-missing-name-in-pieces": Case(
        [call(name="get_"), call(name="weather"), call("{}")],
        [Call(0, None, "get_weather"), F_DELTA],
    ),
    "index-and-id-missing-name-late": Case(
        [call("{"), call("}", name="f"), END], [F_BARE_START, F_DELTA, F_BARE, ENDED]
    ),
    "index-missing-beside-an-index": Case(
        [
            call("{}", id="a", name="f"),
            call("", index=0, id="b", name="g"),
            call("[]", index=0),
            END,
        ],
        [F_START, F_DELTA, G_START, G_DELTA, F, G, ENDED],
    ),
    "index-late": Case(
        [call("{", id="a", name="f"), call("}", index=0), call("", index=0), END],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "index-late-beside-the-id": Case(
        [call("{", id="a", name="f"), call("}", index=0, id="a"), call("[]", **SECOND), END],
        [F_START, Args(0, "{"), Args(0, "}"), G_START, G_DELTA, F, G, ENDED],
    ),
    "an-id-of-its-own-for-each-piece": Case(
        [call("{", **FIRST), call("}", index=0, id="x"), call("", index=0, id="y"), END],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "6.3-index-always-0": Case(
        [call("{}", **FIRST), call("[]", index=0, id="b", name="g"), END],
        [F_START, F_DELTA, G_START, G_DELTA, F, G, ENDED],
    ),
    "6.3-index-always-0-in-pieces": Case(
        [
            call("{", **FIRST),
            call("}", index=0),
            call("[", index=0, id="b", name="g"),
            call("]", index=0),
            END,
        ],
        [F_START, Args(0, "{"), Args(0, "}"), G_START, Args(1, "["), Args(1, "]"), F, G, ENDED],
    ),
    "6.3-index-always-0-interleaved-by-id": Case(
        [
            call("{", **FIRST),
            call("[]", index=0, id="b", name="g"),
            call("}", index=0, id="a"),
            END,
        ],
        [F_START, Args(0, "{"), G_START, G_DELTA, Args(0, "}"), F, G, ENDED],
    ),
    "an-index-taken-by-a-reused-one": Case(
        [
            call("{}", **FIRST),
            call("[]", index=0, id="b", name="g"),
            call("", index=1, id="c", name="h"),
            call("1", index=1),
            END,
        ],
        [
            F_START,
            F_DELTA,
            G_START,
            G_DELTA,
            Call(2, "c", "h"),
            Args(2, "1"),
            F,
            G,
            whole("c", "h", "1"),
            ENDED,
        ],
    ),
    "6.3-id-repeated": Case(
        [call(char, **FIRST) for char in "{}"] + [END],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "6.3-id-empty-on-later-pieces": Case(
        [call("", **FIRST), call("{}", index=0, id=""), END], [F_START, F_DELTA, F, ENDED]
    ),
    "6.3-id-empty-and-index-missing-on-later-pieces": Case(
        [call("", id="a", name="f"), call("{}", id=""), END], [F_START, F_DELTA, F, ENDED]
    ),
    "id-late": Case(
        [call("{", index=0, name="f"), call("}", index=0, id="a"), END],
        [F_BARE_START, Args(0, "{"), Args(0, "}"), whole("a", "f", "{}"), ENDED],
    ),
    "3-id-missing-is-none": Case(
        [call("{}", index=0, name="f"), END], [F_BARE_START, F_DELTA, F_BARE, ENDED]
    ),
    "6.3-ids-stay-as-they-came": Case(
        [
            call("", index=0, id="functions.f:0", name="f"),
            call("", index=1, id="chatcmpl-tool-9", name="g"),
        ],
        [Call(0, "functions.f:0", "f"), Call(1, "chatcmpl-tool-9", "g")],
    ),
    "the-same-id-at-two-indexes": Case(
        [call("{}", **FIRST), call("[]", index=1, id="a", name="g"), END],
        [F_START, F_DELTA, Call(1, "a", "g"), G_DELTA, F, whole("a", "g", "[]"), ENDED],
    ),
    "6.3-arguments-before-the-name": Case(
        [call("{", index=0, id="a"), call("}", index=0, name="f"), END],
        [F_START, F_DELTA, F, ENDED],
    ),
    "6.3-arguments-before-a-name-that-comes-alone": Case(
        [call("{}", index=0, id="a"), call(index=0, name="f")], [F_START, F_DELTA]
    ),
    "6.3-arguments-as-object": Case(
        [call({"a": [1, "ä"]}, **FIRST), END],
        [F_START, Args(0, '{"a":[1,"ä"]}'), whole("a", "f", '{"a":[1,"ä"]}'), ENDED],
    ),
    "6.3-arguments-that-are-no-json": Case(
        [call('{"a":', **FIRST), END], [F_START, Args(0, '{"a":'), whole("a", "f", '{"a":'), ENDED]
    ),
    "6.3-name-repeated": Case(
        [
            call(**FIRST),
            call(index=0, name="f"),
            call("{", index=0, name="f"),
            call("}", index=0, name="f"),
            END,
        ],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "6.3-name-in-pieces": Case(
        [
            call(index=0, id="a", name="get_"),
            call(index=0, name="weather"),
            call("{}", index=0),
            END,
        ],
        [Call(0, "a", "get_weather"), F_DELTA, whole("a", "get_weather", "{}"), ENDED],
    ),
    "6.3-name-in-pieces-after-the-name-so-far": Case(
        [call(index=0, id="a", name="get_"), call("{}", index=0, name="get_weather"), END],
        [Call(0, "a", "get_weather"), F_DELTA, whole("a", "get_weather", "{}"), ENDED],
    ),
    "6.3-the-name-before-the-arguments-stays": Case(
        [call("{", **FIRST), call("}", index=0, name="g"), END],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "a-name-that-was-announced-stays": Case(
        [call("", **FIRST), call("{}", index=0, name="g"), END], [F_START, F_DELTA, F, ENDED]
    ),
    "6.3-name-empty-on-later-pieces": Case(
        [call("{", **FIRST), call("}", index=0, name=""), END],
        [F_START, Args(0, "{"), Args(0, "}"), F, ENDED],
    ),
    "3.4-type-of-a-builtin": Case(
        [
            call("", index=0, id="a", type="builtin_function", name="$web_search"),
            call("{}", index=0, type="function"),
        ],
        [Call(0, "a", "$web_search"), F_DELTA],
        message={"tool_calls": (cut("a", "$web_search", "{}", "builtin_function"),)},
    ),
    **{
        f"3-{reason}-in-the-middle-of-a-call": Case(
            [call("{", **FIRST), said(finish=reason)],
            [F_START, Args(0, "{"), Finish(reason)],
            message={"tool_calls": (cut("a", "f", "{"),)},
        )
        for reason in ("length", "content_filter")
    },
    "length-before-the-arguments": Case(
        [call(**FIRST), said(finish="length")],
        [F_START, Finish("length")],
        message={"tool_calls": (cut("a", "f", ""),)},
    ),
    "length-before-the-name": Case(
        [call("{", index=0, id="a"), said(finish="length")],
        [Finish("length")],
        message={"tool_calls": (cut("a", "", "{"),)},
    ),
    "length-then-tool_calls": Case(
        [call("{}", **FIRST, finish="length"), END],
        [F_START, F_DELTA, Finish("length")],
        message={"tool_calls": (cut("a", "f", "{}"),)},
    ),
    "3-cut-in-the-middle-of-a-call": Case(
        [call("{", **FIRST)], [F_START, Args(0, "{")], message={"tool_calls": (cut("a", "f", "{"),)}
    ),
    "a-whole-call-changes-no-more": Case(
        [
            call("{}", index=0, name="f", finish="tool_calls"),
            call(index=0, id="a", name="g", type="builtin_function"),
        ],
        [F_BARE_START, F_DELTA, F_BARE, ENDED],
        message={"tool_calls": (F_BARE.call,)},
    ),
    "a-whole-call-is-told-once": Case(
        [
            call("{}", **FIRST, finish="tool_calls"),
            called(piece(index=0, id="a", name="f"), piece(index=0, arguments="")),
            END,
        ],
        [F_START, F_DELTA, F, ENDED],
    ),
}

# chunks: the partial arguments after each delta
PARTIAL: dict[str, tuple[list[Json], list[Any]]] = {
    "one-call": (
        [
            call('{"city": "', index=0, name="f"),
            call("Os", index=0),
            call('lo", "days": 1', index=0),
            call("2", index=0),
            call("}", index=0),
        ],
        [{"city": ""}, {"city": "Os"}, {"city": "Oslo"}, {"city": "Oslo"}, {"city": "Oslo", "days": 12}],
    ),
    "before-the-name": (
        [call('{"a"', index=0), call(": ", index=0), call("[", index=0, name="f"), call("1]}", index=0)],
        [{"a": []}, {"a": [1]}],
    ),
    "two-calls": (
        [call("[", index=0, name="f"), call("{", index=1, name="f"), call("1,", index=0), call("}", index=1)],
        [[], {}, [1], {}],
    ),
    "two-choices": (
        [call("[", name="f", choice=0), call("{", name="f", choice=1), call("1]", choice=0)],
        [[], {}, [1]],
    ),
    "an-object-for-a-text": ([call({"a": 1}, name="f")], [{"a": 1}]),
}  # fmt: skip
