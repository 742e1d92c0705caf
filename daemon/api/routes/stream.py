"""The websocket of the live feed."""

from __future__ import annotations

from fastapi import APIRouter, WebSocket

from daemon.api.context import FeedPort

router = APIRouter()


@router.websocket("/stream")
async def stream(websocket: WebSocket, feed: FeedPort) -> None:
    """Live feed, subprotocol `synapsed.v1`; see docs/reference/api.md."""
    await feed.serve(websocket)
