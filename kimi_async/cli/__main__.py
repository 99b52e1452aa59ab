"""``python -m kimi_async.cli`` is ``kimi-async``."""

import sys

from kimi_async.cli import main

sys.exit(main())
