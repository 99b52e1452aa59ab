"""A conversation: history that is sent back as the models want it, and that a failed turn leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeAlias, TypeVar, Unpack, overload

import msgspec
from attrs import evolve, frozen

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError
from kimi_async._models import ChatCompletion, Message, Messages, ToolCall
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire

if TYPE_CHECKING:
    from kimi_async.structured import Parsed
    from kimi_async.tools._run import RunParams, RunResult, ToolRun

__all__ = ["Conversation", "load_history", "opening_history"]

T = TypeVar("T")
_Said: TypeAlias = Message | Mapping[str, Any]


class _Turn(Protocol):
    """A turn that was begun."""

    @property
    def is_open(self) -> bool: ...


#: The form of saved conversations.
_VERSION: Final = 1
_OPENING: Final = ("system", "developer")


@frozen
class _History:
    """What was said so far, and how long it was when its tokens were last counted."""

    said: tuple[_Said, ...] = ()
    #: The last reported ``prompt_tokens``, and the characters that they were counted for.
    prompt_tokens: int | None = None
    prompt_chars: int = 0


class Conversation:
    """Messages of several turns, kept whole; made by ``client.conversation()``.

    The turn of the model is kept as it came: reasoning (empty too), ids and order of its calls. A turn enters the
    history when its reply has ended well, the question and the answer together, so one that failed, was cancelled or
    left leaves no trace and can be sent again. Neither does a reply that could not be sent back: one that holds nothing
    but thinking (``completion.no_answer``), or a call that was cut.

    One turn at a time; :meth:`fork` makes another line of the same conversation.
    """

    def __init__(self, caller: Caller, params: CallParams, history: _History | None = None) -> None:
        self._caller = caller
        self._params = params
        self._history = history or _History()
        self._turn: _Turn | None = None

    def __repr__(self) -> str:
        return f"<Conversation of {len(self._history.said)} messages>"

    @property
    def messages(self) -> tuple[Message | Mapping[str, Any], ...]:
        """The history, as it is sent before the next message."""
        return self._history.said

    @property
    def prompt_tokens(self) -> int | None:
        """The last reported ``prompt_tokens``; ``None`` when the provider said none."""
        return self._history.prompt_tokens

    async def send(
        self,
        message: Messages | Message | Mapping[str, Any],
        *,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> ChatCompletion:
        """Say something and get the whole reply.

        Args:
            message: A text of the user, a message, or several, such as the results of tool calls.
            wire: As in ``client.chat()``.
            params: Parameters of this turn, over those of the conversation.

        Raises:
            KimiError: The reply could not be had whole; the history is as it was.
            RuntimeError: Another turn is under way.
        """
        return await self._begin(message, params, wire=wire).final()

    def stream(
        self, message: Messages | Message | Mapping[str, Any], **params: Unpack[CallParams]
    ) -> ChatStream:
        """Say something and get the reply as events; it enters the history with its last event.

        Takes and raises what :meth:`send` does.
        """
        return self._begin(message, params)

    def _begin(
        self,
        message: Messages | Message | Mapping[str, Any],
        params: CallParams,
        *,
        wire: Wire = "stream",
    ) -> ChatStream:
        begun, asked = self._history, _as_sequence(message)

        def keep(reply: ChatCompletion) -> None:
            self._go_on(begun, _with_turn(begun, asked, reply))

        self._check_free()
        self._turn = turn = self._caller.open(
            (*begun.said, *asked), self._merged(params), wire=wire, on_end=keep
        )
        return turn

    @overload
    async def parse(
        self,
        message: Messages | Message | Mapping[str, Any],
        into: type[T],
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[T]: ...
    @overload
    async def parse(
        self,
        message: Messages | Message | Mapping[str, Any],
        into: Any,
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[Any]: ...
    async def parse(
        self,
        message: Messages | Message | Mapping[str, Any],
        into: Any,
        *,
        repairs: int = 1,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> Parsed[Any]:
        """Say something and get a value of a type; see ``client.parse()``.

        What was said and the answer that fits enter the history, and what led to it does not: neither the schema in
        words, nor an answer that did not fit and what the model was told of it.

        Args:
            message: As of :meth:`send`.
            into: As of ``client.parse()``, and so are the others.
            repairs: How often the model is asked again.
            wire: As in ``client.chat()``.
            params: Parameters of this turn, over those of the conversation.

        Raises:
            KimiError: There is no value; the history is as it was.
            RuntimeError: Another turn is under way.
        """
        from kimi_async.structured import answer_of, question_for

        self._check_free()
        begun, asked = self._history, _as_sequence(message)
        question = question_for(
            self._caller, (*begun.said, *asked), self._merged(params), into, wire=wire
        )
        self._turn = rounds = _Rounds()
        try:
            parsed = await answer_of(question, repairs)
        finally:
            rounds.is_open = False
        # The first request is the one that held no other answers.
        reply = evolve(parsed.completion, usage=parsed.rounds[0].completion.usage)
        self._go_on(begun, _with_turn(begun, asked, reply))
        return parsed

    def run(
        self, message: Messages | Message | Mapping[str, Any], **params: Unpack[RunParams]
    ) -> ToolRun:
        """Say something and run the tools that the model calls; see ``client.run()``.

        What was said, all calls with their results, and the answer enter the history together, when the run has ended
        well; calls in ``pending`` are to be answered with the next message.

        Args:
            message: As of :meth:`send`.
            params: The parameters of ``client.run()``, over those of the conversation.

        Raises:
            ConfigurationError: Something cannot be sent.
            RuntimeError: Another turn is under way.
        """
        from kimi_async.tools._run import ToolRun

        self._check_free()
        begun = self._history

        def keep(result: RunResult) -> None:
            self._go_on(begun, _with_run(begun, result))

        said = (*begun.said, *_as_sequence(message))
        merged: RunParams = {**self._params, **params}
        self._turn = run = ToolRun(self._caller, said, **merged)
        run.on_end = keep
        return run

    def _merged(self, params: CallParams) -> CallParams:
        return {**self._params, **params}

    def _check_free(self) -> None:
        if self._turn is not None and self._turn.is_open:
            raise RuntimeError("a turn of this conversation is under way; fork() for another line")

    def _go_on(self, begun: _History, history: _History) -> None:
        if self._history is not begun:
            raise RuntimeError("the conversation went on while this turn was under way")
        self._history = history

    def fork(self) -> Self:
        """Another conversation with the same history, which goes its own way from here."""
        return type(self)(self._caller, self._params, self._history)

    def trim(self, *, turns: int | None = None, prompt_tokens: int | None = None) -> int:
        """Forget the oldest turns; the opening messages of role ``system`` and the last turn stay.

        A turn begins with a message of the user, so no result is left without its call.

        Args:
            turns: How many turns are kept at the most.
            prompt_tokens: How long the history may be at the most, estimated by the last reported ``prompt_tokens``
                and the lengths of the texts.

        Returns:
            How many messages were dropped.

        Raises:
            ConfigurationError: A limit below 1, or no usage was reported yet.
        """
        for name, limit in (("turns", turns), ("prompt_tokens", prompt_tokens)):
            if limit is not None and limit < 1:
                raise ConfigurationError(f"{name} must be at least 1")
        said = self._history.said
        opening, begins = _turns_of(said)
        first = 0 if turns is None else max(0, len(begins) - turns)
        if prompt_tokens is not None:
            most = prompt_tokens * self._chars_of_a_token()
            kept = _chars(said[:opening])
            while first < len(begins) - 1 and kept + _chars(said[begins[first] :]) > most:
                first += 1
        if not first:
            return 0
        self._history = evolve(self._history, said=said[:opening] + said[begins[first] :])
        return len(said) - len(self._history.said)

    def _chars_of_a_token(self) -> float:
        tokens = self._history.prompt_tokens
        if not tokens:
            raise ConfigurationError(
                "no prompt_tokens were reported yet to estimate by; trim by turns"
            )
        return self._history.prompt_chars / tokens

    def to_json(self) -> str:
        """The conversation as JSON text, for ``client.conversation(saved=...)``; without its parameters and any key.

        Raises:
            ConfigurationError: A message that cannot be written as JSON.
        """
        history = self._history
        saved = {
            "kimi_async_conversation": _VERSION,
            "messages": [_wire(message) for message in history.said],
            "prompt_tokens": history.prompt_tokens,
            "prompt_chars": history.prompt_chars,
        }
        try:
            return msgspec.json.encode(saved).decode()
        except (TypeError, ValueError, RecursionError):
            pass  # what they say may quote a message
        raise ConfigurationError("a message of the conversation cannot be written as JSON")


class _Rounds:
    """The rounds of one ``parse()``."""

    is_open = True


class _Saved(msgspec.Struct, kw_only=True):
    """The JSON of a saved conversation."""

    kimi_async_conversation: int
    messages: tuple[dict[str, Any], ...]
    prompt_tokens: int | None = None
    prompt_chars: int = 0


def load_history(saved: str | bytes) -> _History:
    """Read what :meth:`Conversation.to_json` wrote.

    Raises:
        ConfigurationError: It is something else, broken, or of a version that is not known here.
    """
    try:
        version = msgspec.json.decode(saved, type=dict[str, Any]).get("kimi_async_conversation")
        if version != _VERSION:
            problem = f"its version is {version!r}, and this library knows {_VERSION}"
        else:
            found = msgspec.json.decode(saved, type=_Saved)
            said = tuple(_from_wire(message, at) for at, message in enumerate(found.messages))
            return _History(said, found.prompt_tokens, found.prompt_chars)
    except (msgspec.MsgspecError, TypeError, UnicodeError) as error:
        problem = str(error)
    raise ConfigurationError(f"this is no saved conversation: {problem}")


def opening_history(system: str | None, messages: Iterable[_Said]) -> _History:
    """The history of a new conversation."""
    opening = [] if system is None else [Message(role="system", content=system)]
    return _History((*opening, *messages))


def _from_wire(raw: Mapping[str, Any], at: int) -> _Said:
    """The message that *raw* was written from; *raw* itself when that would lose something."""
    if not isinstance(raw.get("role"), str):
        raise msgspec.ValidationError(f"messages[{at}] has no role")
    fields: dict[str, Any] = {
        key: raw[key]
        for key in ("role", "content", "refusal", "tool_call_id", "name", "partial")
        if key in raw
    }
    if isinstance(fields.get("content"), list):
        fields["content"] = tuple(fields["content"])
    if "reasoning" in raw:
        fields |= {"reasoning_content": raw["reasoning"], "reasoning_key": "reasoning"}
    elif "reasoning_content" in raw:
        fields["reasoning_content"] = raw["reasoning_content"]
    calls = raw.get("tool_calls")
    if isinstance(calls, list) and all(_is_call(call) for call in calls):
        fields["tool_calls"] = tuple(
            ToolCall(id=call.get("id"), type=call["type"], **call["function"]) for call in calls
        )
    message = Message(**fields)
    return message if message.to_wire() == raw else raw


def _is_call(call: Any) -> bool:
    if not isinstance(call, dict) or "type" not in call:
        return False
    function = call.get("function")
    return isinstance(function, dict) and function.keys() == {"name", "arguments"}


def _as_sequence(message: Messages | Message | Mapping[str, Any]) -> Sequence[_Said]:
    if isinstance(message, str):
        return (Message(role="user", content=message),)
    # What is neither is refused where all messages are checked.
    return (message,) if isinstance(message, (Message, Mapping)) else message


def _with_turn(history: _History, asked: Sequence[_Said], reply: ChatCompletion) -> _History:
    """The history with one more turn; the same when its reply could not be sent back."""
    message = reply.message
    if not _can_be_sent_back(message):
        return history
    prompt_chars = _chars((*history.said, *asked))
    if reply.prefix is not None:
        # The prefix was the beginning of this message, and is now part of it.
        asked, message = asked[:-1], evolve(message, content=reply.full_text)
    return _History((*history.said, *asked, message), _prompt_tokens(reply), prompt_chars)


def _with_run(history: _History, result: RunResult) -> _History:
    """The history with one more run; the same when its last reply could not be sent back."""
    if not _can_be_sent_back(result.completion.message):
        return history
    said = result.messages
    last = max(at for at, message in enumerate(said) if _wire_role(message) == "assistant")
    return _History(said, _prompt_tokens(result.completion), _chars(said[:last]))


def _can_be_sent_back(message: Message) -> bool:
    is_something_said = message.content or message.tool_calls or message.refusal
    return bool(is_something_said) and all(call.complete for call in message.tool_calls)


def _prompt_tokens(reply: ChatCompletion) -> int | None:
    return None if reply.usage is None else reply.usage.prompt_tokens


def _turns_of(said: tuple[_Said, ...]) -> tuple[int, list[int]]:
    """How many messages open the conversation, and where each turn begins."""
    roles = [_wire_role(message) for message in said]
    opening = next((at for at, role in enumerate(roles) if role not in _OPENING), len(roles))
    return opening, [at for at, role in enumerate(roles) if role == "user"]


def _wire_role(message: _Said) -> object:
    return message.role if isinstance(message, Message) else message.get("role")


def _wire(message: _Said) -> Mapping[str, Any]:
    return message.to_wire() if isinstance(message, Message) else message


def _chars(messages: Iterable[_Said]) -> int:
    """How much text is in *messages*; data URLs, which cost as much as their picture, are left out."""
    return sum(_chars_in(_wire(message)) for message in messages)


def _chars_in(value: object) -> int:
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, Mapping):
        return sum(map(_chars_in, value.values()))
    return sum(map(_chars_in, value)) if isinstance(value, (list, tuple)) else 0
