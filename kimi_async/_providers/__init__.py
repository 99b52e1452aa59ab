"""The providers: they build requests and parse chunks and errors; pure and stateless.

All providers use one family of formats. So ``_parsing`` and ``_errors`` parse every reply by its shape, never by its
provider. The file of a provider holds only the differences, and is imported when the provider is used.
"""

from kimi_async._providers._base import Provider
from kimi_async._providers._errors import request_id_of

__all__ = [
    "Provider",
    "request_id_of",
]
