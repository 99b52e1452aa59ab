"""Decide how a reply that broke after its first output is finished; pure."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from msgspec.structs import replace

from kimi_async._configuration import OnInterrupt
from kimi_async._errors import APIError, KimiError, StreamInterrupted
from kimi_async._messages import Message
from kimi_async._prefix import Prefix
from kimi_async._protocol._seam import TELLING_CHARS, Seam
from kimi_async._providers import Provider
from kimi_async._reply._plan import (
    Continue,
    Decision,
    Failed,
    Plan,
    PlanState,
    Raise,
    Restart,
    Send,
)
from kimi_async._reply._reactions import Reaction, reaction_to
from kimi_async._wire import ChatRequest

__all__ = ["break_of", "continued", "finishing", "not_restarted", "seam_of"]


def finishing(plan: Plan) -> Plan:
    """Return *plan* with a rule for replies that broke after their first output.

    *plan* decides which provider is asked, and when; this rule decides between the rest of the reply and a new one.
    """

    def finished(
        request: ChatRequest,
        history: tuple[Failed, ...],
        state: PlanState,
        now: float,
        chance: float,
    ) -> Decision:
        partial = state.partial
        if partial is None:
            return plan(request, history, state, now, chance)
        broken = break_of(history)
        way = state.on_interrupt
        if way == "auto":
            way = "raise" if state.seen else "continue"
        taken = tuple(failed for failed in history if not _is_refused_continuation(failed))
        if way == "continue" and taken != history:
            way = "restart"
        history = taken
        if way == "raise" or not history[-1].error.retryable:
            return Raise(broken)
        decision = plan(request, history, state, now, chance)
        if not isinstance(decision, Send) or not (decision.paid or state.health.has_budget(now)):
            return Raise(broken)
        return _resumed(request, state, partial, decision, way) or Raise(not_restarted(broken))

    return finished


def _is_refused_continuation(failed: Failed) -> bool:
    """Return whether a host has refused the prefix itself; it may still serve the request without it."""
    error = failed.error
    refused = isinstance(error, APIError) and reaction_to(error) is Reaction.RAISE
    return failed.continued and not failed.started and refused


def break_of(history: tuple[Failed, ...]) -> KimiError:
    """Return the error that broke a reply after its first output, or else the last error.

    The attempts after a break may have failed otherwise.
    """
    broken = (failed.error for failed in reversed(history) if failed.started)
    return next(broken, history[-1].error)


def not_restarted(broken: KimiError) -> StreamInterrupted:
    """Return the error of a reply that *broken* ended, and that a view of its text cannot show from the beginning."""
    if isinstance(broken, StreamInterrupted):
        return broken
    return StreamInterrupted(
        "the reply broke, and the text that was shown cannot be taken back by a restart",
        cause=f"{type(broken).__name__}: {broken.message}",
    )


def _resumed(
    request: ChatRequest, state: PlanState, partial: Message, send: Send, way: OnInterrupt
) -> Continue | Restart | None:
    """Return the decision that finishes the reply with the request *send*, or ``None`` if none may."""
    if (
        way == "continue"
        and state.may_continue
        and _can_continue(request, state, partial, send.provider)
    ):
        prefix = evolve(partial, partial=True)
        return Continue(provider=send.provider, prefix=prefix, after=send.after, paid=True)
    if not state.may_restart:
        return None
    return Restart(provider=send.provider, after=send.after, paid=True)


def _can_continue(
    request: ChatRequest, state: PlanState, partial: Message, provider: Provider
) -> bool:
    """Return whether *provider* continues *partial*: only plain text that is long enough to be told apart."""
    text = partial.content
    if not isinstance(text, str) or len(_own(text, state.prefix).strip()) < TELLING_CHARS:
        return False
    if partial.tool_calls or partial.refusal is not None or _wants_json(request):
        return False
    if request.params.get("n", 1) != 1:
        return False
    if state.prefix is None and request.messages[-1].get("partial"):
        return False  # a prefix that is not one text cannot be joined
    prefix = provider.prefix_of(continued(request, partial, state.prefix))
    return prefix is not None and prefix.honoured is True


def _wants_json(request: ChatRequest) -> bool:
    wanted: Any = {**request.params, **request.extra_body}.get("response_format")
    return wanted is not None and wanted != {"type": "text"}


def _own(text: str, prefix: Prefix | None) -> str:
    """Return the part of *text* that is not the *prefix* of the caller again, or its beginning."""
    if prefix is None:
        return text
    said, begun = text.lstrip(), prefix.text.lstrip()
    if begun.startswith(said):
        return ""  # it may be about to repeat the prefix
    return said[len(begun) :] if prefix.is_repeated_in(text) else text


def continued(request: ChatRequest, partial: Message, prefix: Prefix | None) -> ChatRequest:
    """Return the request for the rest of *partial*.

    If the caller has sent a *prefix*, *partial* continues it, and both are sent as one message.
    """
    message = evolve(partial, partial=True).to_wire()
    messages = request.messages
    if prefix is not None:
        message = {**messages[-1], **message}
        message["content"] = prefix.joined_with(str(partial.content))
        messages = messages[:-1]
    return replace(request, messages=(*messages, message))


def seam_of(partial: Message, prefix: Prefix | None) -> Seam:
    """Return the seam between *partial* and its rest; *prefix* is that of the caller."""
    text = str(partial.content)
    if prefix is None:
        return Seam(text)
    return Seam(prefix.joined_with(text), _own(text, prefix))
