"""What each provider wants and sends: requests, chunks and errors; pure and stateless.

The wire is one family, so it is read in one place (``_parsing``, ``_errors``) by shape and never by provider; each
provider's own file holds only what truly differs, and is loaded when the provider is asked for.
"""

from kimi_async._providers._base import Provider
from kimi_async._providers._errors import request_id_of

__all__ = [
    "Provider",
    "request_id_of",
]
