"""Over HTTP a database that cannot be read is a 503 with its reason; afterwards all is answered as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError

from tests.unit.daemon.api.reception import receiving

if TYPE_CHECKING:
    from daemon.home import Home

pytestmark = pytest.mark.anyio


class LockedEngine:
    """As a database that another program has locked."""

    def connect(self) -> Any:
        raise OperationalError("SELECT", {}, Exception("database is locked"))


async def test_a_database_that_cannot_be_read_is_a_503(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(home) as reception, reception.client() as client:
        store = reception.supervisor.store
        with monkeypatch.context() as locked:
            locked.setattr(store, "_read_engine", LockedEngine())
            answer = await client.get("/api/v1/events")
            assert answer.status_code == 503
            assert "could not be read: database is locked" in answer.json()["detail"]
        assert (await client.get("/api/v1/events")).status_code == 200
