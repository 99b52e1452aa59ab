from __future__ import annotations

import subprocess
import sys

import kimi_async.testing


def test_every_name_is_exported_once_and_in_order() -> None:
    names = kimi_async.testing.__all__
    assert names == sorted(set(names))
    assert all(hasattr(kimi_async.testing, name) for name in names)


def test_importing_it_imports_none_of_the_extras() -> None:
    code = (
        "import sys, kimi_async.testing; print(*{'respx', 'pytest', 'trio'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == []
