"""Ask for a reply that continues a prefix, as in Cloudsway's own example, and show whether it does.

The last line says ``None`` where that is not known of the provider.
The provider, its key and the model come from the environment, as the README says.
"""

from __future__ import annotations

import asyncio
import warnings

import kimi_async as kimi


async def main() -> None:
    # Cloudsway is known to start afresh. Here that is what the example is to show.
    warnings.simplefilter("ignore", kimi.KimiWarning)
    async with kimi.AsyncKimi() as client:
        reply = await client.chat(
            [kimi.user("你好?"), kimi.assistant("尊敬的用户您好,介绍一下kimi", partial=True)]
        )
    print(reply.full_text)
    print("continues the prefix:", reply.prefix_honoured)


if __name__ == "__main__":
    asyncio.run(main())
