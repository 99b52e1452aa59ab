"""Streaming Kimi chat models over Ace Data Cloud, Cloudsway, Moonshot and hosts that speak the OpenAI wire.

::

    import kimi_async as kimi

    async with kimi.AsyncKimi(kimi.AceDataCloud(), model="kimi-k2.5") as client:
        reply = await client.chat("Hello")
"""

import importlib
from typing import TYPE_CHECKING, Final

from kimi_async._client import AsyncKimi
from kimi_async._clients import aiohttp_client, http_client
from kimi_async._errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    ConnectTimeout,
    ContentFilteredError,
    ContextLengthError,
    EmptyResponseError,
    FirstOutputTimeout,
    IdleTimeout,
    KimiError,
    KimiTimeoutError,
    KimiWarning,
    NotFoundError,
    OutputError,
    OverloadedError,
    PermissionDeniedError,
    ProgressTimeout,
    ProtocolError,
    ProviderUnavailableError,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    SlotTimeout,
    StreamInterrupted,
    TotalTimeout,
    TransportError,
    WriteTimeout,
)
from kimi_async._events import (
    ContentDelta,
    ContentDone,
    Finish,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamEnd,
    StreamEvent,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
    UsageUpdate,
)
from kimi_async._models import (
    ChatCompletion,
    Choice,
    ContentPart,
    Message,
    Messages,
    ModelInfo,
    NoAnswer,
    ReasoningKey,
    Thinking,
    ToolCall,
    Usage,
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._options import CallParams, Checks, ClientOptions
from kimi_async._params import ChatParams
from kimi_async._providers import Provider
from kimi_async._record import Outcome, ReplyRecord, UsageOrigin
from kimi_async._settings import Limits, Timeouts
from kimi_async._stream import ChatStream, ResponseInfo
from kimi_async._tool_markers import ToolMarkers
from kimi_async._tools import Tool, ToolError, tool
from kimi_async._version import __version__
from kimi_async._wire import Finding, WireRequest

if TYPE_CHECKING:
    from kimi_async._calls import Approve, Deny, ToolResult, ToolStatus
    from kimi_async._conversation import Conversation
    from kimi_async._media import file_part, image_part, text_part, video_part
    from kimi_async._prefix import Prefix
    from kimi_async._providers._acedata import AceDataCloud
    from kimi_async._providers._capabilities import (
        Basis,
        Capabilities,
        CapabilityTable,
        Fact,
        family_of,
    )
    from kimi_async._providers._cloudsway import Cloudsway
    from kimi_async._providers._compatible import OpenAICompatible
    from kimi_async._providers._moonshot import Moonshot
    from kimi_async._run import RunEvent, RunParams, RunResult, StepEnd, StepStart, Stopped, ToolRun
    from kimi_async._schema import moonshot_schema
    from kimi_async._structured import Parsed, ParsedStream, ParseRound
else:  # a checker that sees this takes every name for one that is here

    def __getattr__(name: str) -> object:
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value


__all__ = [
    "APIError",
    "AceDataCloud",
    "Approve",
    "AsyncKimi",
    "AuthenticationError",
    "BadRequestError",
    "Basis",
    "CallParams",
    "Capabilities",
    "CapabilityTable",
    "ChatCompletion",
    "ChatParams",
    "ChatStream",
    "Checks",
    "Choice",
    "ClientOptions",
    "Cloudsway",
    "ConfigurationError",
    "ConflictError",
    "ConnectTimeout",
    "ContentDelta",
    "ContentDone",
    "ContentFilteredError",
    "ContentPart",
    "ContextLengthError",
    "Conversation",
    "Deny",
    "EmptyResponseError",
    "Fact",
    "Finding",
    "Finish",
    "FirstOutputTimeout",
    "IdleTimeout",
    "KimiError",
    "KimiTimeoutError",
    "KimiWarning",
    "Limits",
    "Message",
    "Messages",
    "ModelInfo",
    "Moonshot",
    "NoAnswer",
    "NotFoundError",
    "OpenAICompatible",
    "Outcome",
    "OutputError",
    "OverloadedError",
    "ParseRound",
    "Parsed",
    "ParsedStream",
    "PermissionDeniedError",
    "Prefix",
    "ProgressTimeout",
    "ProtocolError",
    "Provider",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitError",
    "ReasoningDelta",
    "ReasoningDone",
    "ReasoningKey",
    "RefusalDelta",
    "RefusalDone",
    "ReplyRecord",
    "ResponseInfo",
    "RunEvent",
    "RunParams",
    "RunResult",
    "ServerError",
    "SlotTimeout",
    "StepEnd",
    "StepStart",
    "Stopped",
    "StreamEnd",
    "StreamEvent",
    "StreamInterrupted",
    "StreamStart",
    "Thinking",
    "Timeouts",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStart",
    "ToolError",
    "ToolMarkers",
    "ToolResult",
    "ToolRun",
    "ToolStatus",
    "TotalTimeout",
    "TransportError",
    "Usage",
    "UsageOrigin",
    "UsageUpdate",
    "WireRequest",
    "WriteTimeout",
    "__version__",
    "aiohttp_client",
    "assistant",
    "family_of",
    "file_part",
    "http_client",
    "image_part",
    "moonshot_schema",
    "system",
    "text_part",
    "tool",
    "tool_result",
    "user",
    "video_part",
]

#: What a plain reply does not need, and where it is: loaded when it is asked for (PEP 562). Of the 160 ms that the
#: import took beyond its dependencies these were 25.
_LATER: Final = {
    "AceDataCloud": "_providers._acedata",
    "Approve": "_calls",
    "Basis": "_providers._capabilities",
    "Capabilities": "_providers._capabilities",
    "CapabilityTable": "_providers._capabilities",
    "Cloudsway": "_providers._cloudsway",
    "Conversation": "_conversation",
    "Deny": "_calls",
    "Fact": "_providers._capabilities",
    "Moonshot": "_providers._moonshot",
    "OpenAICompatible": "_providers._compatible",
    "ParseRound": "_structured",
    "Parsed": "_structured",
    "ParsedStream": "_structured",
    "Prefix": "_prefix",
    "RunEvent": "_run",
    "RunParams": "_run",
    "RunResult": "_run",
    "StepEnd": "_run",
    "StepStart": "_run",
    "Stopped": "_run",
    "ToolResult": "_calls",
    "ToolRun": "_run",
    "ToolStatus": "_calls",
    "family_of": "_providers._capabilities",
    "file_part": "_media",
    "image_part": "_media",
    "moonshot_schema": "_schema",
    "text_part": "_media",
    "video_part": "_media",
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
