"""The version of the distribution, in the one place that the build and the User-Agent read."""

from typing import Final

__version__: Final = "0.1.0"
