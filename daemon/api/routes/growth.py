"""Growth: the sites of a brain, what growing one would give, and growing it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from daemon.api.context import SteeringPort
from daemon.api.shapes import Operation
from daemon.orders import Grow, ViewGrowth

router = APIRouter(prefix="/runs", tags=["growth"])


class Preview(BaseModel):
    """What a site would be after growing."""

    newborns: int
    units: int
    num_neurons: int
    num_parameters: int


class Deeper(BaseModel):
    """A block that can be born behind a site's own; `reason` says what keeps it from that."""

    newborns: int
    reason: str | None


class Expert(BaseModel):
    """An expert that can be born beside a site's MLP; `parameters` are the scalars it brings."""

    newborns: int
    parameters: int
    reason: str | None


class Column(BaseModel):
    """The column that can be born beside all that is there, of which `freezes` scalars then stop learning."""

    newborns: int
    parameters: int
    width: int
    freezes: int
    reason: str | None
    num_neurons: int
    num_parameters: int


class Site(BaseModel):
    """A place where neurons can be born; `signals` are those of the last looks, null before the first."""

    site: str
    units: int
    born_units: int
    max_units: int
    eligible: bool
    reason: str | None
    last_growth_step: int | None
    cooldown_steps: int
    signals: dict[str, float] | None
    preview: Preview
    deeper: Deeper
    expert: Expert


class Trial(BaseModel):
    """The newest growth on trial: `done` of `steps` since it `began`."""

    began: int
    steps: int
    done: int


class GrowthView(BaseModel):
    """Modules and sites of a brain from input to output, and what grew so far, oldest first, with the verdict on it."""

    step: int
    enabled: bool
    fraction: float
    max_neurons: int
    num_neurons: int
    num_parameters: int
    modules: list[str]
    cooldown_steps: int
    last_growth_step: int | None
    trial: Trial | None
    sites: list[Site]
    column: Column
    history: list[dict[str, Any]]


@router.get("/{run_id}/growth", response_model=GrowthView)
async def growth(
    steering: SteeringPort,
    run_id: str,
    fraction: Annotated[float | None, Query(gt=0, le=1, allow_inf_nan=False)] = None,
) -> Any:
    """Sites, what keeps each from growing, and a preview; asked of the trainer between two steps."""
    return await steering.ask(run_id, ViewGrowth(fraction=fraction))


@router.post("/{run_id}/growth", status_code=202, response_model=Operation)
async def grow(steering: SteeringPort, run_id: str, wanted: Grow, response: Response) -> Any:
    """Grow by hand; saved before and journaled before the operation is done. 409 where it cannot.

    `widen` adds neurons to the site, `fraction` of its own or `growth.fraction`; `deepen` adds a block behind
    that of the site; `expert` adds an expert beside its MLP; `column` freezes all that is there and adds a column
    beside it, and takes no site. What is born whole takes no fraction.
    """
    operation = await steering.act(run_id, wanted)
    response.headers["Location"] = f"/api/v1/operations/{operation.id}"
    return operation.view()
