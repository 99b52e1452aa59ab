"""What is wrong with a request, found before it is paid for; pure, but that report() warns.

A finding is an error where the provider is known to refuse the request, by the ``refused`` of its capabilities, and a
warning where it is likely to, or likely to do something else than it was asked. One pass over the messages and one over
the parameters: a history of 1,000 messages takes about a millisecond (``benchmarks/checks.py``).
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kimi_async._errors import ConfigurationError, KimiWarning
from kimi_async._models import Thinking
from kimi_async._providers import Provider
from kimi_async._wire import ChatRequest, Finding

if TYPE_CHECKING:
    from kimi_async._providers._capabilities import Capabilities

__all__ = ["check_body", "check_request", "report"]

_Found: TypeAlias = Iterator[tuple[str, str, str]]

#: What no provider can make sense of, whatever it answers.
_SENSELESS: Final = frozenset({"partial-with-json", "partial-position"})

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
#: ``docs/providers.md`` 3.3; a ``$`` in front is for the provider's own tools.
_TOOL_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
_MEDIA: Final = ("image_url", "video_url")


def check_request(request: ChatRequest, provider: Provider) -> tuple[Finding, ...]:
    """Find what the provider of *provider* is known or likely to refuse in *request*."""
    known = provider.capabilities.for_model(request.model)
    found = [
        *_sampling(request.params, known),
        *_thinking(request.params, known),
        *_formats(request.params, known),
        *_tools(request.params, known),
        *_partial(request, known),
        *_History(known, thinking=not _thinking_is_off(request.params)).read(request.messages),
    ]
    return tuple(_finding(known, *one) for one in found)


def check_body(size: int, request: ChatRequest, provider: Provider) -> tuple[Finding, ...]:
    """Find whether a body of *size* bytes is too large."""
    known = provider.capabilities.for_model(request.model)
    most = known.max_body_bytes.value
    if most is None or size <= most:
        return ()
    problem = f"the request has {size} bytes, and {most} are accepted"
    return (_finding(known, "body-size", "messages", problem),)


def _finding(known: Capabilities, code: str, where: str, message: str) -> Finding:
    refused = code in _SENSELESS or code in known.refused.value
    return Finding(code=code, level="error" if refused else "warning", where=where, message=message)


def _thinking_is_off(params: Mapping[str, Any]) -> bool:
    asked = params.get("thinking")
    return not asked.enabled if isinstance(asked, Thinking) else asked is False


def _sampling(params: Mapping[str, Any], known: Capabilities) -> _Found:
    for name, only in known.fixed_sampling.value.items():
        if params.get(name, only) != only:
            yield "fixed-sampling", name, f"only {only:g} is accepted; leave it out"
    temperatures = known.fixed_temperature.value
    if temperatures and "temperature" in params:
        only = temperatures["not thinking" if _thinking_is_off(params) else "thinking"]
        if params["temperature"] != only:
            yield "temperature", "temperature", f"only {only:g} is accepted; leave it out"
    stop = params.get("stop", ())
    stops = [stop] if isinstance(stop, str) else stop
    if len(stops) > known.stop_limit.value:
        problem = f"{len(stops)} texts, and {known.stop_limit.value} are accepted"
        yield "stop-limit", "stop", problem
    longest = known.stop_bytes.value
    if longest is not None and any(len(text.encode()) > longest for text in stops):
        yield "stop-length", "stop", f"a text is longer than {longest} bytes"


def _thinking(params: Mapping[str, Any], known: Capabilities) -> _Found:
    effort, words = params.get("reasoning_effort"), known.effort.value
    if effort is not None and effort not in words:
        known_words = f"the words are {', '.join(words)}" if words else "this model takes none"
        yield "effort", "reasoning_effort", f"{effort!r} is not accepted: {known_words}"
    if effort is None and _thinking_is_off(params) and not known.thinking_switch.value:
        yield (
            "thinking",
            "thinking",
            "this model is not known to take it; it may think all the same",
        )
    limit = params.get("max_completion_tokens", params.get("max_tokens"))
    most = known.max_output_tokens.value
    if limit is not None and most is not None and limit > most:
        yield "output-limit", "max_tokens", f"{limit} is more than the {most} that are accepted"


def _formats(params: Mapping[str, Any], known: Capabilities) -> _Found:
    wanted = params.get("response_format", {}).get("type")
    if wanted == "json_object" and not known.json_object.value:
        yield "json-object", "response_format", "this model is not known to have a JSON mode"
    if wanted == "json_schema" and not known.json_schema.value:
        problem = "this model is not known to follow a schema; use json_object and say it in words"
        yield "json-schema", "response_format", problem


def _tools(params: Mapping[str, Any], known: Capabilities) -> _Found:
    tools = params.get("tools", ())
    if tools and not known.tools.value:
        yield "tools", "tools", "this model is not known to call tools"
    seen: set[str] = set()
    for place, tool in enumerate(tools):
        function = tool.get("function")
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(name, str):
            yield "tool-name", f"tools[{place}]", "it has no function with a name"
            continue
        if not re.fullmatch(_TOOL_NAME, name.removeprefix("$")) or (
            name.startswith("$") is not (tool.get("type") == "builtin_function")
        ):
            problem = (
                "a name begins with a letter or _, goes on with letters, digits, _ and -, and has 128 at the"
                " most; $ is for tools of type builtin_function"
            )
            yield "tool-name", f"tools[{place}]", problem
        if name in seen:
            yield "repeated-tool", f"tools[{place}]", "another tool has the same name"
        seen.add(name)
    yield from _tool_choice(params, known)


def _tool_choice(params: Mapping[str, Any], known: Capabilities) -> _Found:
    choice, words = params.get("tool_choice"), known.tool_choice.value
    if choice is None:
        return
    word = choice if isinstance(choice, str) else "function"
    # A named function clashes with thinking alone (docs/providers.md 3.3).
    fits = word == "function" and _thinking_is_off(params) and known.thinking_switch.value
    if word not in words and not fits:
        wanted = "a named function" if word == "function" else repr(word)
        problem = f"{wanted} is not known to be accepted here: use one of {', '.join(words)}"
        yield "tool-choice", "tool_choice", problem
    elif word == "required" and not params.get("tools"):
        yield "tool-choice", "tool_choice", "a call is required, and there are no tools"


def _partial(request: ChatRequest, known: Capabilities) -> _Found:
    last = len(request.messages) - 1
    for place, message in enumerate(request.messages):
        if not message.get("partial"):
            continue
        where = f"messages[{place}]"
        if place != last or message["role"] != "assistant":
            problem = "only the last message can be partial, and only one of role assistant"
            yield "partial-position", where, problem
            continue
        wanted = request.params.get("response_format", {}).get("type", "text")
        if wanted != "text":
            yield "partial-with-json", where, f"partial mode does not go together with {wanted}"
        partial = known.partial_mode
        if not partial.value and partial.basis != "unknown":
            problem = (
                "this model is known not to go on from a prefix; see completion.prefix_honoured"
            )
            yield "partial", where, problem


class _History:
    """The rules of a conversation, in one pass over its messages.

    Findings are appended to a list: a generator for each message took three times as long.
    """

    def __init__(self, known: Capabilities, *, thinking: bool) -> None:
        self._known = known
        self._reasoning_back = thinking and known.reasoning_back.value
        self._found: list[tuple[str, str, str]] = []
        #: Ids of calls that wait for their result, and the message that made them.
        self._open: list[object] = []
        self._caller = 0

    def read(self, messages: tuple[Mapping[str, Any], ...]) -> list[tuple[str, str, str]]:
        for place, message in enumerate(messages):
            role = message["role"]
            if role == "tool":
                self._result(message, place)
                continue
            if self._open:
                self._missing_results()
            if role not in _ROLES:
                self._add("role", place, f"the roles are {', '.join(sorted(_ROLES))}")
            content, calls = message.get("content"), message.get("tool_calls")
            if calls and isinstance(calls, (list, tuple)):
                self._calls(message, calls, place)
            if content and isinstance(content, (list, tuple)):
                self._parts(content, place)
            elif not content and not (calls or message.get("tools") or message.get("partial")):
                self._add("empty-message", place, "there is nothing in it")
        if self._open:
            self._missing_results()
        return self._found

    def _add(self, code: str, place: int, problem: str, within: str = "") -> None:
        self._found.append((code, f"messages[{place}]{within}", problem))

    def _result(self, message: Mapping[str, Any], place: int) -> None:
        answered = message.get("tool_call_id")
        if answered in self._open:
            self._open.remove(answered)
        else:
            problem = "it answers no call of the assistant message before it"
            self._add("dangling-result", place, problem)

    def _missing_results(self) -> None:
        problem = f"{len(self._open)} of its calls have no result behind it"
        self._add("missing-result", self._caller, problem)
        self._open = []

    def _calls(
        self, message: Mapping[str, Any], calls: list[Any] | tuple[Any, ...], place: int
    ) -> None:
        ids = [call.get("id") if isinstance(call, Mapping) else None for call in calls]
        self._open, self._caller = ids, place
        if len(ids) > 1 and len(set(map(repr, ids))) < len(ids):
            self._add("repeated-id", place, "two of its calls have the same id")
        if self._reasoning_back and not ("reasoning_content" in message or "reasoning" in message):
            problem = (
                "the thinking before its calls is missing: send the message back as it came, or"
                " reasoning_content='' if it is lost"
            )
            self._add("missing-reasoning", place, problem)
        if message.get("content") == "":
            self._add("empty-text", place, "empty content beside calls; leave it out")

    def _parts(self, content: list[Any] | tuple[Any, ...], place: int) -> None:
        for number, part in enumerate(content):
            within = f".content[{number}]"
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind not in self._known.media.value:
                kinds = ", ".join(self._known.media.value)
                problem = f"the types of parts known to be accepted are {kinds}"
                self._add("media-type", place, problem, within)
            elif kind in _MEDIA and not self._known.media_urls.value:
                source = part.get(kind)
                url = source.get("url") if isinstance(source, Mapping) else source
                if isinstance(url, str) and url.startswith(("http:", "https:")):
                    problem = "it is fetched from nowhere: give a data URL or an id, ms://..."
                    self._add("media-url", place, problem, within)


def report(findings: tuple[Finding, ...], *, strict: bool) -> None:
    """Warn of *findings*; when *strict*, raise those that are known to be refused.

    Raises:
        ConfigurationError: What the provider is known to refuse.
    """
    refused = [str(finding) for finding in findings if strict and finding.level == "error"]
    if refused:
        raise ConfigurationError(
            f"the provider is known to refuse this request: {'; '.join(refused)}."
            " checks='warn' sends it all the same."
        )
    for finding in findings:
        warnings.warn(str(finding), KimiWarning, stacklevel=_level_of_the_caller())


def _level_of_the_caller() -> int:
    """How many frames above the one that asks the library was called; ``skip_file_prefixes`` came with 3.12."""
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("kimi_async."):
        level, frame = level + 1, frame.f_back
    return level
