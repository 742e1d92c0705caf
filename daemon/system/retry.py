"""When to try again what a failing disk refused."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS = 5.0
RETRY_SECONDS_MAX = 300.0


def retry_seconds(num_failures: int) -> float:
    """How long to wait after that many failures before this one: 5, 10, 20 … at most 300 seconds.

    >>> [retry_seconds(n) for n in (0, 1, 2, 60)]
    [5.0, 10.0, 20.0, 300.0]
    """
    return float(min(RETRY_SECONDS * 2**num_failures, RETRY_SECONDS_MAX))


class Retry:
    """A thing that may fail, and when it is to be tried again."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._failures = 0
        self._at = 0.0

    @property
    def due(self) -> bool:
        """Nothing failed, or it is time to try again."""
        return not self._failures or self._monotonic() >= self._at

    def failed(self) -> None:
        """It failed again."""
        self._at = self._monotonic() + retry_seconds(self._failures)
        self._failures += 1

    def succeeded(self) -> None:
        """What failed may be tried at once."""
        self._failures = 0
