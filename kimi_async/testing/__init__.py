"""Fakes of the providers, for the tests of programs that use ``kimi_async``, and for its own.

:class:`FakeProvider` is a real server on a free local port, :func:`mock_kimi` a client over respx without any
socket (extra ``testing``). Both play the same scripts: :class:`Reply`, :class:`Recording`, :class:`ErrorReply`,
:class:`RawReply`, :class:`ModelList`, or anything else that can ``render`` an :class:`Answer`.
"""

from kimi_async.testing._completion import FakeToolCall, ReplyChoice
from kimi_async.testing._provider import Models, ReceivedRequest, Script
from kimi_async.testing._recordings import recording, recordings
from kimi_async.testing._respx import MockedKimi, mock_kimi
from kimi_async.testing._script import (
    Asked,
    Delivered,
    ErrorReply,
    ModelList,
    RawReply,
    Recording,
    Reply,
    ScriptedReply,
)
from kimi_async.testing._server import FakeProvider
from kimi_async.testing._steps import (
    Answer,
    Cuts,
    Ending,
    Finish,
    Hangup,
    Reset,
    Send,
    Step,
    Wait,
    split_events,
)
from kimi_async.testing._wire import ProviderName

__all__ = [
    "Answer",
    "Asked",
    "Cuts",
    "Delivered",
    "Ending",
    "ErrorReply",
    "FakeProvider",
    "FakeToolCall",
    "Finish",
    "Hangup",
    "MockedKimi",
    "ModelList",
    "Models",
    "ProviderName",
    "RawReply",
    "ReceivedRequest",
    "Recording",
    "Reply",
    "ReplyChoice",
    "Reset",
    "Script",
    "ScriptedReply",
    "Send",
    "Step",
    "Wait",
    "mock_kimi",
    "recording",
    "recordings",
    "split_events",
]
