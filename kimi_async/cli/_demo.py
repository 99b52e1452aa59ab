"""``kimi-async demo``: play replies of both providers from a server on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import httpx
from attrs import frozen

from kimi_async import AsyncKimi, Provider, Usage
from kimi_async.cli._output import BOLD, DIM, Output
from kimi_async.cli._render import TerminalRenderer
from kimi_async.cli._run import follow
from kimi_async.testing import FakeProvider, Recording, Reply, ScriptedReply

__all__ = ["demo"]


@frozen(kw_only=True)
class _Scene:
    """One reply to show.

    Attributes:
        title: The provider's name, for people.
        what: A description of the reply.
        reply: The reply for a pace in seconds.
        provider: Gives the provider that reaches the fake provider.
        prompt: The question to show; the answer does not depend on it.
    """

    title: str
    what: str
    reply: Callable[[float], ScriptedReply]
    provider: Callable[[FakeProvider], Provider]
    prompt: str


def _greeting(pace: float) -> Reply:
    return Reply(
        "Air scatters blue light more than red light, so blue reaches your eyes from every part of the sky.",
        "A short question. Scattering is the answer.",
        chunk_chars=6,
        pace=pace,
        usage=Usage(prompt_tokens=13, completion_tokens=31, total_tokens=44),
    )


def _recorded(name: str) -> Callable[[float], Recording]:
    return lambda pace: Recording(name, pace=pace)


_SCENES: Final = (
    _Scene(
        title="Ace Data Cloud",
        what="a reply written for this demo, not recorded",
        reply=_greeting,
        provider=FakeProvider.acedata,
        prompt="Why is the sky blue?",
    ),
    _Scene(
        title="Ace Data Cloud",
        what="a stream recorded there in February 2026, in Korean",
        reply=_recorded("acedata/stream_reasoning_ko"),
        provider=FakeProvider.acedata,
        prompt="안녕하세요",
    ),
    _Scene(
        title="Cloudsway",
        what="a tool call recorded there in July 2025, sent as a stream",
        reply=_recorded("cloudsway/stream_tool_call"),
        provider=FakeProvider.cloudsway,
        prompt="计算北京和上海的直线距离",
    ),
)


async def demo(output: Output, pace: float, program: str) -> None:
    """Ask both providers, offline, over the code path that a real key would use.

    Args:
        output: Where to show it.
        pace: Seconds between two events of a reply.
        program: The words that start this program in the user's shell.
    """
    script = [scene.reply(pace) for scene in _SCENES]
    # A proxy of the environment could not reach this machine.
    async with FakeProvider(script) as fake, httpx.AsyncClient(trust_env=False) as http:
        for scene in _SCENES:
            output.end_paragraph()
            output.write(scene.title, BOLD)
            output.write(f": {scene.what}\n")
            output.write(f"> {scene.prompt}\n", DIM)
            client = AsyncKimi(scene.provider(fake), model="kimi-k3", http_client=http)
            await follow(client.stream(scene.prompt), TerminalRenderer(output))
        output.end_paragraph()
        command = f'{program} ask --model kimi-k3 "Hello"'
        output.write(f"With a key: ACEDATACLOUD_API_TOKEN=... {command}\n", BOLD)
