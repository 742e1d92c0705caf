"""The database: tables, the one writer, rollups and queries."""

from daemon.store.paging import Page
from daemon.store.series import Touched
from daemon.store.store import Store

__all__ = ["Page", "Store", "Touched"]
