"""Streaming Kimi chat models over Ace Data Cloud, Cloudsway, Moonshot and hosts that speak the OpenAI wire.

::

    import kimi_async as kimi

    async with kimi.AsyncKimi(kimi.AceDataCloud(), model="kimi-k2.5") as client:
        reply = await client.chat("Hello")
"""

from kimi_async._client import AsyncKimi
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
from kimi_async._http._clients import aiohttp_client, http_client
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
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._options import CallParams, Checks, ClientOptions
from kimi_async._prefix import Prefix
from kimi_async._protocol._tool_markers import ToolMarkers
from kimi_async._providers import Provider
from kimi_async._providers._acedata import AceDataCloud
from kimi_async._providers._cloudsway import Cloudsway
from kimi_async._providers._compatible import OpenAICompatible
from kimi_async._providers._moonshot import Moonshot
from kimi_async._record import Outcome, ReplyRecord, Usage, UsageOrigin
from kimi_async._request._media import file_part, image_part, text_part, video_part
from kimi_async._request._params import ChatParams
from kimi_async._settings import Limits, Timeouts
from kimi_async._stream import ChatStream, ResponseInfo
from kimi_async._version import __version__
from kimi_async._wire import Finding, WireRequest

__all__ = [
    "APIError",
    "AceDataCloud",
    "AsyncKimi",
    "AuthenticationError",
    "BadRequestError",
    "CallParams",
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
    "EmptyResponseError",
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
    "ServerError",
    "SlotTimeout",
    "StreamEnd",
    "StreamEvent",
    "StreamInterrupted",
    "StreamStart",
    "Thinking",
    "Timeouts",
    "ToolCall",
    "ToolCallDelta",
    "ToolCallDone",
    "ToolCallStart",
    "ToolMarkers",
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
    "file_part",
    "http_client",
    "image_part",
    "system",
    "text_part",
    "tool_result",
    "user",
    "video_part",
]
