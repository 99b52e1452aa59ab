"""Try random error bodies and random chunk streams: ``python tests/support/fuzz_replies.py [EXAMPLES]``.

Each of the three properties of ``reply_properties.py`` is tried with 50,000 examples, or as many as the argument says.
"""

from __future__ import annotations

import sys

from hypothesis import HealthCheck, given, settings
from json_strategies import envelopes
from reply_properties import (
    check_error_body,
    check_last_words,
    check_stream,
    places,
    statuses,
    streams,
)

EXAMPLES = 50_000


def main(arguments: list[str]) -> None:
    """Try each property and say how often."""
    examples = int(arguments[0]) if arguments else EXAMPLES
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    few = settings(max_examples=examples, deadline=None, suppress_health_check=slow)
    for name, search in (
        ("error bodies", given(statuses, envelopes)(check_error_body)),
        ("chunk streams", given(streams, places)(check_stream)),
        ("objects that are no chunk", given(envelopes)(check_last_words)),
    ):
        few(search)()
        sys.stdout.write(f"{name}: {examples} examples, all as they should be\n")


if __name__ == "__main__":
    main(sys.argv[1:])
