"""Images, videos and files as content parts."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

import pytest

import kimi_async as kimi
from kimi_async import ConfigurationError, file_part, image_part, text_part, video_part

# A picture of one pixel.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
IMAGES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    "image/bmp": b"BM\x46\x00",
    "image/heic": b"\x00\x00\x00\x18ftypheic\x00",
}
VIDEOS = {
    "video/mp4": b"\x00\x00\x00\x18ftypisom\x00",
    "video/quicktime": b"\x00\x00\x00\x14ftypqt  ",
    "video/3gpp": b"\x00\x00\x00\x14ftyp3gp4",
    "video/webm": b"\x1aE\xdf\xa3\x01",
    "video/x-msvideo": b"RIFF\x24\x00\x00\x00AVI LIST",
    "video/x-flv": b"FLV\x01\x05",
    "video/mpeg": b"\x00\x00\x01\xba\x44",
}


def data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_says_its_own_type(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "no-suffix"
    path.write_bytes(IMAGES[kind])
    expected = {"type": "image_url", "image_url": {"url": data_url(kind, IMAGES[kind])}}
    assert image_part(IMAGES[kind]) == image_part(path) == expected


@pytest.mark.parametrize("kind", VIDEOS)
def test_a_video_says_its_own_type(kind: str) -> None:
    part = video_part(VIDEOS[kind])
    assert part == {"type": "video_url", "video_url": {"url": data_url(kind, VIDEOS[kind])}}


@pytest.mark.parametrize(
    "url", ["https://example.com/a.png", "http://a/b", "ms://file-1", "data:image/png;base64,AA"]
)
def test_a_url_is_sent_as_it_is(url: str) -> None:
    assert image_part(url)["image_url"] == video_part(url)["video_url"] == {"url": url}
    assert file_part(url)["file"] == {"file_data": url}


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(b"%PDF-1.7")
    data = data_url("application/pdf", b"%PDF-1.7")
    assert file_part(path)["file"] == {"filename": "a.pdf", "file_data": data}
    assert file_part(path, filename="b.pdf")["file"]["filename"] == "b.pdf"
    assert file_part(b"?")["file"] == {"file_data": data_url("application/octet-stream", b"?")}
    assert file_part(b"a", media_type="text/plain")["file"] == {
        "file_data": data_url("text/plain", b"a")
    }


def test_a_type_can_be_given() -> None:
    part = image_part(b"odd", media_type="image/x-odd")
    assert part["image_url"]["url"] == data_url("image/x-odd", b"odd")


@pytest.mark.parametrize(
    ("source", "more", "problem"),
    [
        ("a.png", {}, "give a file as a pathlib.Path"),
        ("data:", {}, "must be a URL"),
        ("file:///etc/passwd", {}, "must be a URL"),
        (b"", {}, "is empty"),
        (b"<svg/>", {}, "the type of the image cannot be told; give media_type"),
        (VIDEOS["video/mp4"], {}, "this is video/mp4 and not of the type image"),
        (PNG, {"media_type": "video/mp4"}, "this is video/mp4 and not of the type image"),
        (PNG, {"max_bytes": 10}, f"has {len(PNG)} bytes, and max_bytes is 10"),
        (bytearray(PNG), {}, "a URL, a pathlib.Path or bytes, not bytearray"),
        *((PNG, {"media_type": value}, "media_type must be a text, or None") for value in (5, "")),
        *(
            (PNG, {"max_bytes": value}, "max_bytes must be a whole number above 0")
            for value in (0, "1", True, None)
        ),
    ],
)
def test_what_is_no_image_is_refused(source: Any, more: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        image_part(source, **more)


def test_a_large_file_is_not_even_read(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(80_000_000)
    with pytest.raises(ConfigurationError, match="has 80000000 bytes, and max_bytes is 70000000"):
        video_part(path)
    with pytest.raises(FileNotFoundError):
        video_part(tmp_path / "none")


def test_a_text_part_and_a_file_name_are_texts() -> None:
    with pytest.raises(ConfigurationError, match="a text part needs a text, not int"):
        text_part(cast("Any", 5))
    with pytest.raises(ConfigurationError, match="filename must be a text, or None"):
        file_part(b"x", filename=cast("Any", 5))


def test_parts_make_a_message() -> None:
    asked = kimi.user([text_part("What is it?"), image_part(PNG)])
    assert asked.to_wire()["content"] == [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}},
    ]
    client = kimi.AsyncKimi(kimi.Moonshot("k"), model="kimi-k2.6")
    assert client.preview([asked]).findings == ()
