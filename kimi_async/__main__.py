"""Run the command: ``python -m kimi_async`` is ``kimi-async``."""

import sys

from kimi_async.cli import main

sys.exit(main())
