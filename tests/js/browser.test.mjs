// The example of a web service in a real Chromium: streaming, thinking, errors, and the stop button.
// CHROMIUM is the path of the browser; SCREENSHOTS a folder for pictures, if they are wanted.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import { start } from "./service.mjs";

const LONG = 60_000;

/** A provider that answers each question by its script, and counts the requests that were closed early. */
class FakeProvider {
  closed = 0;
  waiting = [];
  async listen() {
    this.server = createServer((request, response) => this.answer(request, response));
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${this.server.address().port}`;
  }
  async answer(request, response) {
    let body = "";
    for await (const piece of request) body += piece;
    response.on("close", () => { if (!response.writableEnded) this.closed += 1; });
    const question = JSON.parse(body).messages.at(-1).content;
    if (question === "Too many") {
      response.writeHead(429, { "content-type": "application/json", "retry-after": "90" });
      response.end('{"error":{"code":"too_many_requests","message":"secret words"}}');
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream" });
    const send = (delta, finish_reason = null) =>
      response.write(`data: ${JSON.stringify({ id: "1", created: 1, model: "kimi-k3", choices: [{ index: 0, delta, finish_reason }] })}\n\n`);
    if (question === "Nothing") return;
    send({ reasoning_content: "The user wants a story. " });
    send({ reasoning_content: "It should be short, and end well." });
    if (question === "Only think") { send({}, "length"); response.end("data: [DONE]\n\n"); return; }
    send({ content: "A lighthouse keeper in Bergen found a letter in a bottle. " });
    if (question === "Break") { setTimeout(() => response.destroy(), 100); return; }
    await new Promise((resolve) => this.waiting.push(resolve));
    send({ content: "She answered it, and the sea wrote back:\n\n  灯台守は手紙を読んだ。\n\nThe end, with a_very_long_word_that_does_not_fit_into_a_narrow_column_of_a_phone_at_all." });
    send({}, "stop");
    response.end("data: [DONE]\n\n");
  }
  go() { for (const resolve of this.waiting.splice(0)) resolve(); }
}

const provider = new FakeProvider();
let service, browser;
before(async () => {
  const url = await provider.listen();
  const environment = { KIMI_PROVIDER: "acedata", KIMI_MODEL: "kimi-k3", ACEDATACLOUD_API_TOKEN: "test-key", KIMI_BASE_URL: url };
  service = await start("examples", "web_service", environment);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(async () => {
  await browser.close();
  await service.stop();
  provider.server.close();
});

async function open(colorScheme, width) {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 780 } });
  const page = await context.newPage();
  page.setDefaultTimeout(LONG);
  page.problems = [];
  page.on("pageerror", (error) => page.problems.push(error.message));
  await page.goto(service.url);
  return page;
}

async function ask(page, question) {
  await page.fill("textarea", question);
  await page.press("textarea", "Enter");
}

async function picture(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
}

async function until(condition) {
  const end = Date.now() + LONG;
  while (!condition()) {
    assert.ok(Date.now() < end, "not in time");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

for (const [theme, width] of [["light", 390], ["dark", 390], ["light", 1000], ["dark", 1000]]) {
  test(`a chat in the ${theme} theme, ${width} wide`, async () => {
    const page = await open(theme, width);

    await ask(page, "Tell me a story");
    await page.waitForSelector("text=found a letter");
    assert.equal(await page.isVisible("text=wrote back"), false);
    assert.equal(await page.isVisible("text=wants a story"), false, "thinking is folded away");
    await picture(page, `${theme}-${width}-streaming`);
    await page.click("summary");
    await page.waitForSelector("text=wants a story");
    provider.go();
    await page.waitForSelector("text=wrote back");
    await page.waitForSelector("#send:visible");
    assert.equal(await page.textContent("summary"), "Thoughts");

    await ask(page, "Too many");
    await page.waitForSelector("text=Too many requests; try again later. Wait 90 seconds.");
    await ask(page, "Break");
    await page.waitForSelector("text=The answer broke before its end.");
    await ask(page, "Only think");
    await page.waitForSelector("text=the model only thought");
    await picture(page, `${theme}-${width}-ends`);

    const closed = provider.closed;
    await ask(page, "Tell me another story");
    await page.waitForSelector("article:last-child .answer");
    await page.click("#stop");
    await page.waitForSelector("text=Stopped.");
    await until(() => provider.closed > closed);
    await ask(page, "Nothing");
    await page.waitForSelector("text=Waiting…");
    await page.click("#stop");
    await until(() => provider.closed > closed + 1);
    await page.waitForSelector("#send:visible");
    await picture(page, `${theme}-${width}-stopped`);

    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    assert.equal(wide, false, "nothing is wider than the page");
    assert.deepEqual(page.problems, []);
    await page.context().close();
  });
}
