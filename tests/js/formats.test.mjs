// The format "ai-sdk" is read by the package ai, and "openai" by the package openai.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DefaultChatTransport, parseJsonEventStream, readUIMessageStream, uiMessageChunkSchema } from "ai";
import OpenAI from "openai";
import { start } from "./service.mjs";

let service;
before(async () => { service = await start("tests/support", "web_cases"); });
after(() => service.stop());

async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** The last state of the message, the errors, and the transient data. */
async function read(name) {
  const api = `${service.url}/ai-sdk/${name}`;
  const transport = new DefaultChatTransport({ api });
  const messages = [{ id: "1", role: "user", parts: [{ type: "text", text: "Hi" }] }];
  const stream = await transport.sendMessages({ chatId: "c", messages, trigger: "submit-message" });
  const chunks = [];
  const noted = stream.pipeThrough(new TransformStream({
    transform(chunk, controller) { chunks.push(chunk); controller.enqueue(chunk); },
  }));
  const errors = [];
  let message;
  for await (const state of readUIMessageStream({ stream: noted, onError: (error) => errors.push(error.message) })) message = state;
  return { message, errors, chunks };
}

const textOf = ({ parts }) => parts.filter((part) => part.type === "text").map((part) => part.text).join("|");
const finish = (chunks) => chunks.find((chunk) => chunk.type === "finish").finishReason;

const ENDS = [
  // case, text, finishReason, outcome, no_answer
  ["complete", "Hello, you!", "stop", "complete", null],
  ["refusal", "I cannot.", "stop", "complete", null],
  ["cut", "Hello, y", "interrupted", "interrupted", null],
  ["overloaded", "Hello, y", "error", "error", null],
  ["length", "Hello, you", "length", "length", null],
  ["only-thinking", "", "stop", "complete", "model"],
  ["only-thinking-at-the-limit", "", "length", "length", "budget"],
  ["filtered", "Hello", "content-filter", "content_filter", null],
  ["odd-reason", "Hello", "other", "other", null],
  ["run", "Let me look.|Again.|21 degrees.", "stop", "complete", null],
  ["run-with-pending", "A map.", "tool-calls", "tool_calls", null],
  ["run-denied", "", "tool-calls", "tool_calls", null],
  ["run-cut", "Let me look.", "error", "error", null],
  ["restarted", "Hello", "stop", "complete", null],
  ["continued", "Hello", "stop", "complete", null],
];

for (const [name, text, reason, outcome, noAnswer] of ENDS) {
  test(`ai reads ${name}`, async () => {
    const { message, errors, chunks } = await read(name);
    assert.equal(textOf(message), text);
    assert.equal(finish(chunks), reason);
    assert.equal(message.metadata.outcome, outcome);
    assert.equal(message.metadata.no_answer, noAnswer);
    assert.equal(errors.length, outcome === "error" ? 1 : 0);
    for (const part of message.parts) {
      if ("state" in part) assert.notEqual(part.state, "streaming", part.type);
    }
  });
  test(`the schema of ai accepts each chunk of ${name}`, async () => {
    const { body } = await fetch(`${service.url}/ai-sdk/${name}`);
    const results = await all(parseJsonEventStream({ stream: body, schema: uiMessageChunkSchema }));
    assert.ok(results.length > 3);
    for (const result of results) assert.ok(result.success, JSON.stringify(result.rawValue));
  });
}

test("ai reads the calls of a run and their results", async () => {
  const { message } = await read("run");
  const calls = message.parts.filter((part) => part.type.startsWith("tool-"));
  assert.deepEqual(calls.map((call) => [call.type, call.state, call.toolCallId]), [
    ["tool-weather", "output-available", "call_1"],
    ["tool-weather", "output-available", "call_1-2"],
    ["tool-broken", "output-error", "call_2"],
  ]);
  assert.deepEqual(calls[0].input, { city: "Oslo" });
});

test("ai reads the value of structured output", async () => {
  const { message } = await read("parsed");
  const { data } = message.parts.find((part) => part.type === "data-value");
  assert.deepEqual(data, { name: "Oslo", people: 700000 });
});

test("a restart drops the parts before it", async () => {
  const { message, chunks } = await read("restarted");
  assert.deepEqual(message.parts.map((part) => part.type), ["step-start", "tool-weather", "text"]);
  assert.ok(chunks.some((chunk) => chunk.type === "reset-step"));
});

test("an error before the first output is an error of the transport", async () => {
  await assert.rejects(read("refused"), /"type":"AuthenticationError"/);
});

async function ask(name) {
  const client = new OpenAI({ apiKey: "k", baseURL: `${service.url}/openai/${name}`, maxRetries: 0 });
  const stream = await client.chat.completions.create({ model: "m", stream: true, messages: [{ role: "user", content: "Hi" }] });
  return all(stream);
}

for (const [name, text, reason, outcome, noAnswer] of ENDS.filter(([name]) => name !== "restarted")) {
  test(`openai reads ${name}`, async () => {
    if (["interrupted", "error"].includes(outcome)) {
      await assert.rejects(ask(name), OpenAI.APIError);
      return;
    }
    const chunks = await ask(name);
    const last = chunks.pop();
    const said = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
    const refused = chunks.map((chunk) => chunk.choices[0].delta.refusal ?? "").join("");
    assert.equal(said + refused, text.replaceAll("|", "\n\n"));
    assert.ok(["stop", "length", "tool_calls", "content_filter"].includes(chunks.at(-1)?.choices[0].finish_reason ?? "stop"), reason);
    assert.deepEqual([last.kimi.outcome, last.kimi.no_answer], [outcome, noAnswer]);
  });
}

test("openai reads an error before the first output as a status", async () => {
  await assert.rejects(ask("refused"), (error) => error.status === 500 && error.type === "AuthenticationError");
});
