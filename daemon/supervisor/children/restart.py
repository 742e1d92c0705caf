"""When a dead child is started again, and when it is given up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class RestartPolicy:
    """Back-off that doubles with every death within the window; too many deaths end it.

    Attributes:
        first_seconds: wait after the first death.
        longest_seconds: no wait is longer.
        max_restarts: restarts within the window; one death more and the work is given up.
        window_seconds: older deaths are forgotten.
    """

    first_seconds: float = 1.0
    longest_seconds: float = 60.0
    max_restarts: int = 5
    window_seconds: float = 600.0
    _deaths: deque[float] = field(default_factory=deque)

    def after_death(self, now_seconds: float) -> float | None:
        """Seconds to wait before the next start, or None to give up.

        >>> policy = RestartPolicy(max_restarts=3)
        >>> [policy.after_death(float(second)) for second in range(4)]
        [1.0, 2.0, 4.0, None]
        """
        while self._deaths and now_seconds - self._deaths[0] > self.window_seconds:
            self._deaths.popleft()
        self._deaths.append(now_seconds)
        if len(self._deaths) > self.max_restarts:
            return None
        wait: float = self.first_seconds * 2 ** (len(self._deaths) - 1)
        return min(wait, self.longest_seconds)
