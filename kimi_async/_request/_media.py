"""Images, videos and files as parts of a message's content."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from kimi_async._errors import ConfigurationError

if TYPE_CHECKING:
    import pathlib

__all__ = ["file_part", "image_part", "text_part", "video_part"]

#: The offset and the first bytes of each type. SVG has no row, because Moonshot refuses it (page Providers, 3.3).
_SIGNATURES: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp3g", "video/3gpp"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"%PDF-", "application/pdf"),
)
#: A data URL, an http(s) URL, or Moonshot's id of an uploaded file.
_URL: Final = re.compile(r"(https?://|ms://|data:[\w.+-]+/[\w.+-]+[;,]).", re.IGNORECASE)

#: The largest source that becomes a data URL: base64 makes it 4/3 as long, and Moonshot accepts bodies of 100 MB.
MAX_BYTES: Final = 70_000_000


def text_part(text: str) -> dict[str, Any]:
    """Make a part with *text*.

    Raises:
        ConfigurationError: *text* is not a text.
    """
    _check_is_text(text)
    return {"type": "text", "text": text}


def _check_is_text(text: object) -> None:
    if not isinstance(text, str):
        raise ConfigurationError(f"a text part needs a text, not {type(text).__name__}")


def image_part(
    source: str | pathlib.Path | bytes, *, media_type: str | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Make a part with an image.

    The capabilities of a provider (``media``, ``media_urls``, ``max_body_bytes``) say which parts it accepts; each
    request is checked against them before it is sent.

    Args:
        source: A URL (``https:``, ``data:``, or ``ms://`` for a file at Moonshot), which is sent unchanged; or the
            :class:`~pathlib.Path` of a file or its bytes, which become a data URL.
        media_type: The type, such as ``"image/png"``; ``None`` reads it from the first bytes.
        max_bytes: The largest number of bytes that become a data URL.

    Raises:
        ConfigurationError: The source is not an image of a known type, is empty or too large, or is not a URL.
        OSError: The file cannot be read.
    """
    return {"type": "image_url", "image_url": {"url": _url(source, "image", media_type, max_bytes)}}


def video_part(
    source: str | pathlib.Path | bytes, *, media_type: str | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Make a part with a video; takes and raises the same as :func:`image_part`."""
    return {"type": "video_url", "video_url": {"url": _url(source, "video", media_type, max_bytes)}}


def file_part(
    source: str | pathlib.Path | bytes,
    *,
    filename: str | None = None,
    media_type: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> dict[str, Any]:
    """Make a part with a file of any type, in the OpenAI form, which Ace Data Cloud accepts.

    Args:
        source: The same as for :func:`image_part`.
        filename: The name of the file; ``None`` uses the name of the path.
        media_type: The type; an unknown type becomes ``application/octet-stream``.
        max_bytes: The largest number of bytes that become a data URL.

    Raises:
        ConfigurationError: The source is empty or too large, or is not a URL.
        OSError: The file cannot be read.
    """
    _check_text(filename, "filename")
    path = _path_of(source)
    name = path.name if filename is None and path is not None else filename
    data = {"file_data": _url(source, None, media_type, max_bytes)}
    return {"type": "file", "file": data if name is None else {"filename": name, **data}}


def _check_text(value: object, name: str) -> None:
    if value is not None and not (isinstance(value, str) and value):
        raise ConfigurationError(f"{name} must be a text, or None")


def _path_of(source: object) -> pathlib.Path | None:
    """Return the path of a file, or ``None`` for another source."""
    if isinstance(source, (str, bytes)):
        return None
    from pathlib import Path

    return source if isinstance(source, Path) else None


def _url(source: object, kind: str | None, media_type: str | None, max_bytes: int) -> str:
    _check_text(media_type, "media_type")
    if type(max_bytes) is not int or max_bytes < 1:
        raise ConfigurationError("max_bytes must be a whole number above 0")
    if isinstance(source, str):
        if not _URL.match(source):
            raise ConfigurationError(
                "a source that is a text must be a URL (https:, data: or ms://); give a file as a pathlib.Path"
            )
        return source
    path = _path_of(source)
    if path is not None:
        _check_size(path.stat().st_size, max_bytes)
        source = path.read_bytes()
    if not isinstance(source, bytes):
        raise ConfigurationError(
            f"a source must be a URL, a pathlib.Path or bytes, not {type(source).__name__}"
        )
    _check_size(len(source), max_bytes)
    found = media_type or _type_of(source) or (None if kind else "application/octet-stream")
    if found is None:
        raise ConfigurationError(f"the type of the {kind} cannot be told; give media_type=...")
    if kind is not None and not found.startswith(f"{kind}/"):
        raise ConfigurationError(f"this is {found} and not of the type {kind}")
    # Not at the top: most programs send no file, and all would pay for the import.
    import base64

    return f"data:{found};base64,{base64.b64encode(source).decode()}"


def _check_size(size: int, max_bytes: int) -> None:
    if not size:
        raise ConfigurationError("the source is empty")
    if size > max_bytes:
        raise ConfigurationError(
            f"the source has {size} bytes, and max_bytes is {max_bytes}; upload it and give its URL"
        )


def _type_of(data: bytes) -> str | None:
    return next((kind for at, sign, kind in _SIGNATURES if data[at : at + len(sign)] == sign), None)
