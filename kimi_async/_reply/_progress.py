"""Note when the parts of a response arrived, for the record of the reply; pure: the caller passes the time."""

from __future__ import annotations

__all__ = ["Progress"]


class Progress:
    """The times of one attempt, by the event loop's clock in seconds, and the size of its body.

    Attributes:
        begun: When its request was sent, or when the wait for a permit began; 0 = not yet.
        headers_at: When its headers arrived; ``None`` = not yet, also below.
        first_output_at: When its first output arrived.
        last_output_at: When its last output arrived.
        longest_gap: The longest time between two reads that brought output.
        bytes: The bytes of its body.
    """

    __slots__ = (
        "begun",
        "bytes",
        "first_output_at",
        "headers_at",
        "last_output_at",
        "longest_gap",
    )

    def __init__(self) -> None:
        self.begun = 0.0
        self.headers_at: float | None = None
        self.first_output_at: float | None = None
        self.last_output_at: float | None = None
        self.longest_gap: float | None = None
        self.bytes = 0

    def waited(self, now: float) -> float:
        """Return the seconds from the beginning to the first output, or until *now*."""
        return (now if self.first_output_at is None else self.first_output_at) - self.begun

    def note_output(self, now: float) -> None:
        """Note that output arrived *now*."""
        last = self.last_output_at
        if last is None:
            self.first_output_at = now
        else:
            self.longest_gap = max(self.longest_gap or 0.0, now - last)
        self.last_output_at = now
