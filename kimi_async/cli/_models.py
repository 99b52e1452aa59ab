"""``kimi-async models``: list the models that a provider offers for the key."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from msgspec.structs import asdict

from kimi_async import AsyncKimi, Provider
from kimi_async.cli._json import json_line
from kimi_async.cli._output import clean

__all__ = ["list_models"]


async def list_models(
    provider: Provider, file: TextIO, *, as_json: bool, before: Callable[[], object]
) -> None:
    """Write one line for each model: its id, or all of it as JSON.

    Args:
        provider: The provider; its key is taken from the environment.
        file: Where to write.
        as_json: Whether as JSON.
        before: Called when the list is there.

    Raises:
        ConfigurationError: Nothing could be sent.
        KimiError: The list could not be had.
    """
    async with AsyncKimi(provider) as client:
        models = await client.models()
    before()
    file.writelines(
        json_line(asdict(model)) if as_json else f"{clean(model.id)}\n" for model in models
    )
    file.flush()
