"""Find the problems of a request before it is sent; pure, except that warn() warns.

A finding is an error where the provider is known to refuse the request, by the ``refused`` of its capabilities, and a
warning where the provider is likely to refuse it or to do something else. There is one pass over the messages and one
over the parameters: a history of 1,000 messages takes about a millisecond (``benchmarks/checks.py``).
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from kimi_async._errors import ConfigurationError, KimiWarning
from kimi_async._messages import is_empty_text
from kimi_async._models import Thinking
from kimi_async._providers import Provider
from kimi_async._request._moonshot_rules import moonshot_problem
from kimi_async._request._params import ROLES
from kimi_async._wire import ChatRequest, Finding

if TYPE_CHECKING:  # loaded with a provider
    from kimi_async._providers._capabilities import Capabilities

__all__ = ["check_body", "check_request", "report", "warn"]

_Found: TypeAlias = Iterator[tuple[str, str, str]]

#: Contradictions, which no provider can answer; they are refused whatever ``checks`` says, except ``"off"``.
_CONTRADICTIONS: Final = frozenset(
    {"partial-with-json", "partial-position", "missing-result", "result-without-id"}
)

#: The names of tools (see the page Providers, section 3.3); a ``$`` before the name marks a tool of the provider.
_TOOL_NAME: Final = r"[A-Za-z_][A-Za-z0-9_-]{0,127}"
_MEDIA: Final = ("image_url", "video_url")


def check_request(request: ChatRequest, provider: Provider) -> tuple[Finding, ...]:
    """Find the parts of *request* that *provider* is known or likely to refuse."""
    known = provider.capabilities.for_model(request.model)
    found = [
        *_model(request.model, provider, known),
        *_sampling(request.params, known),
        *_thinking(request.params, known),
        *_formats(request.params, known),
        *_tools(request, known),
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
    refused = code in _CONTRADICTIONS or code in known.refused.value
    return Finding(code=code, level="error" if refused else "warning", where=where, message=message)


def _thinking_is_off(params: Mapping[str, Any]) -> bool:
    asked = params.get("thinking")
    return not asked.enabled if isinstance(asked, Thinking) else asked is False


def _model(model: str | None, provider: Provider, known: Capabilities) -> _Found:
    if model is None or not known.retired.value:
        return
    from kimi_async._providers._capabilities import family_of

    day = known.retired.value.get(family_of(provider.models.get(model, model)))
    if day is not None:
        problem = f"this model was retired on {day}; client.models() lists those that are there"
        yield "retired-model", "model", problem


def _sampling(params: Mapping[str, Any], known: Capabilities) -> _Found:
    for name, only in known.fixed_sampling.value.items():
        if params.get(name, only) != only:
            yield "fixed-sampling", name, f"only {only:g} is accepted; leave it out"
    ranges = known.temperature.value
    if ranges and "temperature" in params:
        low, high = ranges["not thinking" if _thinking_is_off(params) else "thinking"]
        if not low <= params["temperature"] <= high:
            accepted = f"only {low:g} is" if low == high else f"only {low:g} to {high:g} is"
            yield "temperature", "temperature", f"{accepted} accepted; leave it out"
    stop = params.get("stop", ())
    stops = [stop] if isinstance(stop, str) else stop
    if len(stops) > known.stop_limit.value:
        problem = f"{len(stops)} texts, and {known.stop_limit.value} are accepted"
        yield "stop-limit", "stop", problem
    longest = known.stop_bytes.value
    if longest is not None and any(len(text.encode()) > longest for text in stops):
        yield "stop-length", "stop", f"a text is longer than {longest} bytes"


def _thinking(params: Mapping[str, Any], known: Capabilities) -> _Found:
    asked, effort = params.get("thinking"), params.get("reasoning_effort")
    if effort is not None:
        yield from _effort("reasoning_effort", effort, known)
        if asked not in (None, True, Thinking()):
            problem = "it is not sent beside reasoning_effort; use Thinking(effort=...)"
            yield "thinking", "thinking", problem
    elif isinstance(asked, Thinking) and asked.effort is not None:
        yield from _effort("thinking", asked.effort, known)
    if effort is None and _thinking_is_off(params) and not known.thinking_switch.value:
        problem = "this model is not known to accept it; it may think anyway"
        yield "thinking", "thinking", problem
    limit = params.get("max_completion_tokens", params.get("max_tokens"))
    most = known.max_output_tokens.value
    if limit is not None and most is not None and limit > most:
        yield "output-limit", "max_tokens", f"{limit} is more than the {most} that are accepted"


def _effort(where: str, effort: str, known: Capabilities) -> _Found:
    words = known.effort.value
    if effort not in words:
        known_words = f"the words are {', '.join(words)}" if words else "this model takes no effort"
        yield "effort", where, f"{effort!r} is not accepted: {known_words}"


def _formats(params: Mapping[str, Any], known: Capabilities) -> _Found:
    form = params.get("response_format", {})
    wanted = form.get("type")
    if wanted == "json_object" and not known.json_object.value:
        yield "json-object", "response_format", "this model is not known to have a JSON mode"
    if wanted != "json_schema":
        return
    if not known.json_schema.value:
        problem = "this model is not known to follow a schema; use json_object and say it in words"
        yield "json-schema", "response_format", problem
    elif not _is_schema_form(form.get("json_schema")):
        problem = (
            "json_schema needs a name that is a text and a schema that is an object; strict, if"
            " given, is true or false"
        )
        yield "schema-form", "response_format", problem


def _is_schema_form(form: object) -> bool:
    return (
        isinstance(form, Mapping)
        and isinstance(form.get("name"), str)
        and isinstance(form.get("schema"), Mapping)
        and isinstance(form.get("strict", True), bool)
    )


def _tools(request: ChatRequest, known: Capabilities) -> _Found:
    tools: list[tuple[str, Any]] = [
        (f"tools[{number}]", tool) for number, tool in enumerate(request.params.get("tools", ()))
    ]
    for place, message in enumerate(request.messages):
        more = message.get("tools")
        if more and isinstance(more, (list, tuple)):
            where = f"messages[{place}]"
            tools += [(f"{where}.tools[{number}]", tool) for number, tool in enumerate(more)]
            yield from _carrier(message, where, known)
    if tools and not known.tools.value:
        yield "tools", tools[0][0].partition("[")[0], "this model is not known to call tools"
    yield from _definitions(tools)
    if "tool-schema" in known.refused.value:
        yield from _schemas(tools)
    yield from _tool_choice(request.params, known, has_tools=bool(tools))


def _carrier(message: Mapping[str, Any], where: str, known: Capabilities) -> _Found:
    """Check a message that carries tools."""
    if not known.tools_in_messages.value:
        problem = "this model is not known to accept tools in a message; use the parameter tools"
        yield "tools-in-message", where, problem
    elif message["role"] != "system" or message.get("content"):
        problem = "only a message of role system without content can carry tools"
        yield "tools-in-message", where, problem


def _schemas(tools: Iterable[tuple[str, Any]]) -> _Found:
    """Find schemas outside of Moonshot's flavour: each request with one of them is refused."""
    for where, tool in tools:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and "parameters" in function:
            problem = moonshot_problem(function["parameters"])
            if problem is not None:
                named = (
                    f"the parameters of {function.get('name')!r} are not a schema that is accepted"
                )
                yield (
                    "tool-schema",
                    where,
                    f"{named}: {problem}; tools.moonshot_schema() rewrites it",
                )


