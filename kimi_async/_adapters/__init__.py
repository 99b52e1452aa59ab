"""What each provider wants and sends: requests, chunks and errors; pure and stateless.

The wire is one family, so it is read in one place (``_reading``, ``_failures``) by shape and never by provider; each
provider's own file holds only what truly differs, and is loaded when the adapter is asked for.
"""

from kimi_async._adapters._base import ChatAdapter
from kimi_async._adapters._failures import request_id_of
from kimi_async._adapters._reading import decode_object, is_deeper

__all__ = [
    "ChatAdapter",
    "decode_object",
    "is_deeper",
    "request_id_of",
]
