"""Fakes of the providers, for the tests of programs that use ``kimi_async``, and for its own.

:class:`FakeProvider` is a real server on a free local port, :class:`FakeTransport` an HTTP transport without any
socket, :func:`mock_kimi` a client over respx (extra ``testing``). All play the same scripts: :class:`Reply`,
:class:`Recording`, :class:`ErrorReply`, :class:`RawReply`, :class:`ModelList`, or anything else that can ``render`` an
:class:`Answer`; each with the faults of :class:`Faulty`. Over the last two, :func:`virtual_time` makes an hour of
waiting take no time.
"""

from kimi_async.testing._checks import ScriptError
from kimi_async.testing._completion import FakeToolCall, ReplyChoice
from kimi_async.testing._contract import check_provider
from kimi_async.testing._exchanges import RecordingError
from kimi_async.testing._faults import (
    BodyFault,
    Break,
    ContentType,
    Drip,
    DrippingHeaders,
    Fault,
    Faulty,
    HtmlPage,
    Insert,
    MissingDone,
    NoHeaders,
    OversizedEvent,
    SlowHeaders,
    Stall,
)
from kimi_async.testing._latency import Exponential, Latency, LogNormal, Seconds, Uniform
from kimi_async.testing._oddities import oddities
from kimi_async.testing._oddity import Oddity
from kimi_async.testing._options import FakeOptions, Models
from kimi_async.testing._provider import Script
from kimi_async.testing._rate_limits import FakeRateLimits
from kimi_async.testing._received import ReceivedRequest
from kimi_async.testing._record import Recorder, Replay, record, replay
from kimi_async.testing._recordings import recording, recordings
from kimi_async.testing._respx import MockedKimi, mock_kimi
from kimi_async.testing._script import (
    ErrorReply,
    ModelList,
    RawReply,
    Recording,
    RenderContext,
    Reply,
    ScriptedBody,
    ScriptedReply,
)
from kimi_async.testing._script_file import LoadedScript, script_from_json
from kimi_async.testing._server import FakeProvider
from kimi_async.testing._steps import (
    Answer,
    Cuts,
    Ending,
    Finish,
    Hangup,
    Repeat,
    Reset,
    Send,
    Step,
    Wait,
    split_events,
)
from kimi_async.testing._time import virtual_time
from kimi_async.testing._transport import FakeTransport
from kimi_async.testing._wire import ProviderName

__all__ = [
    "Answer",
    "BodyFault",
    "Break",
    "ContentType",
    "Cuts",
    "Drip",
    "DrippingHeaders",
    "Ending",
    "ErrorReply",
    "Exponential",
    "FakeOptions",
    "FakeProvider",
    "FakeRateLimits",
    "FakeToolCall",
    "FakeTransport",
    "Fault",
    "Faulty",
    "Finish",
    "Hangup",
    "HtmlPage",
    "Insert",
    "Latency",
    "LoadedScript",
    "LogNormal",
    "MissingDone",
    "MockedKimi",
    "ModelList",
    "Models",
    "NoHeaders",
    "Oddity",
    "OversizedEvent",
    "ProviderName",
    "RawReply",
    "ReceivedRequest",
    "Recorder",
    "Recording",
    "RecordingError",
    "RenderContext",
    "Repeat",
    "Replay",
    "Reply",
    "ReplyChoice",
    "Reset",
    "Script",
    "ScriptError",
    "ScriptedBody",
    "ScriptedReply",
    "Seconds",
    "Send",
    "SlowHeaders",
    "Stall",
    "Step",
    "Uniform",
    "Wait",
    "check_provider",
    "mock_kimi",
    "oddities",
    "record",
    "recording",
    "recordings",
    "replay",
    "script_from_json",
    "split_events",
    "virtual_time",
]
