"""One oddity of a provider as a value: a name, and the stages of an answer that it changes. Pure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from attrs import field, frozen

from kimi_async.testing._completion import Completion
from kimi_async.testing._steps import Answer
from kimi_async.testing._wire import ErrorSpec

__all__ = ["JSON", "Change", "Events", "Objects", "Oddities", "Oddity", "each"]

JSON: TypeAlias = dict[str, Any]

#: The objects of a reply: the chunks of a stream, or the one object of a JSON body.
Objects: TypeAlias = list[JSON]

#: The events of a stream, each with its blank line.
Events: TypeAlias = tuple[bytes, ...]

Change: TypeAlias = Callable[[Objects], Objects]


def _same(value: Any) -> Any:
    return value


def _same_error(_error: ErrorSpec, written: Any) -> Any:
    return written


def _accepted(_body: Mapping[str, Any]) -> str | None:
    return None


@frozen(kw_only=True)
class Oddity:
    """One way in which a provider differs from the documentation of the call.

    Attributes:
        name: The name that switches it on.
        section: The section of the page Providers that describes it.
        effect: What the provider then does, in a few words.
        is_streamed: Whether the reply is streamed, whatever was asked for; ``None`` = as it was asked for.
        refusal: Reads the body of a request, and returns the message of the 400 that refuses it, or ``None``.
        completion: Changes the reply before it is written.
        chunks: Changes the objects of a stream.
        body: Changes the object of a JSON body, which comes as a list of one.
        events: Changes the bytes of a stream.
        error: Changes the object of an error.
        answer: Changes the whole answer to a reply or an error.
    """

    name: str
    section: str
    effect: str
    is_streamed: bool | None = None
    refusal: Callable[[Mapping[str, Any]], str | None] = field(default=_accepted, repr=False)
    completion: Callable[[Completion], Completion] = field(default=_same, repr=False)
    chunks: Change = field(default=_same, repr=False)
    body: Change = field(default=_same, repr=False)
    events: Callable[[Events], Events] = field(default=_same, repr=False)
    error: Callable[[ErrorSpec, Any], Any] = field(default=_same_error, repr=False)
    answer: Callable[[Answer], Answer] = field(default=_same, repr=False)


@frozen
class Oddities:
    """Several oddities, each applied to the result of the one before it."""

    chosen: tuple[Oddity, ...] = ()

    def __iter__(self) -> Iterator[Oddity]:
        return iter(self.chosen)

    def is_streamed(self, asked: bool) -> bool:
        """Return whether a reply is streamed to a request that asked for it or did not."""
        for oddity in self.chosen:
            asked = asked if oddity.is_streamed is None else oddity.is_streamed
        return asked

    def refusal(self, body: Mapping[str, Any]) -> str | None:
        """Return the message of the first refusal of a request; ``None`` = it is accepted."""
        refusals = (oddity.refusal(body) for oddity in self.chosen)
        return next((message for message in refusals if message is not None), None)

    def completion(self, completion: Completion) -> Completion:
        """Change a reply before it is written."""
        for oddity in self.chosen:
            completion = oddity.completion(completion)
        return completion

    def chunks(self, chunks: Iterable[JSON]) -> Objects:
        """Change the objects of a stream."""
        if not self.chosen:
            return list(chunks)
        # The wires share parts between objects, and the changes are made in place.
        objects = [copy.deepcopy(chunk) for chunk in chunks]
        for oddity in self.chosen:
            objects = oddity.chunks(objects)
        return objects

    def body(self, body: JSON) -> JSON:
        """Change the object of a JSON body."""
        objects = [copy.deepcopy(body)]
        for oddity in self.chosen:
            objects = oddity.body(objects)
        return objects[0]

    def events(self, events: Events) -> Events:
        """Change the bytes of a stream."""
        for oddity in self.chosen:
            events = oddity.events(events)
        return events

    def error(self, error: ErrorSpec, written: Any) -> Any:
        """Change the object of an error."""
        for oddity in self.chosen:
            written = oddity.error(error, written)
        return written

    def answer(self, answer: Answer) -> Answer:
        """Change the whole answer."""
        for oddity in self.chosen:
            answer = oddity.answer(answer)
        return answer


def each(change: Callable[[JSON], object]) -> Change:
    """Return a change of every object, made in place."""

    def changed(objects: Objects) -> Objects:
        for each_object in objects:
            change(each_object)
        return objects

    return changed
