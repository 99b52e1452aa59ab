"""One reply: the requests that are sent for it, and its end."""

from kimi_async._reply._attempts import Call
from kimi_async._reply._fetch import fetch
from kimi_async._reply._interrupted import finishing
from kimi_async._reply._plan import Plan
from kimi_async._reply._reply import Reply
from kimi_async._reply._retrying import retrying, unavailable
from kimi_async._reply._shared import SharedState
from kimi_async._reply._stay import Stay

__all__ = [
    "Call",
    "Plan",
    "Reply",
    "SharedState",
    "Stay",
    "fetch",
    "finishing",
    "retrying",
    "unavailable",
]
