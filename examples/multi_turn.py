"""A conversation of two turns, kept whole and saved, after Ace Data Cloud's own example.

The provider, its key and the model come from the environment, as the README says.
"""

from __future__ import annotations

import asyncio

import kimi_async as kimi


async def main() -> None:
    async with kimi.AsyncKimi() as client:
        chat = client.conversation()
        for question in ("Hello", "What model are you?"):
            reply = await chat.send(question)
            print(f"> {question}\n{reply.text.strip()}")
        saved = chat.to_json()
        again = client.conversation(saved=saved)
        print(f"saved {len(again.messages)} messages in {len(saved)} characters")


if __name__ == "__main__":
    asyncio.run(main())
