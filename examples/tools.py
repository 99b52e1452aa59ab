"""Cloudsway's own example of a tool, as a program: how far is it from 北京 to 上海?

The provider, its key and the model come from the environment, as the README says.
``--whole`` asks for whole replies in place of streams.
"""

from __future__ import annotations

import asyncio
import sys

import kimi_async as kimi
from kimi_async import tools
from kimi_async.tools import tool


@tool(description="计算两个地点之间的直线距离")
def get_distance(location1: str, location2: str) -> str:
    """Look it up in a very short table.

    Args:
        location1: 起始城市
        location2: 目标城市
    """
    return "1000" if {location1, location2} == {"北京", "上海"} else "unknown"


async def main(*, wire: kimi.Wire) -> None:
    question = "计算北京和上海的直线距离"
    async with kimi.AsyncKimi() as client:
        async with client.run(question, tools=[get_distance], tool_choice="auto", wire=wire) as run:
            async for event in run:
                match event:
                    case kimi.ContentDelta(text=text):
                        print(text, end="", flush=True)
                    case tools.ToolResult(call=call, content=content):
                        print(f"\n{call.name}({call.arguments}) = {content}")
                    case _:
                        pass
            result = await run.final()
    print(f"\n{result.stopped}, {result.usage}")


if __name__ == "__main__":
    asyncio.run(main(wire="json" if "--whole" in sys.argv else "stream"))
