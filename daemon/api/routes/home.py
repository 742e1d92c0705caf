"""What a home holds beside its runs: the room of checkpoints, and what was set aside as damaged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from daemon.api.context import CheckpointsPort, HomePort
from daemon.config.keep import GIB, keep_as_far_as_sound

if TYPE_CHECKING:
    from daemon.api.ports import Checkpoints, HomeFolder

router = APIRouter(tags=["daemon"])


class Damaged(BaseModel):
    """A checkpoint that was set aside; it is never deleted by itself."""

    name: str
    size_bytes: int


class HomeRoom(BaseModel):
    """How much the home holds, and how much it may."""

    checkpoint_bytes: int = Field(description="Of all sound checkpoints.")
    checkpoint_bytes_max: int = Field(description="`keep.checkpoints_gib`, in bytes.")
    damaged: list[Damaged]


@router.get("/home", response_model=HomeRoom)
async def home(folder: HomePort, checkpoints: CheckpointsPort) -> Any:
    """The room that checkpoints take, and what was set aside as damaged."""
    return await asyncio.to_thread(_room, folder, checkpoints)


def _room(folder: HomeFolder, checkpoints: Checkpoints) -> dict[str, Any]:
    keep = keep_as_far_as_sound(folder.root, environ=folder.environ)
    return {
        "checkpoint_bytes": checkpoints.size_bytes(),
        "checkpoint_bytes_max": int(keep.checkpoints_gib * GIB),
        "damaged": [{"name": name, "size_bytes": size} for name, size in checkpoints.damaged().items()],
    }
