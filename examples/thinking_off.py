"""A quick answer, without thinking, after Cloudsway's own example.

The provider, its key and the model come from the environment, as the README says. A ``KimiWarning`` tells where a
model is not known to obey.
"""

from __future__ import annotations

import asyncio

import kimi_async as kimi


async def main() -> None:
    async with kimi.AsyncKimi() as client:
        reply = await client.chat("你是谁", thinking=False)
        print(reply.text)
        if reply.no_answer == "budget":
            print("it thought anyway, and had no tokens left: raise max_tokens")


if __name__ == "__main__":
    asyncio.run(main())
