"""Virtual time for every test, and a fake that each test fills with its script.

The tests need ``pip install kimi-async pytest``; ``test_service.py`` needs more, which it names.
"""

from __future__ import annotations

from typing import Any

import pytest

from kimi_async.testing import FakeTransport, virtual_time


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return virtual_time("asyncio")


@pytest.fixture
def fake() -> FakeTransport:
    return FakeTransport()
