"""Parse a JSON text that arrives in pieces into a growing value; pure.

The rules:

- **Linear.** Each character is read once, also when the pieces are small. Only an unfinished escape and an unfinished
  ``true``, ``false`` or ``null`` are read again; they are a few characters long.
- **Only certain parts are shown.** An escape is shown when it is complete, a surrogate pair when both halves have
  arrived, a number when a character after it has arrived, and a key when its value begins. A string is shown up to its
  last piece.
- **Strict**, like :meth:`kimi_async.ToolCall.parse`: the parser accepts the same texts as ``json.loads``, except
  ``NaN`` and ``Infinity``. It also accepts raw control characters in strings, because models write them. If a key
  comes twice, its last value stays.
- **One value that grows.** Objects and lists are extended in place. A string is replaced by a longer one. CPython
  extends a string in place while no other reference to it exists: 0.5 us for each piece, of a thousand and of a
  million (3.11 to 3.13, Linux). If the caller keeps a reference, the next piece copies the string: 5 us on average
  while a string grows to 256 KB.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from kimi_async._errors import OutputError

__all__ = ["GrowingText", "PartialJSON"]

# The states of the parser: the next part of the text that is expected, in the words of an error message.
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

# Possessive ("*+"): a match does not backtrack, and a long match takes no memory.
_BLANKS: Final = re.compile(r"[ \t\n\r]*+")
_DIGITS: Final = re.compile(r"[-+.0-9eE]*+")
_ESCAPED: Final = r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
_HIGH_HALF: Final = r"\\u[dD][89abAB][0-9a-fA-F]{2}"
#: Plain characters and complete escapes. The first half of a surrogate pair waits for the next characters. Not
#: possessive, because Python 3.11.2 then ignores the lookahead. It is the end of the pattern, so it does not backtrack.
_RUN: Final = re.compile(
    rf'(?:[^"\\]+|(?!{_HIGH_HALF}){_ESCAPED}|{_HIGH_HALF}(?=[^\\]|\\[^u]|{_ESCAPED}))*'
)
#: The beginning of an escape, possibly after the first half of a pair; at most 11 characters.
_UNFINISHED: Final = re.compile(rf"(?:{_HIGH_HALF})?(?:\\(?:u[0-9a-fA-F]{{0,3}})?)?")
_DECODER: Final = json.JSONDecoder(strict=False)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return the end of the match of *pattern* at *at*; each pattern here also matches the empty text."""
    match = pattern.match(text, at)
    assert match is not None
    return match.end()


class PartialJSON:
    """A parser for one JSON text in pieces, with the certain part of its value at any time.

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
        max_depth: The largest number of nested objects and lists. ``json.loads`` fails at about 1,000 on Python 3.11,
            and so do ``repr``, ``==`` and ``json.dumps`` of such a value.
    """

    __slots__ = (
        "_carry",
        "_expected",
        "_failure",
        "_key",
        "_length",
        "_max_depth",
        "_open",
        "_parts",
        "_pieces",
        "_place",
        "_root",
    )

    def __init__(self, *, max_depth: int = 500) -> None:
        self._max_depth = max_depth
        self._expected: str = _VALUE
        #: A list for the value of the text, so that it is stored like an item of any list.
        self._root: list[Any] = []
        #: The containers that are open, innermost last.
        self._open: list[Any] = [self._root]
        #: The key of the current member of the innermost container.
        self._key = ""
        #: The parts of a key or a number, which is shown when it is complete.
        self._parts: list[str] = []
        #: The place of the last value in its container.
        self._place: str | int = -1
        #: The end of the last piece, if it cannot be parsed yet.
        self._carry = ""
        self._pieces: list[str] = []
        self._length = 0
        #: The message of the error; ``""`` while there is none.
        self._failure = ""

    @property
    def value(self) -> Any:
        """The value so far; reading it costs nothing.

        It is ``None`` while no part of it is certain, and for the text ``null``, which :attr:`complete` tells apart.
        Later pieces extend the same objects and lists, so do not change them, and copy those that you keep.
        """
        return self._root[0] if self._root else None

    @property
    def complete(self) -> bool:
        """Whether the value is complete; only blanks may follow. A bare number is complete after :meth:`close`."""
        return self._expected is _END

    def feed(self, text: str) -> None:
        """Parse the next piece.

        Raises:
            OutputError: No JSON text begins like this. The message gives the place (characters from 0) and the expected
                part; ``.text`` is the text so far. Every later call raises the error again.
        """
        if self._failure:
            raise self._error()
        self._pieces.append(text)
        self._length += len(text)
        self._read(self._carry + text)

    def close(self) -> None:
        """End the text.

        Raises:
            OutputError: As in :meth:`feed`, or the value is not complete.
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
        """Read blanks, or one character between strings, numbers and words, and return the next place."""
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
        self._parts.append(text[at:end])
        if end < len(text):
            self._end_number(self._length - len(text) + end)
        return end

    def _end_number(self, position: int) -> None:
        try:
            number = _DECODER.decode(self._take_parts())
        except ValueError:  # also raised for an integer with more digits than Python converts
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
        self._parts.append(run)
        if text.startswith('"', end):
            self._key = self._take_parts()
            self._expected = _COLON
            return end + 1
        return len(text)

    def _take_parts(self) -> str:
        text = "".join(self._parts)
        self._parts.clear()
        return text

    def _read_run(self, text: str, at: int) -> tuple[str, int]:
        """Return the decoded characters of a string from *at* on, and the place of its end or of the end of *text*."""
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
        # Only the local name must refer to the string, so that CPython extends it in place.
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
        self._failure = f"not JSON: expected {expected or self._expected} at character {position}"
        return self._error()

    def _error(self) -> OutputError:
        return OutputError(self._failure, text="".join(self._pieces))


class GrowingText:
    """The value of a JSON text in pieces, parsed on demand.

    Args:
        pieces: The pieces; the owner continues to append to this list.
    """

    __slots__ = ("_parser", "_taken", "pieces")

    def __init__(self, pieces: list[str]) -> None:
        self.pieces = pieces
        self._parser: PartialJSON | None = None
        self._taken = 0

    def value(self, count: int) -> Any:
        """Return the value of the first *count* pieces, or of more pieces if an earlier call had a larger count.

        All calls together take time linear in the text.

        Raises:
            OutputError: As in :meth:`PartialJSON.feed`.
        """
        parser = self._parser
        if parser is None:
            parser = self._parser = PartialJSON()
        pieces = self.pieces[self._taken : count]
        self._taken += len(pieces)
        parser.feed("".join(pieces))
        return parser.value
