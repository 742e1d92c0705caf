"""A disk that fails: which errors mean that, when to try again, and a journal that can wait for it."""

from __future__ import annotations

import errno
import time
from typing import TYPE_CHECKING, Any, TypeVar

from daemon.errors import CheckpointError
from daemon.system.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.journal import Entry, Journal

T = TypeVar("T")

# Full, over quota, broken, read-only: a person, or time, can mend it.
_FAILING = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS}


def is_failing_disk(error: BaseException | None) -> bool:
    """Whether a failing disk caused an error, directly or by what it was raised from.

    >>> is_failing_disk(OSError(errno.ENOSPC, "No space left on device")), is_failing_disk(ValueError())
    (True, False)
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FAILING:
            return True
        error = error.__cause__
    return False


class PatientJournal:
    """The journal for what the loop itself writes: a failing disk postpones an entry and does not end the run.

    What a person orders goes to the journal directly, which refuses it with the reason.

    Args:
        journal: of the run.
        degrade: takes the reason while it cannot be written, None once it can.
    """

    def __init__(
        self,
        journal: Journal,
        degrade: Callable[[str | None], None],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._journal = journal
        self._degrade = degrade
        self._retry = Retry(monotonic=monotonic)

    def append(self, kind: str, step: int, payload: Mapping[str, Any]) -> Entry | None:
        """One entry; None when it is postponed, to be asked for again."""
        return self._try(lambda: self._journal.append(kind, step, payload))

    def bring_forward(self, entry: Entry, step: int) -> Entry | None:
        """See Journal.bring_forward; None when it is postponed."""
        return self._try(lambda: self._journal.bring_forward(entry, step))

    def truncate_after(self, step: int) -> bool:
        """See Journal.truncate_after; False when it is postponed."""

        def truncate() -> bool:
            self._journal.truncate_after(step)
            return True

        return self._try(truncate) or False

    def disk_is_back(self) -> None:
        """Something else could be written: retry at once, and clear `degraded` unless that fails."""
        self._retry.succeeded()
        self._degrade(None)

    def _try(self, write: Callable[[], T]) -> T | None:
        if not self._retry.due:
            return None
        try:
            written = write()
        except CheckpointError as error:
            self._retry.failed()
            self._degrade(str(error))
            return None
        self.disk_is_back()
        return written
