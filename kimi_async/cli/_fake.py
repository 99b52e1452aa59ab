"""``kimi-async fake``: serve a fake provider for programs in any language, until Ctrl-C."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from attrs import frozen

from kimi_async import ConfigurationError
from kimi_async.testing import FakeProvider, ProviderName, RecordingError, replay, script_from_json
from kimi_async.testing._anything import answer_anything
from kimi_async.testing._script_file import LoadedScript

__all__ = ["FakeServer", "serve"]

_CLASSES: Final = {
    "acedata": 'AceDataCloud("any"',
    "cloudsway": 'Cloudsway("any", "any"',
    "moonshot": 'Moonshot("any"',
    "openai": 'OpenAICompatible("any"',
}
_KEYS: Final = {
    "acedata": "ACEDATACLOUD_API_TOKEN=any",
    "cloudsway": "CLOUDSWAY_API_KEY=any CLOUDSWAY_ENDPOINT_PATH=any",
    "moonshot": "MOONSHOT_API_KEY=any",
    "openai": "OPENAI_API_KEY=any",
}


@frozen(kw_only=True)
class FakeServer:
    """The fake to serve.

    Attributes:
        provider: The provider whose wire it speaks.
        host: The address to listen on.
        port: The port; 0 = a free one.
        script: A script in JSON or a recording (``.kimi``); ``None`` = a reply to anything.
        oddities: Names of oddities, added to those of the script.
        speed: The speed of a recording.
    """

    provider: ProviderName
    host: str
    port: int
    script: Path | None
    oddities: tuple[str, ...]
    speed: float


async def serve(server: FakeServer, program: str, write: Callable[[str], object]) -> None:
    """Serve a fake until the task is cancelled.

    Args:
        server: The fake.
        program: The words that start this program in the user's shell.
        write: Gets the help at the start, and a line for each request.

    Raises:
        ConfigurationError: The script cannot be read or is wrong, an oddity is, or the address cannot be used.
        OSError: *write* failed.
    """
    async with AsyncExitStack() as stack:
        try:
            fake = await stack.enter_async_context(_fake(server, write))
        except OSError as error:
            reason, _, _ = str(error.strerror).partition(" (")
            raise ConfigurationError(
                f"cannot listen at {server.host}:{server.port} ({reason}); choose another --port, or 0 for a free one"
            ) from error
        write(_usage(server.provider, fake.url, program))
        await fake.wait_until(lambda: False, timeout=math.inf)


def _fake(server: FakeServer, write: Callable[[str], object]) -> FakeProvider:
    try:
        script, options = _loaded(server)
        options["oddities"] = (*options.get("oddities", ()), *server.oddities)
        options.setdefault("answers_as", server.provider)
        return FakeProvider(
            script, api_key=None, host=server.host, port=server.port, log=write, **options
        )
    except (ValueError, TypeError, OSError, RecordingError) as error:
        raise ConfigurationError(str(error)) from error


def _loaded(server: FakeServer) -> LoadedScript:
    if server.script is None:
        return LoadedScript(answer_anything, {})
    if server.script.suffix == ".kimi":
        return LoadedScript(replay(server.script, speed=server.speed), {})
    try:
        return script_from_json(server.script.read_bytes())
    except ValueError as error:
        raise ValueError(f"{server.script.name}: {error}") from None


def _usage(provider: ProviderName, url: str, program: str) -> str:
    base = f"{url}/v1/ai" if provider == "cloudsway" else f"{url}/v1"
    endpoint = f"{base}/any" if provider == "cloudsway" else base
    body = '{"model":"kimi-k3","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
    return f"""\
A fake of {provider} listens at {url}; any key will do; Ctrl-C stops it.

  curl -N {endpoint}/chat/completions -H 'Content-Type: application/json' -d '{body}'

  export KIMI_PROVIDER={provider} KIMI_MODEL=kimi-k3 {_KEYS[provider]} KIMI_BASE_URL={base}
  {program} ask "Hello"

  AsyncKimi({_CLASSES[provider]}, "{base}"), model="kimi-k3")
  AsyncOpenAI(base_url="{endpoint}", api_key="any")
"""
