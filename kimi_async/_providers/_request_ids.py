"""The id under which a provider logged a request, by the headers of its response; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["request_id_of"]

#: Cloudflare's own id comes last: it is of use only where the provider gives none.
_HEADERS: Final = (
    *("x-request-id", "request-id", "msh-request-id", "x-trace-id", "trace-id", "x-msh-trace-id"),
    "cf-ray",
)


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the id under which the provider logged the request, by its response headers (names in lower case)."""
    return next((headers[name] for name in _HEADERS if headers.get(name)), None)
