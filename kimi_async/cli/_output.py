"""Write text to a file or a terminal, and to stderr.

Text of a model is not trusted: an escape sequence in it could retitle the terminal, hide the text after it, or type
into it.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import textwrap
import threading
from collections.abc import Callable
from typing import ClassVar, Final, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.style import Style

__all__ = [
    "BOLD",
    "DIM",
    "UNSEEN",
    "ChangingLine",
    "Output",
    "clean",
    "in_lines",
    "never_fail_on_characters",
    "report",
    "shows_styles",
]

PLAIN: Final = Style.null()
DIM: Final = Style(dim=True)
BOLD: Final = Style(bold=True)

#: C0 and C1 control characters and DEL, written as escapes; carriage returns are dropped, being half of CRLF mostly.
_VISIBLE: Final = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\n",
    ord("\t"): "\t",
    ord("\r"): "",
}


#: Characters that change the order of the text around them, or that nobody sees: bidirectional controls, zero-width
#: characters, line separators and tags. ZWNJ and ZWJ stay, because Persian, Hindi and many emoji need them.
UNSEEN: Final = {
    code: f"\\u{code:04x}" if code < 0x1_0000 else f"\\U{code:08x}"
    for code in (
        *(0xAD, 0x61C, 0x180E, 0x200B, 0x200E, 0x200F, 0xFEFF),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xFFF9, 0xFFFC),
        *range(0xE_0000, 0xE_0080),
    )
}


def clean(text: str, *, terminal: bool = True) -> str:
    r"""Return *text* safe to show: control characters but ``\n`` and ``\t`` become visible (``\x1b``).

    Args:
        text: Any text.
        terminal: Whether a person sees it: bidirectional controls and zero-width characters then become visible too
            (``\u202e``).
    """
    shown = text.translate(_VISIBLE)
    return shown.translate(UNSEEN) if terminal else shown


def report(message: object) -> None:
    """Write one line to stderr, whatever *message* holds; a terminal gets it with whole words in each of its lines.

    A stderr that cannot be written is ignored: the exit code says the same.
    """
    line = f"kimi-async: {clean(' '.join(str(message).split()))}"
    with _TERMINAL, contextlib.suppress(OSError):
        if ChangingLine.shown is not None:
            ChangingLine.shown.erase()
        sys.stderr.write(f"{in_lines(line) if sys.stderr.isatty() else line}\n")


#: Held while a line of stderr is written: a changing line may be written by another thread.
_TERMINAL: Final = threading.RLock()


class ChangingLine:
    """One line of a terminal that is written again and again, until a :func:`report` or :meth:`erase` erases it.

    An error of the file is ignored: the work continues also if nobody reads stderr any more.

    Args:
        file: stderr.

    Attributes:
        shown: The line that was written last; ``None`` = there is none.
    """

    shown: ClassVar[ChangingLine | None] = None

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._cells = 0

    def change(self, text: str) -> None:
        """Write *text* over the text that is shown."""
        with _TERMINAL:
            ChangingLine.shown = self
            cells = cell_len(text)
            # Blanks erase the rest, because a simple terminal knows no sequence that does.
            self._write(f"\r{text}{' ' * (self._cells - cells)}")
            self._cells = cells

    def erase(self) -> None:
        """Erase the text, and return to the beginning of the line."""
        with _TERMINAL:
            ChangingLine.shown = None
            if self._cells:
                self._write(f"\r{' ' * self._cells}\r")
                self._cells = 0

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()


def in_lines(text: str) -> str:
    """Return *text* in lines of the terminal's width, with whole words in each of them."""
    width = shutil.get_terminal_size().columns
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


def never_fail_on_characters(file: TextIO, encoding: str | None = None) -> None:
    r"""Let *file* write characters that its encoding lacks as escapes (``\uac00``) and not fail.

    Args:
        file: Anything but a ``TextIOWrapper`` stays as it is.
        encoding: The encoding to write from now on; ``None`` keeps it.
    """
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(encoding=encoding, errors="backslashreplace")


def shows_styles(file: TextIO) -> bool:
    """Return whether *file* is a terminal that knows styles, and whose user has not set ``NO_COLOR``."""
    console = Console(file=file)
    # "windows" is a console without escape sequences.
    return console.color_system not in {None, "windows"} and not console.no_color


class Output:
    """A text file that is written piece by piece and flushed each time.

    rich spells the styles. Its ``print()`` is not used: it expands tabs in each piece by itself, and ends the process
    from inside the event loop when a pipe breaks. Each piece ends with a reset, so that no kill can leave a
    terminal dimmed.

    Args:
        file: Where to write.
        styled: Whether styles are written or left out.
        before: Called before each piece of text.
    """

    def __init__(
        self, file: TextIO, *, styled: bool, before: Callable[[], object] = lambda: None
    ) -> None:
        self._file = file
        self._before = before
        self._terminal = file.isatty()
        self._styled = styled
        #: The last two characters; at first as below an empty line, so that nothing starts with one.
        self._tail = "\n\n"

    def write(self, text: str, style: Style = PLAIN) -> None:
        """Write *text* as it is, but for its control characters."""
        self._before()
        shown = clean(text, terminal=self._terminal)
        self._tail = (self._tail + shown)[-2:]
        self._file.write(style.render(shown) if self._styled else shown)
        self._file.flush()

    def end_line(self) -> None:
        """Go to the begin of a line, unless there already."""
        if not self._tail.endswith("\n"):
            self.write("\n")

    def end_paragraph(self) -> None:
        """Leave one empty line, unless there already is one."""
        self.end_line()
        if self._tail != "\n\n":
            self.write("\n")
