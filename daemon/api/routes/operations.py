"""Operations: what became of a command."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from daemon.api.context import SteeringPort
from daemon.api.shapes import Operation

router = APIRouter(prefix="/operations", tags=["runs"])


@router.get("/{operation_id}", response_model=Operation)
async def operation(
    steering: SteeringPort,
    operation_id: str,
    wait: Annotated[
        float, Query(ge=0, le=30, description="Seconds to wait for it to end before answering.")
    ] = 0.0,
) -> Any:
    """An operation, now or once it has ended."""
    return await steering.operation(operation_id, wait_seconds=wait)
