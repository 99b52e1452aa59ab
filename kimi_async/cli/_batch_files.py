"""The files of ``kimi-async batch``: read the rows, find those that are done, and write whole lines."""

from __future__ import annotations

import contextlib
import gzip
import os
import shutil
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import BinaryIO, Final, Self, TextIO, cast

from attrs import field, frozen

from kimi_async import ConfigurationError
from kimi_async.batch._files import FileRow, Finished, may_be_ours, read_row, read_state

__all__ = ["Lines", "Plan", "drop_lines", "make_plan", "refuse_other_file", "rows_of"]

_NEWLINE: Final = b"\n"


def rows_of(path: Path) -> Iterator[FileRow]:
    """Read the rows of the input one by one; empty lines are left out.

    Raises:
        ConfigurationError: A line is not a request.
        OSError: The file cannot be read.
    """
    is_text = path.name.removesuffix(".gz").endswith(".txt")
    with _open(path) as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield read_row(line, number, is_text=is_text)
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error):
            raise ConfigurationError(
                f"{path} is not a whole file of UTF-8 text; convert it, or unpack it again"
            ) from None


def _open(path: Path) -> TextIO:
    opened = gzip.open if path.suffix == ".gz" else open
    return cast("TextIO", opened(path, "rt", encoding="utf-8-sig"))


@frozen(kw_only=True)
class Plan:
    """The work of one run.

    Attributes:
        total: How many rows the input has.
        answered: The names of those that earlier runs have answered.
        failed: The names of those that failed in earlier runs, for a reason that does not pass.
        outdated: The names of those whose earlier failure does not count any more.
        text_bytes: The size of the texts in the messages that are to be sent.
        lacks_model: Whether one of those names no model.
    """

    total: int
    answered: frozenset[str] = field(repr=False)
    failed: frozenset[str] = field(repr=False)
    outdated: frozenset[str] = field(repr=False)
    text_bytes: int
    lacks_model: bool

    @property
    def left(self) -> int:
        """How many rows are to be sent."""
        return self.total - len(self.answered) - len(self.failed)

    def is_done(self, row: FileRow) -> bool:
        """Return whether nothing is to be sent for *row*."""
        return row.custom_id in self.answered or row.custom_id in self.failed


def make_plan(source: Path, output: Path, errors: Path, settings: str) -> Plan:
    """Compare the input with the files of earlier runs.

    Args:
        source: The input.
        output: The output; it may not exist yet.
        errors: The error file; it may not exist yet.
        settings: The digest of the settings of this run.

    Raises:
        ConfigurationError: Two rows have one name, a row or the settings have changed since a reply was written, or
            a file is of something else.
        OSError: A file cannot be read.
    """
    replies, failures = _states(output), _states(errors)
    answered: set[str] = set()
    failed: set[str] = set()
    seen: set[str] = set()
    text_bytes, lacks_model = 0, False
    for row in rows_of(source):
        name = row.custom_id
        if name in seen:
            raise ConfigurationError(f"two rows of {source} have the custom_id {name!r}")
        seen.add(name)
        if name in replies:
            _refuse_changes(row, replies[name], settings, output)
            answered.add(name)
        elif _fails_again(failures.get(name), row, settings):
            failed.add(name)
        else:
            text_bytes += row.text_bytes
            lacks_model |= row.body.get("model") is None
    return Plan(
        total=len(seen),
        answered=frozenset(answered),
        failed=frozenset(failed),
        outdated=frozenset(seen & failures.keys() - failed),
        text_bytes=text_bytes,
        lacks_model=lacks_model,
    )


def refuse_other_file(path: Path) -> None:
    """Refuse a file of something else, named by mistake, before its torn line is removed.

    Raises:
        ConfigurationError: The first line is not one of this command.
        OSError: The file cannot be read.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        if not may_be_ours(file.readline()):
            raise _not_ours(path, 1)


def _not_ours(path: Path, number: int) -> ConfigurationError:
    return ConfigurationError(
        f"line {number} of {path} was not written by this command; choose another file"
    )


def _states(path: Path) -> dict[str, Finished]:
    states: dict[str, Finished] = {}
    if not path.exists():
        return states
    with path.open(encoding="utf-8", errors="replace") as file:
        whole = (
            line for line in file if line.endswith("\n")
        )  # a run that was killed leaves a torn line
        for number, line in enumerate(whole, 1):
            state = read_state(line)
            if state is None:
                raise _not_ours(path, number)
            states[state.custom_id] = state
    return states


def _refuse_changes(row: FileRow, earlier: Finished, settings: str, output: Path) -> None:
    changed = (
        "its body"
        if row.digest != earlier.row
        else "the options"
        if settings != earlier.settings
        else None
    )
    if changed is not None:
        raise ConfigurationError(
            f"{output} has a reply to {row.custom_id!r}, but {changed} changed since;"
            " choose another output file, or remove that line"
        )


def _fails_again(earlier: Finished | None, row: FileRow, settings: str) -> bool:
    """Return whether the same request failed for a reason that does not pass."""
    if earlier is None or earlier.may_repeat:
        return False
    return (earlier.row, earlier.settings) == (row.digest, settings)


class Lines:
    """A file to which whole lines are added; each is handed to the system before :meth:`add` returns.

    A context manager. On entering, the torn last line of a run that was killed is removed.

    Args:
        path: The file; made if it does not exist.

    Raises:
        ConfigurationError: Another process writes to the file.
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO = path.open("ab+")

    def __enter__(self) -> Self:
        try:
            _lock(self._file, self._path)
            _remove_torn_line(self._file)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with _named(self._path):
            self._file.close()  # writes again the rest of a line that found no room

    def add(self, line: bytes) -> None:
        """Add one line.

        Raises:
            OSError: The disk is full, or the file cannot be written any more.
        """
        with _named(self._path):
            self._file.write(line)
            self._file.flush()


@contextlib.contextmanager
def _named(path: Path) -> Generator[None]:
    """Name the file in an error of the system, which does not."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def _lock(file: BinaryIO, path: Path) -> None:
    with contextlib.suppress(ImportError):  # Windows has no fcntl
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigurationError(
                f"another process writes to {path}; wait for it, or choose another file"
            ) from None


def _remove_torn_line(file: BinaryIO) -> None:
    file.seek(0)
    end = 0
    for line in file:
        if line.endswith(_NEWLINE):
            end += len(line)
    file.truncate(end)
    file.seek(0, os.SEEK_END)


def drop_lines(path: Path, names: frozenset[str]) -> None:
    """Write *path* anew without the lines of these names; a kill leaves the old file or the new one.

    Raises:
        ConfigurationError: Another process writes to the file.
        OSError: The file cannot be written.
    """
    if not names:
        return
    path = path.resolve()  # a link stays a link
    kept = path.with_name(f"{path.name}.new")
    with Lines(path):
        try:
            _copy_lines(path, kept, names)
        except BaseException:
            kept.unlink(missing_ok=True)  # half a file, which takes room on a full disk
            raise
    shutil.copymode(path, kept)  # prompts may be for few eyes
    kept.replace(path)


def _copy_lines(path: Path, kept: Path, names: frozenset[str]) -> None:
    """Write the lines of *path* that are not of these names to *kept*."""
    with path.open("rb") as old, _named(kept), kept.open("wb") as new:
        for line in old:
            state = read_state(line.decode("utf-8", "replace"))
            if state is None or state.custom_id not in names:
                new.write(line)
