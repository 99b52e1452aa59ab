"""A reply of 200 events that breaks after any of them, and the end that each policy owes the caller."""

from __future__ import annotations

from functools import cache
from typing import Final, Literal, TypeAlias

from attrs import frozen

import kimi_async as kimi
from kimi_async import AsyncKimi, Retries
from kimi_async._configuration import OnInterrupt
from kimi_async.testing import FakeTransport, Reply
from kimi_async.testing._script import RenderContext
from kimi_async.testing._steps import Answer, Ending, deliver, split_events

__all__ = ["CUTS", "HOSTS", "TEXT", "THOUGHT", "WAYS", "Case", "Host", "Use"]

Use: TypeAlias = Literal["chat", "stream", "text"]
End: TypeAlias = Literal["untouched", "again", "raise", "continue", "restart"]

WAYS: Final[tuple[OnInterrupt, ...]] = ("auto", "raise", "continue", "restart")

#: Without a repetition, so that a wrong seam cannot hide.
TEXT: Final = "".join(f"{number} and " for number in range(100, 173))
THOUGHT: Final = "".join(f"{number}?" for number in range(100, 150))
_WHOLE: Final = Reply(TEXT, THOUGHT, chunk_chars=4)

#: The events: the role, 50 of reasoning, 146 of content, the finish reason, the usage and ``[DONE]``.
_FIRST_THOUGHT: Final = 1
_FIRST_TEXT: Final = _FIRST_THOUGHT + len(THOUGHT) // 4
_FINISH: Final = _FIRST_TEXT + len(TEXT) // 4
#: The numbers of events that arrive before the break, from none to all 200.
CUTS: Final = range(_FINISH + 4)
#: A broken body ends in each of these ways in turn.
_ENDS: Final[tuple[Ending, ...]] = ("reset", "hangup", "finish")
#: A shorter text is not continued, because a repetition of it could not be told from the rest.
_SHORT: Final = 8


@frozen
class Host:
    """The second provider.

    Attributes:
        id: Its name in the tests.
        model: The model; only K2 models of Moonshot are known to continue a prefix.
        honours_prefix: Whether it answers with the rest, or with the whole reply again.
    """

    id: str
    model: str
    honours_prefix: bool

    @property
    def gets_prefix(self) -> bool:
        """Whether the client asks it to continue."""
        return self.model == "kimi-k2.6"


HOSTS: Final = (
    Host("honours", "kimi-k2.6", honours_prefix=True),
    Host("repeats", "kimi-k2.6", honours_prefix=False),
    Host("unknown", "kimi-k3", honours_prefix=False),
)


@cache
def _events(model: str, prefix: str) -> tuple[bytes, ...]:
    """Return the events of the reply without *prefix*; they are written once for all positions."""
    asked = RenderContext(provider="moonshot", model=model, prefix=prefix)
    return split_events(_WHOLE.render(asked).body)


@frozen
class _Cut:
    """The reply in a few sends, the last event in one of its own; the first *cut* events of it, and then *end*."""

    cut: int | None
    end: Ending
    together: int

    def render(self, asked: RenderContext, /) -> Answer:
        """Return the events that arrive, and the end."""
        events = _events(str(asked.model), asked.prefix)[: self.cut]
        starts = range(0, len(events) - 1, self.together)
        pieces = [b"".join(events[start:-1][: self.together]) for start in starts]
        return Answer(steps=deliver([*pieces, *events[-1:]], end=self.end))


@frozen(kw_only=True)
class Case:
    """One call to two providers, of which the first breaks.

    Attributes:
        cut: The number of events before the break.
        way: The policy.
        use: The way in which the caller reads the reply.
        host: The second provider.
    """

    cut: int
    way: OnInterrupt
    use: Use
    host: Host

    @property
    def thought(self) -> str:
        """The reasoning that arrived before the break."""
        return THOUGHT[: 4 * max(0, self.cut - _FIRST_THOUGHT)]

    @property
    def text(self) -> str:
        """The text that arrived before the break."""
        return TEXT[: 4 * max(0, self.cut - _FIRST_TEXT)]

    @property
    def end(self) -> End:
        """The end that the client owes the caller."""
        if self.cut > _FINISH:
            return "untouched"
        if not self.thought:
            return "again"
        seen = {"chat": False, "stream": True, "text": self.text != ""}[self.use]
        way = self.way
        if way == "auto":
            way = "raise" if seen else "continue"
        if way == "continue" and not (self.host.gets_prefix and len(self.text.strip()) >= _SHORT):
            way = "restart"
        if way == "restart" and self.use == "text" and seen:
            way = "raise"
        return way

    def fakes(self, *, together: int) -> tuple[FakeTransport, FakeTransport]:
        """Return the fakes of the two providers; so many events are sent *together*."""
        broken = _Cut(self.cut, _ENDS[self.cut % 3], together)
        second = FakeTransport(
            [_Cut(None, "finish", together)],
            host="second.test",
            honours_prefix=self.host.honours_prefix,
        )
        return FakeTransport([broken], host="first.test"), second

    def client(self, first: FakeTransport, second: FakeTransport) -> AsyncKimi:
        """Return the client of the caller. One try for each provider, so that the second one finishes the reply."""
        providers: list[kimi.Provider] = [first.moonshot(name="A"), second.moonshot(name="B")]
        return first.client(
            second,
            provider=providers,
            model=self.host.model,
            retries=Retries(attempts=1),
            on_interrupt=self.way,
        )
