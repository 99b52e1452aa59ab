"""Write events and values as JSON lines, for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from kimi_async import KimiError, StreamEvent
from kimi_async.cli._output import UNSEEN

__all__ = ["JsonRenderer", "json_line"]

#: DEL, C1 control characters and unseen characters: JSON may hold them, and terminals obey or hide them. They occur
#: only in strings.
_ESCAPED: Final = {
    code: json.dumps(chr(code))[1:-1] if code > 0x7F else "\\u007f"
    for code in (*range(0x7F, 0xA0), *UNSEEN)
}


def json_line(value: Mapping[str, Any]) -> str:
    """Return *value* as one line of JSON with its line end, which does nothing to a terminal."""
    return json.dumps(value, ensure_ascii=False).translate(_ESCAPED) + "\n"


class JsonRenderer:
    """Writes each event as one line: ``{"event": "ContentDelta", "text": "Hi", "choice": 0}``.

    The keys after ``event`` are the fields of the event; in ``StreamEnd``, ``completion`` is the whole reply. An error
    is the last line: ``{"event": "error", "type": "RateLimitError", "message": ...}``.

    Args:
        file: Where to write; should be UTF-8, as JSON is.
        before: Called before each line.
    """

    def __init__(self, file: TextIO, before: Callable[[], object] = lambda: None) -> None:
        self._file = file
        self._before = before

    def show(self, event: StreamEvent, /) -> None:
        """Write one event."""
        self._line(event.to_dict())

    def fail(self, error: KimiError, /) -> None:
        """Write the last line."""
        self._line({"event": "error", "type": type(error).__name__, "message": str(error)})

    def _line(self, value: Mapping[str, Any]) -> None:
        self._before()
        self._file.write(json_line(value))
        self._file.flush()
