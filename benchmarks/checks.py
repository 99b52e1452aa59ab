"""Measure the checks of a long history before it is sent: ``python benchmarks/checks.py``.

The design allows one millisecond for each check and 1,000 messages; here all of them together are timed.
"""

from __future__ import annotations

import statistics
import time

import kimi_async as kimi
from kimi_async._request._checks import check_request
from kimi_async._wire import ChatRequest

MESSAGES = 1_000
ROUNDS = 200

CALL = kimi.ToolCall(id="f:0", name="f", arguments='{"city":"Bonn"}')
TURN = (
    kimi.user("How is the weather in Bonn?"),
    kimi.assistant(reasoning_content="I look.", tool_calls=[CALL]),
    kimi.tool_result(CALL, "dry"),
    kimi.assistant("It is dry.", reasoning_content="So."),
)


def main() -> None:
    history = tuple(message.to_wire() for _ in range(MESSAGES // len(TURN)) for message in TURN)
    print(f"CPU time of all checks of {len(history)} messages, median of {ROUNDS}")
    for provider in (kimi.AceDataCloud("k"), kimi.Cloudsway("k", "path"), kimi.Moonshot("k")):
        request = ChatRequest(model="kimi-k2.6", messages=history, wire="stream")
        times: list[float] = []
        for _ in range(ROUNDS):
            begun = time.process_time()
            findings = check_request(request, provider)
            times.append(time.process_time() - begun)
            assert findings == ()
        print(f"  {provider.name:10} {statistics.median(times) * 1000:.2f} ms")


if __name__ == "__main__":
    main()