def _definitions(tools: Iterable[tuple[str, Any]]) -> _Found:
    seen: set[str] = set()
    for where, tool in tools:
        function = tool.get("function") if isinstance(tool, Mapping) else None
        name = function.get("name") if isinstance(function, Mapping) else None
        if not isinstance(name, str):
            yield "tool-name", where, "it has no function with a name"
            continue
        if not re.fullmatch(_TOOL_NAME, name.removeprefix("$")) or (
            name.startswith("$") is not (tool.get("type") == "builtin_function")
        ):
            problem = (
                "a name begins with a letter or _, continues with letters, digits, _ and -, and has"
                " at most 128; $ is for tools of type builtin_function"
            )
            yield "tool-name", where, problem
        if name in seen:
            yield "repeated-tool", where, "another tool has the same name"
        seen.add(name)


def _tool_choice(params: Mapping[str, Any], known: Capabilities, *, has_tools: bool) -> _Found:
    choice, words = params.get("tool_choice"), known.tool_choice.value
    if choice is None:
        return
    word = choice if isinstance(choice, str) else "function"
    fits = word in words or (_thinking_is_off(params) and f"{word} when not thinking" in words)
    if not fits:
        wanted = "a named function" if word == "function" else repr(word)
        problem = f"{wanted} is not known to be accepted here: use one of {', '.join(words)}"
        yield "tool-choice", "tool_choice", problem
    elif word == "required" and not has_tools:
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
            problem = "this model is known not to continue a prefix; see completion.prefix_honoured"
            yield "partial", where, problem


