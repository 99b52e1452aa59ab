"""The help of each command; no work is imported for it."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ASK_HELP",
    "BATCH_EXIT_CODES",
    "BATCH_HELP",
    "DOCTOR_EXIT_CODES",
    "DOCTOR_HELP",
    "EXIT_CODES",
    "FAKE_HELP",
    "MODELS_HELP",
    "PROVIDERS_HELP",
]

ASK_HELP: Final = """Send one prompt and stream the reply.

The key is taken from the environment: ACEDATACLOUD_API_TOKEN, CLOUDSWAY_API_KEY (with CLOUDSWAY_ENDPOINT_PATH),
MOONSHOT_API_KEY or, for openai and other hosts, OPENAI_API_KEY (with OPENAI_BASE_URL).

A terminal gets the thinking (dimmed), the answer, tool calls, and a line with tokens and seconds.
A file or pipe gets the text of the answer and nothing else.
Errors, and a warning when the answer is cut off or there is none, go to stderr.
Control characters that the model writes are shown and not obeyed; on a terminal, invisible ones are shown too.
A terminal shows the seconds of waiting on stderr, until the first output.

With --json, stdout gets one line of JSON for each event: its name, then its fields.
The last one is StreamEnd with the whole reply, or {"event": "error", "type": ..., "message": ...}.
"""

PROVIDERS_HELP: Final = """Show what each provider can do.

A terminal gets a table for each provider, families of models side by side. A value that the provider
documents has no note; any other has its source.
A file or pipe gets one line for each value, with its source too: a section of the page "Providers" of the
documentation, or a recording. Needs no key and no network.

With --json, stdout gets one line of JSON for each provider.
"""

MODELS_HELP: Final = """List the models of a provider.

Each line is the name of a model that the provider offers to your key. The key is taken from the environment,
as for ask.

With --json, stdout gets one line of JSON for each model; "raw" has everything that the provider tells about it.
"""

BATCH_HELP: Final = """Send the requests of a file, and write the replies to another.

INPUT has one request on each line, in the form of OpenAI's batch files, {"custom_id": ..., "body": {"messages":
[...]}}, or as {"prompt": ...}. A *.txt file has one prompt on each line. A *.gz file is unpacked.
OUTPUT gets one line for each reply, in OpenAI's form. Requests that fail go to the error file, which can be an INPUT.

Each line is written whole before it counts: a run that was stopped at any moment and is started again sends only the
requests without a reply. A request or an option that changed since then is an error.

Options fill in what a request does not set.
"""

BATCH_EXIT_CODES: Final = """\b
Exit codes:
  0    every request has a reply
  1    some have none, or the provider, the network or this machine failed
  2    the key or the model is missing, or a file or an option is wrong
  130  Ctrl-C
"""

FAKE_HELP: Final = """Serve a fake provider on this machine, until Ctrl-C.

It speaks the wire of a provider over HTTP, so a program in any language can use it, and the tutorial needs no key.
Any key is accepted. Without --script it calls the first tool of a request, or returns JSON or a sentence.

A script is a file of JSON, or a recording (.kimi). The page "Serve a fake" of the documentation describes it:
{"replies": ["Hello!", {"error": {"status": 429}}, {"reply": {"content": "Slowly.", "pace": 0.5}}]}

stdout gets commands to try it, and then one line for each answer, without any text of the messages.
"""

EXIT_CODES: Final = """\b
Exit codes:
  0    all went well, or the reader of a pipe left (| head)
  1    the provider, the network or this machine failed
  2    the key or the model is missing, or an option is wrong
  130  Ctrl-C
"""

DOCTOR_HELP: Final = """Find out the things that a provider really does, with your key.

It sends a few small requests. They cost tokens, so it asks first; --yes agrees, and is needed without a terminal.
The key is taken from the environment, as for ask.

It tries streaming, the place of the token counts, the key of the thinking, tool calls, JSON mode, JSON schemas,
partial mode, the thinking switch, an error, request ids and the headers of rate limits.
Each finding is shown beside the value that the library believes (kimi-async providers).
Each difference comes with the line of Python that changes that value.
A request that fails is shown too, and the next one is sent, unless the host did not answer the first one at all.

With --json, stdout gets one line of JSON for each finding.
"""

DOCTOR_EXIT_CODES: Final = """\b
Exit codes:
  0    every request had an answer
  1    a request failed, or you did not agree
  2    the key, the model or --yes is missing, or an option is wrong
  130  Ctrl-C
"""
