"""A conversation: its history is sent with every question, and a turn that fails does not change it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar, Unpack, overload

from attrs import evolve

from kimi_async._caller import Caller
from kimi_async._configuration import CallParams
from kimi_async._errors import ConfigurationError
from kimi_async._history import History, with_run, with_turn
from kimi_async._messages import Message
from kimi_async._models import ChatCompletion
from kimi_async._request._message_values import Said, as_messages
from kimi_async._stream import ChatStream
from kimi_async._wire import Wire

if TYPE_CHECKING:
    from kimi_async.structured import Parsed, ParseParams
    from kimi_async.tools._run import RunParams, RunResult, ToolRun

__all__ = ["Conversation"]

T = TypeVar("T")


class _Turn(Protocol):
    """A turn that has begun."""

    @property
    def is_open(self) -> bool: ...


class Conversation:
    """A history of several turns, which is sent with every message; made by ``client.conversation()``.

    Each message of the model is kept unchanged, with its reasoning (also if empty) and the ids and the order of its
    calls. The question and the answer of a turn enter the history together, when the reply is complete. A turn that
    failed, was cancelled or was closed early does not change the history and can be sent again. The same is true for a
    reply that cannot be sent back: one with neither text nor calls (only thinking, or only a refusal), or with a call
    that was cut.

    One turn at a time; :meth:`fork` makes another conversation with the same history.
    """

    def __init__(self, caller: Caller, params: CallParams, history: History | None = None) -> None:
        self._caller = caller.for_conversation()
        self._params = params
        self._history = history or History()
        self._turn: _Turn | None = None

    def __repr__(self) -> str:
        return f"<Conversation of {len(self._history.said)} messages>"

    @property
    def messages(self) -> tuple[Message, ...]:
        """The history, which is sent before the next message.

        A dict becomes a :class:`~kimi_async.Message` when it enters; a key that has no field there is in ``extra``.
        """
        return self._history.said

    @property
    def prompt_tokens(self) -> int | None:
        """The last reported ``prompt_tokens``; ``None`` if the provider reported none."""
        return self._history.prompt_tokens

    async def send(
        self,
        message: Said,
        *,
        wire: Wire = "stream",
        **params: Unpack[CallParams],
    ) -> ChatCompletion:
        """Send a message and return the complete reply.

        Args:
            message: A text of the user, a message, or a list of messages, such as the results of tool calls. It is
                copied, so you can change your list afterwards.
            wire: As in ``client.chat()``.
            params: Parameters of this turn, over those of the conversation.

        Raises:
            KimiError: The reply failed; the history is unchanged.
            RuntimeError: Another turn is under way.
        """
        return await self._begin(message, params, wire=wire).final()

    def stream(self, message: Said, **params: Unpack[CallParams]) -> ChatStream:
        """Send a message and return the reply as events; the turn enters the history at the last event.

        It takes the arguments of :meth:`send`, except ``wire``, and raises the same errors.
        """
        return self._begin(message, params)

    def _begin(
        self,
        message: Said,
        params: CallParams,
        *,
        wire: Wire = "stream",
    ) -> ChatStream:
        begun, asked = self._history, as_messages(message)

        def keep(reply: ChatCompletion) -> None:
            self._go_on(begun, with_turn(begun, asked, reply))

        self._check_free()
        merged = self._merged(params)
        caller = self._caller.for_turn(merged)
        self._turn = turn = caller.open((*begun.said, *asked), merged, wire=wire, on_end=keep)
        return turn

    @overload
    async def parse(
        self, message: Said, into: type[T], **params: Unpack[ParseParams]
    ) -> Parsed[T]: ...
    @overload
    async def parse(
        self, message: Said, into: Any, **params: Unpack[ParseParams]
    ) -> Parsed[Any]: ...
    async def parse(self, message: Said, into: Any, **params: Unpack[ParseParams]) -> Parsed[Any]:
        """Send a message and return a value of a type; see ``client.parse()``.

        The message and the answer that fits enter the history. The schema in words, the answers that did not fit, and
        the messages about them do not.

        Args:
            message: The same as for :meth:`send`.
            into: The same as for ``client.parse()``.
            params: The parameters of ``client.parse()``, over those of the conversation.

        Raises:
            KimiError: The reply failed or does not fit; the history is unchanged.
            RuntimeError: Another turn is under way.
        """
        from kimi_async._structured import parse, typed_request

        self._check_free()
        repairs, wire = params.pop("repairs", 1), params.pop("wire", "stream")
        begun, asked = self._history, as_messages(message)
        request = typed_request(
            self._caller, (*begun.said, *asked), self._merged(params), into, wire=wire
        )
        self._turn = rounds = _Rounds()
        try:
            parsed = await parse(request, repairs)
        finally:
            rounds.is_open = False
        # Only the first request had no answers of earlier rounds, so its usage is that of the history.
        reply = evolve(parsed.completion, usage=parsed.rounds[0].completion.usage)
        self._go_on(begun, with_turn(begun, asked, reply))
        return parsed

    def run(self, message: Said, **params: Unpack[RunParams]) -> ToolRun:
        """Send a message and run the tools that the model calls; see ``client.run()``.

        The message, all calls with their results, and the answer enter the history together, when the run has ended
        without an error. Answer the calls in ``pending`` with the next message.

        Args:
            message: The same as for :meth:`send`.
            params: The parameters of ``client.run()``, over those of the conversation.

        Raises:
            ConfigurationError: A part of the request cannot be sent.
            RuntimeError: Another turn is under way.
        """
        from kimi_async.tools._run import ToolRun

        self._check_free()
        begun = self._history

        def keep(result: RunResult) -> None:
            self._go_on(begun, with_run(begun, result))

        said = (*begun.said, *as_messages(message))
        merged: RunParams = {**self._params, **params}
        self._turn = run = ToolRun(self._caller, said, **merged)
        run.on_end = keep
        return run

    def _merged(self, params: CallParams) -> CallParams:
        return {**self._params, **params}

    def _check_free(self) -> None:
        if self._turn is not None and self._turn.is_open:
            raise RuntimeError("a turn of this conversation is under way; fork() for another line")

    def _go_on(self, begun: History, history: History) -> None:
        if self._history is not begun:
            raise RuntimeError("the conversation changed while this turn was under way")
        self._history = history
        # The turn refers to this conversation; a circle would keep both until the garbage collector runs.
        self._turn = None

    def fork(self) -> Self:
        """Return another conversation with the same history; later changes of one do not affect the other."""
        return type(self)(self._caller, self._params, self._history)

    def trim(self, *, turns: int | None = None, prompt_tokens: int | None = None) -> int:
        """Drop the oldest turns; the opening messages of role ``system`` and the last turn stay.

        A turn begins with a message of the user, so no result is left without its call.

        Args:
            turns: The largest number of turns to keep.
            prompt_tokens: The largest length of the history, estimated by the last reported ``prompt_tokens`` and the
                lengths of the texts.

        Returns:
            The number of messages that were dropped.

        Raises:
            ConfigurationError: A limit is not a whole number above 0, or no usage was reported yet.
        """
        for name, limit in (("turns", turns), ("prompt_tokens", prompt_tokens)):
            if limit is not None and (type(limit) is not int or limit < 1):
                raise ConfigurationError(f"{name} must be a whole number above 0")
        history = self._history
        self._history = history.trimmed(turns=turns, prompt_tokens=prompt_tokens)
        return len(history.said) - len(self._history.said)

    def to_json(self) -> str:
        """Return the conversation as JSON text, for ``client.conversation(saved=...)``; without parameters and keys.

        Raises:
            ConfigurationError: A message cannot be written as JSON.
        """
        return self._history.to_json()


class _Rounds:
    """The rounds of one ``parse()``."""

    is_open = True
