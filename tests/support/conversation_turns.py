"""Turns of conversations, and the requests that they send."""

from __future__ import annotations

from fake_host import delta, sse

import kimi_async as kimi

__all__ = ["CALL", "OTHER_KEY", "STOP", "WEATHER"]


STOP = delta(finish="stop")
CALL = kimi.ToolCall(id="f:0", name="f", arguments="{}")
OTHER_KEY = sse(delta(reasoning="Hm."), delta("Hi"), STOP)


WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
