"""One reply: the requests that are sent for it, and its end."""

from kimi_async._reply._fetch import fetch
from kimi_async._reply._plan import one_attempt
from kimi_async._reply._reply import Reply

__all__ = ["Reply", "fetch", "one_attempt"]
