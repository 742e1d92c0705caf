"""The websocket of the live feed."""

from __future__ import annotations

from typing import cast

from fastapi import APIRouter, WebSocket

from daemon.api.context import Context

router = APIRouter()


@router.websocket("/stream")
async def stream(websocket: WebSocket) -> None:
    """Live feed, subprotocol `synapsed.v1`; see docs/reference/api.md."""
    context = cast("Context", websocket.app.state.context)
    await context.hub.serve(websocket)
