"""The results of ``client.parse()`` and ``client.stream_parse()``."""

from kimi_async._structured import Parsed, ParsedStream, ParseParams, ParseRound

__all__ = ["ParseParams", "ParseRound", "Parsed", "ParsedStream"]
