"""The plan around one reply: which requests are made for it, and how it ends."""

from kimi_async._reply._fetch import fetch
from kimi_async._reply._plan import one_attempt
from kimi_async._reply._reply import Reply

__all__ = ["Reply", "fetch", "one_attempt"]
