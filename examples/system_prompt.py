"""A system prompt that every turn begins with, after Cloudsway's own example.

The provider, its key and the model come from the environment, as the README says.
"""

from __future__ import annotations

import asyncio

import kimi_async as kimi

PROMPT = (
    "你是 Kimi,由 Moonshot AI 提供的人工智能助手,你更擅长中文和英文的对话。你会为用户提供安全,有帮助,准确的回答。"
    "同时,你会拒绝一切涉及恐怖主义,种族歧视,黄色暴力等问题的回答。Moonshot AI 为专有名词,不可翻译成其他语言。"
)


async def main() -> None:
    async with kimi.AsyncKimi() as client:
        chat = client.conversation(system=PROMPT)
        async with chat.stream("你好,我叫李雷,1+1等于多少?") as stream:
            async for event in stream:
                if isinstance(event, kimi.ContentDelta):
                    print(event.text, end="", flush=True)
        print(f"\n{len(chat.messages)} messages")


if __name__ == "__main__":
    asyncio.run(main())
