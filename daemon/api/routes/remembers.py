"""What the exact memory of a run's brain knows of a context."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from daemon.api.context import SteeringPort
from daemon.orders import Recall

router = APIRouter(prefix="/runs", tags=["remembers"])


class Passage(BaseModel):
    """Where the longest match stands in what was read; a byte that is not valid UTF-8 is shown as its escape."""

    length: int = Field(description="Bytes of the match.")
    bytes_ago: int = Field(description="Bytes that its lane has read since then.")
    step: int | None = Field(description="When it was read; null where that is not noted any more.")
    source: str | None = Field(description="What it was read from; null unless it was read in this session.")
    before: str
    matched: str
    after: str


class Likely(BaseModel):
    """A byte that may come next; `text` is how it can be shown."""

    byte: int
    text: str
    probability: float


class NextByte(BaseModel):
    """The likeliest bytes by the exact memory alone, by the network alone, and by both."""

    memory: list[Likely]
    network: list[Likely]
    both: list[Likely]


class Remembered(BaseModel):
    """What is known of a context; `completion` is by memory alone, while it follows a match or is sure."""

    step: int
    context_bytes: int = Field(description="How many bytes of the context were read, its last ones.")
    match: Passage | None
    next: NextByte
    completion: str


@router.post("/{run_id}/remembers", response_model=Remembered)
async def remembers(steering: SteeringPort, run_id: str, asked: Recall) -> Any:
    """Longest match, next bytes and completion of a context; 409 where the brain has no exact memory."""
    result = await steering.ask(run_id, asked)
    return {name: result[name] for name in Remembered.model_fields}
