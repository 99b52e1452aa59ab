"""Hypothesis strategies for JSON like that of providers: the right keys, sometimes with wrong values."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

texts = st.text(max_size=6)
numbers = st.integers(0, 4)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 4)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
_ABSENT = object()


def mostly(wanted: SearchStrategy[Any], *others: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return *wanted* values; about one in ten is null, anything, or one of the *others*."""
    kinds = [*[wanted] * 30, st.none(), anything, *others]
    return st.sampled_from(kinds).flatmap(lambda chosen: chosen)


def loosely(**fields: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return objects with most of these keys and mostly valid values."""
    return st.fixed_dictionaries(
        {name: mostly(field, st.just(_ABSENT)) for name, field in fields.items()}
    ).map(lambda given: {name: value for name, value in given.items() if value is not _ABSENT})


def some(item: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return lists of one or two values that are mostly *item*."""
    return st.lists(mostly(item), min_size=1, max_size=2)


def perhaps(text: SearchStrategy[Any]) -> SearchStrategy[Any]:
    """Return values that are null in most deltas."""
    return st.none() | text


details = some(loosely(text=texts, type=texts))
function = loosely(name=texts, arguments=texts)
deltas = loosely(
    content=perhaps(texts | details),
    reasoning_content=perhaps(texts),
    reasoning=perhaps(texts),
    reasoning_details=perhaps(details),
    refusal=perhaps(texts),
    tool_calls=perhaps(some(loosely(index=numbers, id=texts, type=texts, function=function))),
)
token_details = loosely(cached_tokens=numbers, reasoning_tokens=numbers)
usages = loosely(
    prompt_tokens=numbers,
    cached_tokens=numbers,
    prompt_tokens_details=token_details,
    completion_tokens_details=token_details,
)
choices = loosely(
    index=numbers,
    delta=perhaps(deltas),
    message=perhaps(deltas),
    finish_reason=perhaps(texts),
    logprobs=perhaps(anything),
    usage=perhaps(usages),
)
#: Chunks of a stream, bodies, and mixtures of both.
chunks = loosely(
    id=texts, model=texts, created=numbers, usage=perhaps(usages), choices=some(choices)
)

#: Words as a host writes them: several, so that they are not a code.
WORDS = "no such thing"
_said = st.sampled_from([WORDS, "x", "", None, 1, True, 404]) | st.just(WORDS)
_keys = st.sampled_from(
    [
        *(
            "message",
            "msg",
            "error",
            "errors",
            "detail",
            "details",
            "code",
            "type",
            "status",
            "model",
        ),
        *(
            "id",
            "data",
            "param",
            "base_resp",
            "status_code",
            "status_msg",
            "Error",
            "Message",
            "Code",
        ),
        *(
            "Response",
            "ResponseMetadata",
            "__type",
            "success",
            "object",
            "metadata",
            "raw",
            "other",
        ),
    ]
)
_objects: SearchStrategy[Any] = st.recursive(
    st.dictionaries(_keys, _said, max_size=4),
    lambda inner: st.dictionaries(
        _keys, _said | inner | st.lists(inner | _said, max_size=3), max_size=3
    ),
    max_leaves=4,
)
#: Error objects of any shape, as those of providers and of the gateways before them.
envelopes = _objects.filter(lambda raw: str(raw).count("{") < 5)
odd_deltas = st.sampled_from(
    [
        [{"content": "a"}],
        {"content": ["a", 5, {"type": "image"}, {"type": "refusal", "refusal": WORDS}]},
        {"content": {"type": "refusal", "refusal": "x"}, "refusal": True},
        {"content": "a <THINK>b</Think>c"},
        {"error": {"message": WORDS}},
        {"content": "a", "error": WORDS},
    ]
)
odd_chunks = st.fixed_dictionaries(
    {
        "choices": st.lists(
            st.fixed_dictionaries(
                {
                    "delta": odd_deltas | deltas,
                    "finish_reason": st.sampled_from(
                        [None, "stop", {"type": "stop"}, "engine_error", "killed", {"a": 1}, True]
                    ),
                }
            ),
            max_size=2,
        )
    },
    optional={
        "base_resp": st.sampled_from(
            [{"status_code": 0}, {"status_code": 1002, "status_msg": WORDS}]
        ),
        "usage": st.sampled_from([None, {"total_tokens": 5}, {"total_tokens": 1e300}]),
    },
)
#: The types of events, mostly none.
event_types = st.sampled_from(
    ["", "", "", "message", "error", "exception", "response.failed", "ping"]
)
