"""An answer in JSON, checked against a type, after Cloudsway's own example.

The provider, its key and the model come from the environment, as the README says. A fake that has no script does not
know the fields, and the example says so.
"""

from __future__ import annotations

import asyncio
from typing import TypedDict

import kimi_async as kimi

PROMPT = (
    "你是月之暗面(Kimi)的智能客服,你负责回答用户提出的各种问题。请使用如下 JSON 格式输出你的回复:"
    '{"text": "文字信息", "image": "图片地址", "url": "链接地址"}'
)


class Answer(TypedDict):
    """What is asked for."""

    text: str
    image: str
    url: str


async def main() -> None:
    async with kimi.AsyncKimi() as client:
        reply = await client.chat(
            [kimi.system(PROMPT), kimi.user("你好,我叫李雷,1+1等于多少?")],
            response_format={"type": "json_object"},
        )
    try:
        print(reply.json(Answer)["text"])
    except kimi.OutputError:  # JSON mode promises JSON, but not these fields
        print("not the fields that were asked for:", reply.text)


if __name__ == "__main__":
    asyncio.run(main())
