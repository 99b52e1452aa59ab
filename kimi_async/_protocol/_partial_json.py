"""Pieces of a JSON text in, a growing value out; pure.

What it keeps to:

- **Linear.** Each character is read once, however small the pieces. Read again are only an unfinished escape and an
  unfinished ``true``, ``false`` or ``null``, which are a few characters long.
- **Only what is certain is shown.** An escape when it is whole, a surrogate pair when both halves are there, a number
  when something that is not of it follows, a key when its value begins. A string is shown as far as it came.
- **Strict**, as :meth:`kimi_async.ToolCall.parse` is: ``json.loads`` is the measure, without ``NaN`` and ``Infinity``,
  and with raw control characters in strings, because models do write them. Of a key that comes twice the last value
  stays.
- **One value that grows.** Objects and lists are extended where they are. A string cannot be, so it is replaced by a
  longer one. CPython does that in place as long as nobody else holds the string: 0.5 us for each piece, of a thousand
  and of a million (3.11 to 3.13, Linux). Whoever holds on to the string has it copied at the next piece: 5 us on
  average while a string grows to 256 KB.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kimi_async._errors import OutputError

__all__ = ["GrowingText", "PartialJSON"]

# What is expected next: the state of the parser, and the word for it in an error.
_VALUE: Final = "a value"
_FIRST_ITEM: Final = "a value or ']'"
_NEXT_ITEM: Final = "',' or ']'"
_FIRST_KEY: Final = "a key or '}'"
_KEY: Final = "a key"
_COLON: Final = "':'"
_NEXT_MEMBER: Final = "',' or '}'"
_NUMBER: Final = "a number"
_STRING: Final = "the end of a string"
_KEY_TEXT: Final = "the end of a key"
_END: Final = "nothing more"

_FOLLOWING: Final = {
    (_NEXT_ITEM, ","): _VALUE,
    (_NEXT_MEMBER, ","): _KEY,
    (_FIRST_KEY, '"'): _KEY_TEXT,
    (_KEY, '"'): _KEY_TEXT,
    (_COLON, ":"): _VALUE,
}
_CLOSING: Final = frozenset(
    {(_FIRST_ITEM, "]"), (_NEXT_ITEM, "]"), (_FIRST_KEY, "}"), (_NEXT_MEMBER, "}")}
)
_WORDS: Final[dict[str, tuple[str, bool | None]]] = {
    "t": ("true", True),
    "f": ("false", False),
    "n": ("null", None),
}

# Possessive ("*+"): nothing is tried twice, and a long match takes no memory.
_BLANKS: Final = re.compile(r"[ \t\n\r]*+")
_DIGITS: Final = re.compile(r"[-+.0-9eE]*+")
_ESCAPED: Final = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_HIGH_HALF: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
#: Plain characters and whole escapes. The first half of a surrogate pair waits until what follows is known. Not
#: possessive: Python 3.11.2 then forgets the lookahead. Nothing stands behind it, so nothing is tried twice either way.
_RUN: Final = re.compile(
    rf'(?:[^"\\]+|(?!{_HIGH_HALF}){_ESCAPED}|{_HIGH_HALF}(?=[^\\]|\\[^u]|{_ESCAPED}))*'
)
#: The beginning of an escape, alone or behind the first half of a pair; at most 11 characters.
_UNFINISHED: Final = re.compile(rf"(?:{_HIGH_HALF})?(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?")
_DECODER: Final = json.JSONDecoder(strict=False)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Where what matches *pattern* from *at* on ends; all of ours match the empty text as well."""
    match = pattern.match(text, at)
    assert match is not None
    return match.end()


