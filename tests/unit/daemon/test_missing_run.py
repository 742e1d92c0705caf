"""Whoever asks for a run that does not exist is shown the nearest one, or how to list them."""

from __future__ import annotations

import pytest

from daemon.missing_run import no_run

RUNS = [
    {"id": "r-20261201-0216-8baf", "name": "books"},
    {"id": "r-20261130-1101-00aa", "name": "logs"},
    {"id": "r-20261129-0900-1f1f", "name": "reflex 2026-11-29 09:00"},
]


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        ("book", "did you mean r-20261201-0216-8baf (books)? List them: synapsed runs"),
        ("LOGS", "did you mean r-20261130-1101-00aa (logs)? List them: synapsed runs"),
        ("r-20261130-1101-00ab", "did you mean r-20261130-1101-00aa (logs)? List them: synapsed runs"),
        ("r-20261130", "did you mean r-20261130-1101-00aa (logs)? List them: synapsed runs"),
        ("reflx", "did you mean r-20261129-0900-1f1f (reflex 2026-11-29 09:00)? List them: synapsed runs"),
        ("zzz", "list them: synapsed runs"),
        ("", "list them: synapsed runs"),
    ],
)
def test_the_nearest_run_is_named_by_its_id(wanted: str, hint: str) -> None:
    assert str(no_run(wanted, RUNS)).endswith(f"; {hint}")


def test_what_was_typed_cannot_break_the_line() -> None:
    assert "\n" not in str(no_run("a\nb", RUNS))
