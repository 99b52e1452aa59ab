"""Tell the end of a reply in the same way in every format; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from kimi_async._codec import plain
from kimi_async._errors import KimiError
from kimi_async._messages import ToolCall
from kimi_async._models import ChatCompletion, NoAnswer
from kimi_async._record import Outcome, Usage
from kimi_async._reply._summary import outcome_of_failure
from kimi_async.tools._run import RunResult, Stopped
from kimi_async.web._problems import Problem, internal_problem, problem_of

__all__ = ["Ending", "ending_of_failure", "ending_of_reply", "ending_of_run"]

_SENTENCES: Final[Mapping[str, str]] = {
    "budget": "There is no answer: thinking used up the token limit.",
    "model": "There is no answer: the model only thought.",
    "length": "The answer reached its token limit and is not complete.",
    "content_filter": "A content filter stopped the answer.",
    "tool_calls": "The model asked for a tool that this service does not run.",
    "other": "The answer ended for an unknown reason and may not be complete.",
    "max_steps": "There is no answer: the last step was reached.",
    "denied": "There is no answer: a tool call was denied.",
}


@frozen(kw_only=True)
class Ending:
    """The end of a reply, a run or a parsed stream.

    Attributes:
        outcome: The outcome of the last reply.
        completion: The last reply; ``None`` if it failed.
        usage: The usage of the reply, or the sum over a run.
        problem: The error that ended it, or ``None``.
        stopped: The reason for the end of a run; ``None`` for a reply.
        pending: The tool calls that a run leaves to the browser.
        values: The JSON value of a parsed stream as the only item, or nothing.
    """

    outcome: Outcome
    completion: ChatCompletion | None = None
    usage: Usage | None = None
    problem: Problem | None = None
    stopped: Stopped | None = None
    pending: tuple[ToolCall, ...] = ()
    values: tuple[Any, ...] = ()

    @property
    def no_answer(self) -> NoAnswer | None:
        """Why the reply holds only thinking; ``None`` if it has an answer."""
        return None if self.completion is None else self.completion.no_answer

    @property
    def word(self) -> str:
        """One word for the end: ``no_answer``, else ``max_steps`` or ``denied`` of a run, else the outcome."""
        if self.no_answer is not None:
            return "no_answer"
        return self.stopped if self.stopped in ("max_steps", "denied") else self.outcome

    @property
    def sentence(self) -> str:
        """The end in one sentence; empty for a complete answer."""
        if self.problem is not None:
            return self.problem.message
        return _SENTENCES.get(self.no_answer or self.word, "")

    def to_dict(self) -> dict[str, Any]:
        """Return the end as plain data; ``stopped`` and ``value`` only for those that have them."""
        told: dict[str, Any] = {
            "outcome": self.outcome,
            "no_answer": self.no_answer,
            "error": None if self.problem is None else self.problem.to_dict(),
            "usage": None if self.usage is None else plain(self.usage),
        }
        if self.stopped is not None:
            told["stopped"] = self.stopped
        if self.values:
            told["value"] = self.values[0]
        return told


def ending_of_reply(completion: ChatCompletion, values: tuple[Any, ...] = ()) -> Ending:
    """Return the end of one complete reply.

    Args:
        completion: The reply.
        values: Its JSON value as the only item, if a value was asked for.
    """
    outcome = completion.outcome or "other"
    return Ending(outcome=outcome, completion=completion, usage=completion.usage, values=values)


def ending_of_run(result: RunResult) -> Ending:
    """Return the end of one run."""
    return Ending(
        outcome=result.completion.outcome or "other",
        completion=result.completion,
        usage=result.usage,
        stopped=result.stopped,
        pending=result.pending,
    )


def ending_of_failure(error: Exception) -> Ending:
    """Return the end of a reply that *error* ended after its first output."""
    if not isinstance(error, KimiError):
        return Ending(outcome="error", problem=internal_problem())
    usage = None if error.partial is None else error.partial.usage
    return Ending(outcome=outcome_of_failure(error), usage=usage, problem=problem_of(error))
