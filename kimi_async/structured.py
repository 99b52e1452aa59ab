"""The results of ``client.parse()`` and ``client.stream_parse()``."""

from kimi_async._structured import Parsed, ParsedStream, ParseRound

__all__ = ["ParseRound", "Parsed", "ParsedStream"]
