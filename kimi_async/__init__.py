"""Streaming Kimi chat models over Ace Data Cloud, Cloudsway, Moonshot and hosts that speak the OpenAI wire.

::

    import kimi_async as kimi

    async with kimi.AsyncKimi(kimi.AceDataCloud(), model="kimi-k3") as client:
        reply = await client.chat("Hello")
"""

from kimi_async._client import AsyncKimi
from kimi_async._configuration import CallOptions, CallParams, Checks, ClientOptions
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
    ErrorInfo,
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
    AttemptFailed,
    ContentDelta,
    ContentDone,
    Finish,
    ReasoningDelta,
    ReasoningDone,
    RefusalDelta,
    RefusalDone,
    StreamContinued,
    StreamEnd,
    StreamEvent,
    StreamRestarted,
    StreamStart,
    ToolCallDelta,
    ToolCallDone,
    ToolCallStart,
    UsageUpdate,
    decode_event,
)
from kimi_async._health import BreakerHealth, LimitHealth, ProviderHealth
from kimi_async._hooks import AttemptInfo, CallInfo, Hook, Observer
from kimi_async._http._clients import aiohttp_client, http_client
from kimi_async._messages import (
    ContentPart,
    Message,
    MessageDict,
    Messages,
    ReasoningKey,
    ToolCall,
    assistant,
    system,
    tool_result,
    user,
)
from kimi_async._models import ChatCompletion, Choice, ModelInfo, NoAnswer, Thinking, ThinkingDict
from kimi_async._openai_chunks import to_openai_chunks
from kimi_async._policies import Breaker, Retries, RetryBudget
from kimi_async._prefix import Prefix
from kimi_async._protocol._chunk import ThinkingTags, ToolMarkers
from kimi_async._protocol._decoder import ReplyDecoder
from kimi_async._providers import Provider
from kimi_async._providers._acedata import AceDataCloud
from kimi_async._providers._cloudsway import Cloudsway
from kimi_async._providers._compatible import OpenAICompatible
from kimi_async._providers._moonshot import Moonshot
from kimi_async._rate_limits import Cost, Limiter, Permit, RateLimits
from kimi_async._record import AttemptRecord, Outcome, ReplyRecord, Usage, UsageOrigin
from kimi_async._request._borrowed import refuse_name as _refuse_name
from kimi_async._request._media import file_part, image_part, text_part, video_part
from kimi_async._request._params import ChatParams
from kimi_async._settings import Limits, Timeouts
from kimi_async._stream import ChatStream, ResponseInfo
from kimi_async._version import __version__
from kimi_async._wire import Finding, Wire, WireRequest

__all__ = [
    "APIError",
    "AceDataCloud",
    "AsyncKimi",
    "AttemptFailed",
    "AttemptInfo",
    "AttemptRecord",
    "AuthenticationError",
    "BadRequestError",
    "Breaker",
    "BreakerHealth",
    "CallInfo",
    "CallOptions",
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
    "Cost",
    "EmptyResponseError",
    "ErrorInfo",
    "Finding",
    "Finish",
    "FirstOutputTimeout",
    "Hook",
    "IdleTimeout",
    "KimiError",
    "KimiTimeoutError",
    "KimiWarning",
    "LimitHealth",
    "Limiter",
    "Limits",
    "Message",
    "MessageDict",
    "Messages",
    "ModelInfo",
    "Moonshot",
    "NoAnswer",
    "NotFoundError",
    "Observer",
    "OpenAICompatible",
    "Outcome",
    "OutputError",
    "OverloadedError",
    "PermissionDeniedError",
    "Permit",
    "Prefix",
    "ProgressTimeout",
    "ProtocolError",
    "Provider",
    "ProviderHealth",
    "ProviderUnavailableError",
    "QuotaExceededError",
    "RateLimitError",
    "RateLimits",
    "ReasoningDelta",
    "ReasoningDone",
    "ReasoningKey",
    "RefusalDelta",
    "RefusalDone",
    "ReplyDecoder",
    "ReplyRecord",
    "ResponseInfo",
    "Retries",
    "RetryBudget",
    "ServerError",
    "SlotTimeout",
    "StreamContinued",
    "StreamEnd",
    "StreamEvent",
    "StreamInterrupted",
    "StreamRestarted",
    "StreamStart",
    "Thinking",
    "ThinkingDict",
    "ThinkingTags",
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
    "Wire",
    "WireRequest",
    "WriteTimeout",
    "__version__",
    "aiohttp_client",
    "assistant",
    "decode_event",
    "file_part",
    "http_client",
    "image_part",
    "system",
    "text_part",
    "to_openai_chunks",
    "tool_result",
    "user",
    "video_part",
]

# Not a definition: with one, a type checker would take every name.
globals()["__getattr__"] = _refuse_name
