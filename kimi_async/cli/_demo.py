"""``kimi-async demo``: recorded replies of both providers, replayed by a server on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import httpx
from attrs import frozen

from kimi_async import AsyncKimi, Provider
from kimi_async.cli._output import BOLD, DIM, Output
from kimi_async.cli._render import TerminalRenderer
from kimi_async.cli._run import follow
from kimi_async.testing import FakeProvider, Recording

__all__ = ["demo"]


@frozen(kw_only=True)
class _Scene:
    """One reply to show.

    Attributes:
        title: The provider's name, for people.
        what: What is replayed.
        recording: Its name.
        provider: Gives the provider that reaches the fake provider.
        prompt: What is asked; the answer is the recorded one in any case.
    """

    title: str
    what: str
    recording: str
    provider: Callable[[FakeProvider], Provider]
    prompt: str


_SCENES: Final = (
    _Scene(
        title="Ace Data Cloud",
        what="a stream recorded there in February 2026, in Korean",
        recording="acedata/stream_reasoning_ko",
        provider=FakeProvider.acedata,
        prompt="안녕하세요",
    ),
    _Scene(
        title="Cloudsway",
        what="a tool call recorded there in July 2025, sent as a stream",
        recording="cloudsway/stream_tool_call",
        provider=FakeProvider.cloudsway,
        prompt="计算北京和上海的直线距离",
    ),
)


_WITH_A_KEY: Final = 'With a key: ACEDATACLOUD_API_TOKEN=... kimi-async ask --model kimi-k3 "Hello"'


async def demo(output: Output, pace: float) -> None:
    """Ask both providers, offline, over the code path that a real key would use.

    Args:
        output: Where to show it.
        pace: Seconds between two events of a reply.
    """
    script = [Recording(scene.recording, pace=pace) for scene in _SCENES]
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
        output.write(f"{_WITH_A_KEY}\n", BOLD)