class _History:
    """The rules of a conversation, in one pass over its messages.

    Findings are appended to a list: a generator for each message took three times as long.
    """

    def __init__(self, known: Capabilities, *, thinking: bool) -> None:
        self._known = known
        self._reasoning_back = thinking and known.reasoning_back.value
        self._found: list[tuple[str, str, str]] = []
        #: Ids of the calls that wait for their result, and the place of the message that made them.
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
            if role not in ROLES:
                self._add("role", place, f"the roles are {', '.join(sorted(ROLES))}")
            content, calls = message.get("content"), message.get("tool_calls")
            if calls and isinstance(calls, (list, tuple)):
                self._calls(message, calls, place)
            if content and isinstance(content, (list, tuple)):
                self._parts(content, place)
            elif not content and not (calls or message.get("tools") or message.get("partial")):
                self._add("empty-message", place, "it has neither content nor calls; leave it out")
        if self._open:
            self._missing_results()
        return self._found

    def _add(self, code: str, place: int, problem: str, within: str = "") -> None:
        self._found.append((code, f"messages[{place}]{within}", problem))

    def _result(self, message: Mapping[str, Any], place: int) -> None:
        answered = message.get("tool_call_id")
        if answered in self._open:  # also a result without an id, for a call without an id
            self._open.remove(answered)
        elif answered is None:
            problem = (
                "a message of role tool needs the id of the call that it answers, tool_call_id"
            )
            self._add("result-without-id", place, problem)
            self._open = self._open[1:]
        else:
            problem = "it answers no call of the assistant message before it"
            self._add("dangling-result", place, problem)

    def _missing_results(self) -> None:
        problem = (
            f"{len(self._open)} of its calls have no result after it; add a message of role tool for"
            " each, or leave the calls out"
        )
        self._add("missing-result", self._caller, problem)
        self._open = []

    def _calls(
        self, message: Mapping[str, Any], calls: list[Any] | tuple[Any, ...], place: int
    ) -> None:
        ids = [call.get("id") if isinstance(call, Mapping) else None for call in calls]
        self._open, self._caller = ids, place
        if len(ids) > 1 and len(set(map(repr, ids))) < len(ids):
            self._add("repeated-id", place, "two of its calls have the same id")
        if self._reasoning_back:
            self._reasoning(message, place)

    def _reasoning(self, message: Mapping[str, Any], place: int) -> None:
        """Check the thinking before calls: a blank is the one text that is accepted everywhere."""
        reasoning = message.get("reasoning_content")
        if reasoning is None:
            reasoning = message.get("reasoning")
        if reasoning is None:
            problem = (
                "the thinking before its calls is missing: send the message of the reply unchanged, or"
                " reasoning_content=' ' if the thinking is lost"
            )
            self._add("missing-reasoning", place, problem)
        elif reasoning == "" and not self._known.empty_reasoning.value:
            problem = "the thinking before its calls is empty: send reasoning_content=' '"
            self._add("empty-reasoning", place, problem)

    def _parts(self, content: list[Any] | tuple[Any, ...], place: int) -> None:
        for number, part in enumerate(content):
            within = f".content[{number}]"
            kind = part.get("type") if isinstance(part, Mapping) else None
            if is_empty_text(part):
                self._add("empty-text", place, "a text part without text; leave it out", within)
            elif kind not in self._known.media.value:
                kinds = ", ".join(self._known.media.value)
                problem = f"the types of parts known to be accepted are {kinds}"
                self._add("media-type", place, problem, within)
            elif not _has_own_key(part, str(kind)):
                problem = f"a part of type {kind} needs the key {kind!r}"
                self._add("part-form", place, problem, within)
            elif kind in _MEDIA and not self._known.media_urls.value:
                source = part.get(kind)
                url = source.get("url") if isinstance(source, Mapping) else source
                if isinstance(url, str) and url.startswith(("http:", "https:")):
                    problem = "this provider fetches no URL: give a data URL or an id, ms://..."
                    self._add("media-url", place, problem, within)


def _has_own_key(part: Mapping[str, Any], kind: str) -> bool:
    """Return whether a part has the key with its content, which has the name of its type."""
    if kind == "text":
        return isinstance(part.get(kind), str)
    return isinstance(part.get(kind), (str, Mapping))


def report(findings: tuple[Finding, ...], *, strict: bool) -> None:
    """Warn of *findings*; raise contradictions, and when *strict* all that are known to be refused.

    Raises:
        ConfigurationError: The request contradicts itself, or the provider is known to refuse it.
    """
    contradictions = [str(each) for each in findings if each.code in _CONTRADICTIONS]
    refused = [str(each) for each in findings if each.level == "error"]
    if contradictions and not strict:
        raise ConfigurationError(
            f"no provider can answer this request: {'; '.join(contradictions)}."
            " checks='off' sends it anyway."
        )
    if refused and strict:
        raise ConfigurationError(
            f"the provider is known to refuse this request: {'; '.join(refused)}."
            f" checks={'off' if contradictions else 'warn'!r} sends it anyway."
        )
    for finding in findings:
        warn(str(finding))


def warn(text: str) -> None:
    """Warn at the line that called the library."""
    warnings.warn(text, KimiWarning, stacklevel=_level_of_the_caller())


def _level_of_the_caller() -> int:
    """Return the number of frames between here and the caller of the library.

    The argument ``skip_file_prefixes`` of ``warnings.warn`` would do the same from Python 3.12 on.
    """
    level, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith("kimi_async."):
        level, frame = level + 1, frame.f_back
    return level
