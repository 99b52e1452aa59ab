"""The public API as type checkers must see it; they check this file like the code of a user.

Not collected by pytest; ``test_events.py`` runs :func:`describe` on one event of each class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import kimi_async as kimi
from kimi_async import structured, tools
from kimi_async.tools import tool

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from typing import Any, Literal, TypedDict, assert_type


def describe(event: kimi.StreamEvent) -> str:
    """One line for any event; a class that the union gains and that is missing here is an error of typing."""
    match event:
        case kimi.StreamStart(id=id, model=model, created=created, provider=provider):
            return f"start {id} {model} {created} {provider}"
        case kimi.ReasoningDelta(text=text, choice=choice):
            return f"reasoning {choice} {text}"
        case kimi.ReasoningDone(text=text, choice=choice):
            return f"reasoning done {choice} {text}"
        case kimi.ContentDelta(text=text, choice=choice):
            return f"content {choice} {text}"
        case kimi.ContentDone(text=text, choice=choice):
            return f"content done {choice} {text}"
        case kimi.RefusalDelta(text=text, choice=choice):
            return f"refusal {choice} {text}"
        case kimi.RefusalDone(text=text, choice=choice):
            return f"refusal done {choice} {text}"
        case kimi.ToolCallStart(index=index, id=id, name=name, choice=choice):
            return f"call {choice} {index} {id} {name}"
        case kimi.ToolCallDelta(index=index, arguments=arguments, choice=choice):
            return f"arguments {choice} {index} {arguments}"
        case kimi.ToolCallDone(call=call, choice=choice):
            return f"call done {choice} {call.name} {call.arguments}"
        case kimi.Finish(reason=reason, choice=choice):
            return f"finish {choice} {reason}"
        case kimi.UsageUpdate(usage=usage):
            return f"usage {usage.total_tokens}"
        case kimi.AttemptFailed(error=error, delay=delay, provider=provider, attempt=attempt):
            return f"failed {provider} {attempt} {delay} {error.name} {error.status}"
        case kimi.StreamContinued(provider=provider, kept=kept):
            return f"continued {provider} {kept}"
        case kimi.StreamRestarted(provider=provider, kept=kept):
            return f"restarted {provider} {kept}"
        case kimi.StreamEnd(completion=completion):
            return f"end {completion.text}"
        case _:
            assert_never(event)


def describe_run(event: tools.RunEvent) -> str:
    """The same for any event of a run."""
    match event:
        case tools.StepStart(step=step):
            return f"step {step}"
        case tools.ToolResult(call=call, status=status):
            return f"result {call.name} {status}"
        case tools.StepEnd(step=step, completion=completion):
            return f"end of step {step} {completion.text}"
        case _:
            return describe(event)


if TYPE_CHECKING:

    class Cities(TypedDict):
        city1: str
        city2: str

    async def replies(client: kimi.AsyncKimi) -> None:
        reply = await client.chat("Hello", model="kimi-k3", temperature=1, stop=["\n"])
        assert_type(reply, kimi.ChatCompletion)
        assert_type(reply.text, str)
        assert_type(reply.reasoning, str)
        assert_type(reply.message, kimi.Message)
        assert_type(reply.record, kimi.ReplyRecord)
        assert_type(reply.message.reasoning_content, str | None)
        assert_type(reply.usage, kimi.Usage | None)
        assert_type(reply.outcome, kimi.Outcome | None)
        assert_type(reply.tool_calls, tuple[kimi.ToolCall, ...])
        assert_type(reply.raw, Mapping[str, Any] | None)
        await client.chat(
            [kimi.system("Be brief."), {"role": "user", "content": "Hi"}, reply.message],
            thinking=kimi.Thinking(keep="all"),
            tool_choice={"type": "function", "function": {"name": "f"}},
            extra_headers={"x-trace": "1"},
            wire="json",
        )

    async def streams(client: kimi.AsyncKimi) -> None:
        async with client.stream("Hello", thinking=False) as stream:
            assert_type(stream, kimi.ChatStream)
            async for event in stream:
                assert_type(event, kimi.StreamEvent)
                describe(event)
            assert_type(await stream.final(), kimi.ChatCompletion)
            assert_type(stream.snapshot, kimi.ChatCompletion)
            assert_type(stream.record, kimi.ReplyRecord)
            assert_type(stream.last_chunk, Mapping[str, Any] | None)
            assert_type(stream.response, kimi.ResponseInfo | None)
        assert_type(client.stream("Hello").text_deltas(), AsyncGenerator[str, None])

    def answers(call: kimi.ToolCall) -> kimi.Message:
        assert_type(call.parse(Cities), Cities)
        assert_type(call.parse(dict[str, int]), dict[str, int])
        value: object = call.parse()
        return kimi.tool_result(call, value)

    @tool
    def find(city: str, limit: int = 3) -> str:
        return city * limit

    @tool(name="double-it")
    async def double(number: int) -> int:
        return 2 * number

    async def calls(client: kimi.AsyncKimi) -> None:
        assert_type(find("Oslo"), str)
        assert_type(await double(3), int)
        assert_type(find.call("{}"), str)
        assert_type(tool(client.chat, name="ask").name, str)
        search = {"type": "builtin_function", "function": {"name": "$web_search"}}
        await client.chat("Hello", tools=[find, double, search])

        async def approve(call: kimi.ToolCall) -> bool | tools.Deny:
            return call.name == "find" or tools.Deny(reason="no", stop=True)

        async with client.run("Hello", tools=[find, search], approve=approve) as run:
            assert_type(run, tools.ToolRun)
            async for event in run:
                assert_type(event, tools.RunEvent)
                describe_run(event)
            result = await run.final()
        assert_type(result.completion, kimi.ChatCompletion)
        assert_type(result.usage, kimi.Usage | None)
        assert_type(result.stopped, tools.Stopped)
        assert_type(result.messages, tuple[kimi.Message, ...])
        assert_type(run.messages, tuple[kimi.Message, ...])
        await client.run(result.messages, tools=[double], approve=lambda call: True).final()

    async def values(client: kimi.AsyncKimi) -> None:
        parsed = await client.parse("Where?", into=Cities)
        assert_type(parsed, structured.Parsed[Cities])
        assert_type(parsed.value, Cities)
        assert_type(parsed.rounds, tuple[structured.ParseRound, ...])
        assert_type(
            await client.parse("Where?", list[str], repairs=2), structured.Parsed[list[str]]
        )
        assert_type(await client.parse("Where?", into=Literal["a", "b"]), structured.Parsed[Any])
        async with client.stream_parse("Where?", into=Cities) as stream:
            assert_type(stream, structured.ParsedStream[Cities])
            async for value in stream:
                assert_type(value, Any)
            async for event in stream.events():
                assert_type(event, kimi.StreamEvent)
            assert_type(await stream.final(), structured.Parsed[Cities])
        chat = client.conversation(messages=[{"role": "user", "content": "Hi"}])
        assert_type(chat.messages, tuple[kimi.Message, ...])
        assert_type(chat.messages[0].extra, Mapping[str, Any])
        assert_type(await chat.parse("Where?", into=Cities), structured.Parsed[Cities])
        assert_type(chat.run("Where?", tools=[find], max_steps=3), tools.ToolRun)

    def losses(error: kimi.KimiError) -> None:
        assert_type(error.partial, kimi.ChatCompletion | None)
        if isinstance(error, kimi.StreamInterrupted):
            assert_type(error.partial, kimi.ChatCompletion)
        assert_type(error.record, kimi.ReplyRecord)
        if isinstance(error, kimi.APIError):
            assert_type(error.status, int | None)
            assert_type(error.retry_after, float | None)
        if isinstance(error, kimi.KimiTimeoutError):
            assert_type(error.seconds, float)

    def settings() -> kimi.AsyncKimi:
        def log(record: kimi.ReplyRecord) -> None:
            assert_type(record.outcome, kimi.Outcome)

        provider = kimi.Cloudsway(endpoint_path="abc", models={"kimi-k3": "MaaS_Kimi_K3"})
        limits = kimi.Timeouts(idle=60, total=None)
        return kimi.AsyncKimi(provider, timeouts=limits, on_complete=log, headers={"x-app": "1"})
