"""Whether the daemon answers. The only question that needs no token."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from daemon.api.context import ContextOf
from daemon.api.shapes import Health

router = APIRouter(tags=["daemon"])


@router.head("/health", include_in_schema=False)
@router.get("/health", response_model=Health)
async def health(context: ContextOf) -> Any:
    """The daemon answers."""
    return {"status": "ok", "version": context.version, "home_id": context.home.id}


@router.post("/shutdown", status_code=202, response_model=dict[str, str])
async def shutdown(context: ContextOf) -> Any:
    """Save a last checkpoint, stop the run, and exit."""
    context.shutdown()
    return {"status": "stopping"}


@router.post("/one-time-urls", status_code=201, response_model=dict[str, str])
async def one_time_url(context: ContextOf) -> Any:
    """A new one-time address that lets one browser in; `remote_url` for other machines, `public_url` behind a proxy."""
    urls = {"url": f"{context.url}/?token={context.access.issue_code()}"}
    if context.remote_url is not None:
        urls["remote_url"] = f"{context.remote_url}/?token={context.access.issue_code()}"
    if context.public is not None:
        urls["public_url"] = f"{context.public}/?token={context.access.issue_code()}"
    return urls
