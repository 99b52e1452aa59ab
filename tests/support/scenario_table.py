"""All scenarios, in the order of the page."""

from __future__ import annotations

from typing import Final

from scenario_cases import CROWDS, SCENARIOS
from scenario_crowds import RETRYING_CROWDS
from scenario_failover_cases import FAILOVERS
from scenario_interrupt_cases import INTERRUPTS
from scenario_retry_cases import RETRIES

__all__ = ["ALL_CROWDS", "ALL_SCENARIOS"]

ALL_SCENARIOS: Final = [*RETRIES, *FAILOVERS, *INTERRUPTS, *SCENARIOS]
ALL_CROWDS: Final = [*RETRYING_CROWDS, *CROWDS]
