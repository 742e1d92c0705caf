"""Whether the daemon answers. The only question that needs no token."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from daemon.api.context import AccessPort, AddressesPort, HomePort, ShutdownPort, VersionPort
from daemon.api.shapes import Health

router = APIRouter(tags=["daemon"])


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=Health)
async def health(version: VersionPort, home: HomePort) -> Any:
    """The daemon answers."""
    return {"status": "ok", "version": version, "home_id": home.id}


@router.post("/shutdown", status_code=202, response_model=dict[str, str])
async def shutdown(shut_down: ShutdownPort) -> Any:
    """Save a last checkpoint, stop the run, and exit."""
    shut_down()
    return {"status": "stopping"}


@router.post("/one-time-urls", status_code=201, response_model=dict[str, str])
async def one_time_url(access: AccessPort, addresses: AddressesPort) -> Any:
    """A new one-time address that lets one browser in; `remote_url` for other machines, `public_url` behind a proxy."""
    return addresses.one_time_urls(access.issue_code)
