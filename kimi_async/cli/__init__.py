"""The command line, ``kimi-async`` (extra ``cli``).

Importing this needs no extra, so that :func:`main` can name a missing package.
"""

from __future__ import annotations

import os
import sys

__all__ = ["main"]


def main() -> int:
    """Run the program on the arguments of the process, for the console script ``kimi-async``.

    Returns:
        The exit code where no command was reached: 2 without typer and rich, 130 on Ctrl-C.

    Raises:
        SystemExit: With the exit code of the command, of ``--help`` or of a usage error.
    """
    # A shell can start a program with these closed (>&-); nobody reads them then.
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stderr = sys.stderr or sys.stdout
    try:
        # Imported here, because Ctrl-C may come during the half second that it takes.
        from kimi_async.cli._app import app

        app(prog_name="kimi-async")
    except ModuleNotFoundError as error:
        missing = str(error.name).partition(".")[0]
        if missing not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"kimi-async: {missing} is missing: pip install 'kimi-async[cli]'\n")
        return 2
    except KeyboardInterrupt:
        pass
    return 130
