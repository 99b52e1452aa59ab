"""Random times for the answers of a fake, the same in every run. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any, Protocol, TypeAlias, runtime_checkable

from attrs import Attribute, evolve, field, frozen, validators

from kimi_async.testing._checks import is_seconds, is_typed, named, seconds_of
from kimi_async.testing._steps import Answer, Send, Step, Wait

__all__ = ["Exponential", "Latency", "LogNormal", "Seconds", "Uniform"]


@runtime_checkable
class Distribution(Protocol):
    """Anything that draws a number of seconds."""

    def draw(self, random: Random, /) -> float:
        """Return the next number of seconds, drawn from *random*."""
        ...


#: A fixed number of seconds, or a distribution of them.
Seconds: TypeAlias = float | Distribution


@frozen
class Uniform:
    """Any number of seconds between two limits, each as likely as the others.

    Attributes:
        low: The smallest number of seconds.
        high: The largest number of seconds.
    """

    low: float = field(validator=is_seconds)
    high: float = field(validator=is_seconds)

    def __attrs_post_init__(self) -> None:
        if self.high < self.low:
            raise ValueError(
                f"high of Uniform must be at least its low, {self.low}, not {self.high}"
            )

    def draw(self, random: Random, /) -> float:
        """Return the next number of seconds, drawn from *random*."""
        return random.uniform(self.low, self.high)


@frozen
class Exponential:
    """Mostly short times and a few long ones, as between independent events.

    Attributes:
        mean: The mean of the seconds.
    """

    mean: float = field(validator=[is_seconds, validators.gt(0)])

    def draw(self, random: Random, /) -> float:
        """Return the next number of seconds, drawn from *random*."""
        return random.expovariate(1 / self.mean)


@frozen
class LogNormal:
    """Times with a long tail, as the first output of a model has them.

    Attributes:
        median: Half of the times are shorter, in seconds.
        p95: 95 of 100 times are shorter, in seconds.
    """

    median: float = field(validator=[is_seconds, validators.gt(0)])
    p95: float = field(validator=[is_seconds, validators.gt(0)])

    def draw(self, random: Random, /) -> float:
        """Return the next number of seconds, drawn from *random*."""
        # 95 % of a normal distribution are below 1.6449 standard deviations.
        deviation = math.log(self.p95 / self.median) / 1.6449
        return random.lognormvariate(math.log(self.median), deviation)


def _seconds(instance: object, attribute: Attribute[Any], value: object) -> None:
    if isinstance(value, Distribution) and not isinstance(value, type):
        return
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        owner = type(instance).__name__
        raise TypeError(
            f"{attribute.name} of {owner} must be a number of seconds or a distribution, not {named(value)}"
        )
    is_seconds(instance, attribute, value)


@frozen(kw_only=True)
class Latency:
    """The time that every answer takes, beside the waits of its script.

    Each request draws from a source of its own, which depends only on the seed and the number of the request. So the
    times are the same in every run, also if requests overlap.

    Attributes:
        headers: Seconds before the headers.
        first: Seconds between the headers and the first bytes of the body.
        between: Seconds before each of the other sends.
        seed: Another seed gives other times.
    """

    headers: Seconds = field(default=0.0, validator=_seconds)
    first: Seconds = field(default=0.0, validator=_seconds)
    between: Seconds = field(default=0.0, validator=_seconds)
    seed: int = field(default=0, validator=is_typed(int))

    def apply(self, answer: Answer, number: int) -> Answer:
        """Return *answer*, to the *number*-th request, with its waits."""
        random = Random(f"{self.seed} {number}")
        before = (*_waits(self.headers, random), *answer.before_headers)
        return evolve(answer, before_headers=before, steps=tuple(self._paced(answer, random)))

    def _paced(self, answer: Answer, random: Random) -> Iterator[Step]:
        seconds = self.first
        for step in answer.steps:
            if isinstance(step, Send):
                yield from _waits(seconds, random)
                seconds = self.between
            yield step


def _waits(seconds: Seconds, random: Random) -> Iterator[Wait]:
    if isinstance(seconds, Distribution):
        drawn = seconds_of(seconds.draw(random), f"a draw of {type(seconds).__name__}")
    else:
        drawn = seconds
    if drawn:
        yield Wait(drawn)