class PartialJSON:
    """Reads one JSON text piece by piece, and shows the value as far as it is certain.

    >>> parser = PartialJSON()
    >>> parser.feed('{"city": "Os')
    >>> parser.value
    {'city': 'Os'}
    >>> parser.feed('lo", "days": 1')
    >>> parser.value
    {'city': 'Oslo'}
    >>> parser.feed("4}")
    >>> parser.value, parser.complete
    ({'city': 'Oslo', 'days': 14}, True)

    Args:
        max_depth: How many objects and lists may be open inside each other. ``json.loads`` gives up close to 1,000 on
            Python 3.11, and so do ``repr``, ``==`` and ``json.dumps`` of such a value.
    """

    __slots__ = (
        "_carry",
        "_digits",
        "_expected",
        "_failure",
        "_key",
        "_key_runs",
        "_length",
        "_max_depth",
        "_open",
        "_pieces",
        "_place",
        "_root",
    )

    def __init__(self, *, max_depth: int = 500) -> None:
        self._max_depth = max_depth
        self._expected: str = _VALUE
        #: Holds the value, so that the whole text is to its value what a list is to an item.
        self._root: list[Any] = []
        #: The containers that are open, innermost last.
        self._open: list[Any] = [self._root]
        #: The key of the member that is being read in the innermost container; and its text, until that is whole.
        self._key = ""
        self._key_runs: list[str] = []
        #: Where the last value was put in its container.
        self._place: str | int = -1
        self._digits: list[str] = []
        #: The end of the last piece, where it cannot be understood yet.
        self._carry = ""
        self._pieces: list[str] = []
        self._length = 0
        #: Message and text of the error, if there was one.
        self._failure: tuple[str, str] | None = None

    @property
    def value(self) -> Any:
        """The value so far; costs nothing.

        ``None`` while nothing is certain yet, and, once :attr:`complete`, for the text ``null``. Objects and lists are
        the same ones each time and go on growing: they must not be changed, and what is to stay must be copied.
        """
        return self._root[0] if self._root else None

    @property
    def complete(self) -> bool:
        """Whether the value is whole; only blanks may follow. A number alone is whole at :meth:`close`."""
        return self._expected is _END

    def feed(self, text: str) -> None:
        """Read the next piece.

        Raises:
            OutputError: No JSON text begins like this. The message says where (characters from 0) and what was expected
                there; ``.text`` is all that was fed. Every later call raises it again.
        """
        if self._failure is not None:
            raise self._error(self._failure)
        self._pieces.append(text)
        self._length += len(text)
        self._read(self._carry + text)

    def close(self) -> None:
        """The text is over.

        Raises:
            OutputError: As in :meth:`feed`, or the value is not whole.
        """
        self.feed("")
        if self._expected is _NUMBER:
            self._end_number(self._length)
        if self._expected is not _END:
            raise self._unexpected(self._length)

    def _read(self, text: str) -> None:
        self._carry = ""
        at, end = 0, len(text)
        while at < end:
            if self._expected is _STRING:
                at = self._read_string(text, at)
            elif self._expected is _KEY_TEXT:
                at = self._read_key(text, at)
            elif self._expected is _NUMBER:
                at = self._read_number(text, at)
            else:
                at = self._read_mark(text, at)

    def _read_mark(self, text: str, at: int) -> int:
        """Read blanks, or one character that stands between strings, numbers and words."""
        state = (self._expected, text[at])
        following = _FOLLOWING.get(state)
        if following is not None:
            self._expected = following
            return at + 1
        if state in _CLOSING:
            self._open.pop()
            self._end_value()
            return at + 1
        end = _end(_BLANKS, text, at)
        if end > at:
            return end
        if self._expected not in {_VALUE, _FIRST_ITEM}:
            raise self._unexpected_in(text, at)
        return self._begin_value(text, at)

    def _begin_value(self, text: str, at: int) -> int:
        mark = text[at]
        if mark == '"':
            self._put("")
            self._expected = _STRING
        elif mark == "{":
            self._open_container({}, text, at)
            self._expected = _FIRST_KEY
        elif mark == "[":
            self._open_container([], text, at)
            self._expected = _FIRST_ITEM
        elif mark in "-0123456789":
            self._expected = _NUMBER
            return at
        else:
            return self._read_word(text, at)
        return at + 1

    def _open_container(self, container: list[Any] | dict[str, Any], text: str, at: int) -> None:
        if len(self._open) > self._max_depth:
            raise self._unexpected_in(text, at, f"no more than {self._max_depth} levels of nesting")
        self._put(container)
        self._open.append(container)

    def _read_word(self, text: str, at: int) -> int:
        word, value = _WORDS.get(text[at], ("", None))
        said = text[at : at + len(word)]
        if not said or not word.startswith(said):
            raise self._unexpected_in(text, at)
        if said == word:
            self._put(value)
            self._end_value()
        else:
            self._carry = said
        return at + len(said)

    def _read_number(self, text: str, at: int) -> int:
        end = _end(_DIGITS, text, at)
        self._digits.append(text[at:end])
        if end < len(text):
            self._end_number(self._length - len(text) + end)
        return end

    def _end_number(self, position: int) -> None:
        digits = "".join(self._digits)
        self._digits.clear()
        try:
            number = _DECODER.decode(digits)
        except ValueError:  # also an integer of more digits than Python converts
            number = None
        if number is None:
            raise self._unexpected(position)
        self._put(number)
        self._end_value()

    def _read_string(self, text: str, at: int) -> int:
        run, end = self._read_run(text, at)
        if run:
            self._extend_string(run)
        if text.startswith('"', end):
            self._end_value()
            return end + 1
        return len(text)

    def _read_key(self, text: str, at: int) -> int:
        run, end = self._read_run(text, at)
        self._key_runs.append(run)
        if text.startswith('"', end):
            self._key = "".join(self._key_runs)
            self._key_runs.clear()
            self._expected = _COLON
            return end + 1
        return len(text)

    def _read_run(self, text: str, at: int) -> tuple[str, int]:
        """What the text of a string says from *at* on, and where its end or the end of *text* is."""
        end = _end(_RUN, text, at)
        run = text[at:end]
        if "\\" in run:
            run = _DECODER.decode(f'"{run}"')
        if text.startswith("\\", end):
            if _UNFINISHED.fullmatch(text, end) is None:
                raise self._unexpected_in(text, end, "an escape")
            self._carry = text[end:]
        return run, end

    def _put(self, value: Any) -> None:
        container = self._open[-1]
        if isinstance(container, list):
            container.append(value)
            self._place = -1
        else:
            container[self._key] = value
            self._place = self._key

    def _extend_string(self, run: str) -> None:
        container, place = self._open[-1], self._place
        text: str = container[place]
        # Now that the local name alone holds it, CPython extends the string in place.
        container[place] = ""
        text += run
        container[place] = text

    def _end_value(self) -> None:
        container = self._open[-1]
        if container is self._root:
            self._expected = _END
        else:
            self._expected = _NEXT_ITEM if isinstance(container, list) else _NEXT_MEMBER

    def _unexpected_in(self, text: str, at: int, expected: str | None = None) -> OutputError:
        return self._unexpected(self._length - len(text) + at, expected)

    def _unexpected(self, position: int, expected: str | None = None) -> OutputError:
        message = f"not JSON: expected {expected or self._expected} at character {position}"
        self._failure = message, "".join(self._pieces)
        return self._error(self._failure)

    @staticmethod
    def _error(failure: tuple[str, str]) -> OutputError:
        message, text = failure
        return OutputError(message, text=text)


class GrowingText:
    """The value of a JSON text in pieces, read when somebody asks for it.

    Args:
        pieces: The pieces; the owner goes on appending to this list.
    """

    __slots__ = ("_parser", "_taken", "pieces")

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self._parser: PartialJSON | None = None
        self._taken = 0

    def value(self, count: int) -> Any:
        """The value of the first *count* pieces, or of as many as were asked for before, if those were more.

        All askings together take time linear in the text.

        Raises:
            OutputError: As :meth:`PartialJSON.feed` does.
        """
        parser = self._parser
        if parser is None:
            parser = self._parser = PartialJSON()
        pieces = self.pieces[self._taken : count]
        self._taken += len(pieces)
        parser.feed("".join(pieces))
        return parser.value
