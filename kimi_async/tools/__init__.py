"""Tools: functions that the model can call, and the loop that runs them (``client.run()``)."""

from kimi_async.tools._executor import Approve, Deny, ToolResult, ToolStatus
from kimi_async.tools._moonshot import moonshot_schema
from kimi_async.tools._run import (
    RunEvent,
    RunParams,
    RunResult,
    StepEnd,
    StepStart,
    Stopped,
    ToolRun,
)
from kimi_async.tools._tool import Tool, ToolError, tool

__all__ = [
    "Approve",
    "Deny",
    "RunEvent",
    "RunParams",
    "RunResult",
    "StepEnd",
    "StepStart",
    "Stopped",
    "Tool",
    "ToolError",
    "ToolResult",
    "ToolRun",
    "ToolStatus",
    "moonshot_schema",
    "tool",
]
