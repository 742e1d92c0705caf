"""Answers to POSTs with an Idempotency-Key, until they are in the database: only then can it be asked for them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_ANSWERS = 500


class RecentAnswers:
    """The answers not committed yet, the newest of them. Any thread may use it.

    While the database cannot be written at most `max_answers` are known; a request that repeats an older one
    is carried out again.

    Args:
        done: how many orders the writer has carried out by now.
        max_answers: the bound.
    """

    def __init__(self, *, done: Callable[[], int], max_answers: int = MAX_ANSWERS) -> None:
        self._done = done
        self._max_answers = max_answers
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, str], tuple[int, dict[str, Any]]] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._answers)

    def add(self, answer: dict[str, Any], *, put: int) -> None:
        """Know an answer until `put` orders are carried out; it was queued as one of them."""
        place = answer["key"], answer["endpoint"]
        with self._lock:
            self._answers.pop(place, None)
            self._answers[place] = put, answer
            self._let_go()

    def get(self, key: str, endpoint: str) -> dict[str, Any] | None:
        """An answer that may not be in the database yet."""
        with self._lock:
            known = self._answers.get((key, endpoint))
            return None if known is None else known[1]

    def forget(self, below: float) -> None:
        """Forget answers given before that moment."""
        with self._lock:
            old = [place for place, (_, answer) in self._answers.items() if answer["created_at"] < below]
            for place in old:
                del self._answers[place]
            self._let_go()

    def _let_go(self) -> None:
        done = self._done()
        while self._answers:
            place, (put, _) = next(iter(self._answers.items()))
            if put > done and len(self._answers) <= self._max_answers:
                return
            del self._answers[place]
