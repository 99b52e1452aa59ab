"""Read scripts in JSON, for fakes of programs in any language. Pure, except that it reads the file of a recording.

A script is an object with ``replies`` and, beside it, the settings of :class:`FakeOptions`; the page Serve a fake has
all keys.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import cycle
from typing import Any, Final, NamedTuple, TypeAlias

from attrs import field, frozen

from kimi_async import Usage
from kimi_async.testing._checks import is_bool, named
from kimi_async.testing._completion import FakeToolCall, ReplyChoice
from kimi_async.testing._faults import (
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    Faulty,
    HtmlPage,
    Insert,
    MissingDone,
    NoHeaders,
    OversizedEvent,
    SlowHeaders,
    Stall,
)
from kimi_async.testing._latency import Exponential, Latency, LogNormal, Uniform
from kimi_async.testing._options import FakeOptions, FakeSettings
from kimi_async.testing._provider import Script
from kimi_async.testing._rate_limits import FakeRateLimits
from kimi_async.testing._script import ErrorReply, RawReply, Recording, Reply, ScriptedReply

__all__ = ["LoadedScript", "script_from_json"]

#: The place of the whole script, in messages.
_TOP: Final = "the script"

#: Reads a value of JSON; the place is for messages.
_Read: TypeAlias = Callable[[Any, str], Any]


@frozen(kw_only=True)
class ScriptFile(FakeSettings):
    """A whole script in JSON.

    Attributes:
        replies: The replies.
        repeat: Whether they start again at their end.
    """

    replies: list[ScriptedReply] = field(factory=list[ScriptedReply])
    repeat: bool = field(default=True, validator=is_bool)


class LoadedScript(NamedTuple):
    """A script and its settings: ``FakeProvider(loaded.script, **loaded.options)``.

    Attributes:
        script: The replies.
        options: The settings.
    """

    script: Script
    options: FakeOptions


def script_from_json(text: str | bytes) -> LoadedScript:
    """Read *text*, a script that is written in JSON.

    Raises:
        ValueError: It is not such a script; the message names the place.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the script is not JSON: {error}") from None
    fields = _fields_of(ScriptFile, _WHOLE, given, _TOP)
    whole = _called(ScriptFile, fields, _TOP)
    options: Any = {name: fields[name] for name in FakeOptions.__annotations__ if name in fields}
    script = _again(whole.replies) if whole.repeat and whole.replies else whole.replies
    return LoadedScript(script, options)


def _again(replies: Iterable[ScriptedReply]) -> Script:
    endless = cycle(replies)
    return lambda _request: next(endless)


def _wrong(place: str, wanted: str, given: object) -> ValueError:
    return ValueError(f"{place} must be {wanted}, not {named(given)}")


def _object(given: Any, place: str) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise _wrong(place, "an object", given)
    return dict(given)


def _list(read: _Read) -> _Read:
    def read_list(given: Any, place: str) -> list[Any]:
        if not isinstance(given, list):
            raise _wrong(place, "a list", given)
        return [read(item, f"{place}[{index}]") for index, item in enumerate(given)]

    return read_list


def _made(kind: Callable[..., Any], reads: Mapping[str, _Read] | None = None) -> _Read:
    """Return a reader of the fields of *kind*; *reads* has those that JSON writes in another way."""

    def read(given: Any, place: str) -> Any:
        return _called(kind, _fields_of(kind, reads or {}, given, place), place)

    return read


def _fields_of(
    kind: Callable[..., Any], reads: Mapping[str, _Read], given: Any, place: str
) -> dict[str, Any]:
    """Return the fields of *kind* as Python has them."""
    fields = _object(given, place)
    known = inspect.signature(kind).parameters
    for name, value in fields.items():
        if name not in known:
            raise ValueError(f"{place} has no field {name!r}; there are {', '.join(known)}")
        if name in reads:
            fields[name] = reads[name](value, name if place == _TOP else f"{place}.{name}")
    return fields


def _called(kind: Callable[..., Any], fields: Mapping[str, Any], place: str) -> Any:
    try:
        return kind(**fields)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{place}: {error}") from None
    except KeyError as error:  # its text would be a repr
        raise ValueError(f"{place}: {error.args[0]}") from None


def _bytes(given: Any, place: str) -> bytes:
    if not isinstance(given, str):
        raise _wrong(place, "a text", given)
    return given.encode()


def _one_of(readers: Mapping[str, _Read]) -> _Read:
    """Return a reader of an object with one key, which says how its value is read."""

    def read(given: Any, place: str) -> Any:
        found = [name for name in readers if isinstance(given, dict) and name in given]
        if len(found) != 1 or len(given) != 1:
            raise ValueError(f"{place} is an object with one key of {', '.join(readers)}")
        return readers[found[0]](given[found[0]], f"{place}.{found[0]}")

    return read


def _seconds(given: Any, place: str) -> Any:
    return _DISTRIBUTION(given, place) if isinstance(given, dict) else given


def _recording(given: Any, place: str) -> Any:
    fields = {"body": given} if isinstance(given, str) else given
    return _made(Recording)(fields, place)


def _reply(given: Any, place: str) -> ScriptedReply:
    if isinstance(given, str):
        return Reply(given)
    fields = _object(given, place)
    faults = _list(_FAULT)(fields.pop("faults", []), f"{place}.faults")
    reply: ScriptedReply = _REPLY(fields, place)
    return Faulty(reply, *faults) if faults else reply


_DISTRIBUTION: Final = _one_of(
    {
        "uniform": _made(Uniform),
        "log_normal": _made(LogNormal),
        "exponential": _made(Exponential),
    }
)
_CALLS: Final = _list(_made(FakeToolCall))
_REPLY: Final = _one_of(
    {
        "reply": _made(
            Reply,
            {
                "tool_calls": _CALLS,
                "choices": _list(_made(ReplyChoice, {"tool_calls": _CALLS})),
                "usage": lambda given, place: None if given is None else _made(Usage)(given, place),
            },
        ),
        "error": _made(ErrorReply),
        "raw": _made(RawReply),
        "recording": _recording,
    }
)
_FAULT: Final = _one_of(
    {
        "break": _made(Break),
        "stall": _made(Stall),
        "drip": _made(Drip, {"data": _bytes}),
        "insert": _made(Insert, {"data": _bytes}),
        "oversized_event": _made(OversizedEvent),
        "missing_done": _made(MissingDone),
        "slow_headers": _made(SlowHeaders),
        "dripping_headers": _made(DrippingHeaders),
        "no_headers": _made(NoHeaders),
        "content_type": _made(ContentType),
        "html_page": _made(HtmlPage),
    }
)
_WHOLE: Final[Mapping[str, _Read]] = {
    "replies": _list(_reply),
    "rate_limits": _made(FakeRateLimits),
    "latency": _made(Latency, {"headers": _seconds, "first": _seconds, "between": _seconds}),
}
