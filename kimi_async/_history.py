"""The history of a conversation: how it grows, is saved and is trimmed; pure."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
from attrs import evolve, frozen

from kimi_async._errors import ConfigurationError
from kimi_async._messages import Message
from kimi_async._models import ChatCompletion
from kimi_async._request._message_values import Said, as_messages
from kimi_async._request._params import with_wire_tools
from kimi_async._to_json import encode_json, problem_of_types

if TYPE_CHECKING:
    from kimi_async.tools._run import RunResult

__all__ = ["History", "first_history", "with_run", "with_turn"]

#: The version of the form of saved conversations.
_VERSION: Final = 1
_OPENING: Final = ("system", "developer")


@frozen
class History:
    """The messages so far, and their length when their tokens were last counted."""

    said: tuple[Message, ...] = ()
    #: The last reported ``prompt_tokens``, and the characters that they were counted for.
    prompt_tokens: int | None = None
    prompt_chars: int = 0

    def trimmed(self, *, turns: int | None, prompt_tokens: int | None) -> History:
        """Return the history without its oldest turns; takes and raises the same as ``Conversation.trim()``."""
        said = self.said
        opening, begins = _turns_of(said)
        first = 0 if turns is None else max(0, len(begins) - turns)
        if prompt_tokens is not None:
            most = prompt_tokens * self._chars_of_a_token()
            #: The characters from each message to the end; the last entry is that of the first message.
            tails = [0, *accumulate(_chars(message) for message in reversed(said))]
            room = most - (tails[-1] - tails[len(said) - opening])
            while first < len(begins) - 1 and tails[len(said) - begins[first]] > room:
                first += 1
        return evolve(self, said=said[:opening] + said[begins[first] :]) if first else self

    def _chars_of_a_token(self) -> float:
        if not self.prompt_tokens:
            raise ConfigurationError(
                "no prompt_tokens were reported yet to estimate by; trim by turns"
            )
        return self.prompt_chars / self.prompt_tokens

    def to_json(self) -> str:
        """Return the history as JSON text; raises the same as ``Conversation.to_json()``."""
        saved = {
            "kimi_async_conversation": _VERSION,
            "messages": [_wire(message) for message in self.said],
            "prompt_tokens": self.prompt_tokens,
            "prompt_chars": self.prompt_chars,
        }
        # No number that JSON would write as null.
        text = None if problem_of_types(saved) else encode_json(saved)
        if text is None:
            raise ConfigurationError("a message of the conversation cannot be written as JSON")
        return text.decode()


class _Saved(msgspec.Struct, kw_only=True):
    """The JSON of a saved conversation."""

    kimi_async_conversation: int
    messages: tuple[dict[str, Any], ...]
    prompt_tokens: int | None = None
    prompt_chars: int = 0


def _load_history(saved: str | bytes) -> History:
    """Read what :meth:`Conversation.to_json` wrote.

    Raises:
        ConfigurationError: It is something else, broken, or of an unknown version.
    """
    try:
        version = msgspec.json.decode(saved, type=dict[str, Any]).get("kimi_async_conversation")
        if version != _VERSION:
            problem = f"its version is {version!r}, and this library knows {_VERSION}"
        else:
            found = msgspec.json.decode(saved, type=_Saved)
            said = as_messages(cast(Any, found.messages))
            return History(said, found.prompt_tokens, found.prompt_chars)
    except RecursionError:
        problem = "it is nested too deeply"
    except (ValueError, TypeError, ConfigurationError) as error:
        problem = str(error)
    raise ConfigurationError(f"this is not a saved conversation: {problem}")


def first_history(system: object, messages: Said, saved: str | bytes | None) -> History:
    """Return the history that a conversation begins with; takes and raises the same as ``client.conversation()``."""
    if saved is not None:
        if system is not None or messages:
            raise ConfigurationError("a saved conversation has its own beginning: give only saved=")
        return _load_history(saved)
    if system is None:
        return History(as_messages(messages))
    if not isinstance(system, str):
        raise ConfigurationError(f"system must be a text, not {type(system).__name__}")
    return History((Message(role="system", content=system), *as_messages(messages)))


def with_turn(history: History, asked: tuple[Message, ...], reply: ChatCompletion) -> History:
    """Return the history with one more turn; the same history if the reply cannot be sent back."""
    message = reply.message
    if not _can_be_sent_back(message):
        return history
    prompt_chars = sum(map(_chars, (*history.said, *asked)))
    if reply.prefix is not None:
        # The prefix was the beginning of this message, and is now part of it.
        asked, message = asked[:-1], evolve(message, content=reply.full_text)
    return History((*history.said, *asked, message), _prompt_tokens(reply), prompt_chars)


def with_run(history: History, result: RunResult) -> History:
    """Return the history with one more run; the same history if the last reply cannot be sent back."""
    if not _can_be_sent_back(result.completion.message):
        return history
    said = result.messages
    last = max(at for at, message in enumerate(said) if message.role == "assistant")
    return History(said, _prompt_tokens(result.completion), sum(map(_chars, said[:last])))


def _can_be_sent_back(message: Message) -> bool:
    """Return whether providers accept *message* in a history; to them, a refusal without content is an empty one."""
    is_something_said = message.content or message.tool_calls
    return bool(is_something_said) and all(call.complete for call in message.tool_calls)


def _prompt_tokens(reply: ChatCompletion) -> int | None:
    return None if reply.usage is None else reply.usage.prompt_tokens


def _turns_of(said: tuple[Message, ...]) -> tuple[int, list[int]]:
    """Return the number of messages that open the conversation, and the places where turns begin."""
    roles = [message.role for message in said]
    opening = next((at for at, role in enumerate(roles) if role not in _OPENING), len(roles))
    return opening, [at for at, role in enumerate(roles) if role == "user"]


def _wire(message: Message) -> dict[str, Any]:
    return with_wire_tools(message.to_wire())


def _chars(message: Message) -> int:
    """Return the length of the text in *message*; data URLs, which cost as much as their picture, do not count."""
    return _chars_in(_wire(message))


def _chars_in(value: object) -> int:
    if isinstance(value, str):
        return 0 if value.startswith("data:") else len(value)
    if isinstance(value, Mapping):
        return sum(map(_chars_in, value.values()))
    return sum(map(_chars_in, value)) if isinstance(value, (list, tuple)) else 0
