"""The database is deleted or moved while it is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.store import file_watch
from daemon.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.events import Event

pytestmark = pytest.mark.faults


def event(message: str) -> dict[str, object]:
    return {"kind": "job_finished", "time": "2026-02-19T14:30:56+00:00", "message": message, "data": {}}


@pytest.mark.parametrize("how", ["deleted", "moved", "deleted, and an empty one was made"])
@pytest.mark.fault(
    "Missing database",
    tried="the database is deleted or moved while the daemon runs, with its log or alone",
    happens="within seconds the whole history is back in its place, and an event reports it",
)
@pytest.mark.parametrize("log_too", [True, False])
def test_it_is_reported_and_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, log_too: bool
) -> None:
    monkeypatch.setattr(file_watch, "LOOK_EVERY_SECONDS", 0.0)
    file = tmp_path / "synapsed.db"
    reported: list[Event] = []
    with Store.open(file) as store:
        store.report = reported.append
        store.add_event(event("before"))
        assert store.flush()
        for path in [file, *(tmp_path.glob("synapsed.db-*") if log_too else ())]:
            path.rename(tmp_path / f"moved-{path.name}") if how == "moved" else path.unlink()
        if "empty" in how:
            file.touch()
        for message in ("while", "it is gone"):
            store.add_event(event(message))
            assert store.flush()
        assert [one.kind() for one in reported] == ["database_missing"]
        assert "it is back, and nothing of it is missing" in reported[0].message
        assert [one["message"] for one in store.events().items] == ["it is gone", "while", "before"]
    with Store.open(file) as store:
        assert store.notices == []
        assert [one["message"] for one in store.events().items] == ["it is gone", "while", "before"]
    assert file.stat().st_mode & 0o777 == 0o600
