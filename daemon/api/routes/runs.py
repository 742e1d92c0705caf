"""Runs: list, start, look at, steer, feed, ask."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from daemon.api.actions import Action
from daemon.api.context import AdmissionPort, DeletingPort, RunsPort, SteeringPort, StoredRunsPort
from daemon.api.list_pages import Cursor, Limit
from daemon.api.shapes import FullRun, Hours, Name, Operation, Page, Request, Run, Settings, Steps
from daemon.config.dotted_names import unfold
from daemon.config.loading import list_presets, resolve_config
from daemon.config.presets import preset_hint
from daemon.errors import ConfigError, UsageError
from daemon.orders import PUSH_LIMIT_BYTES, Generate
from daemon.supervisor.requests import StartRequest

router = APIRouter(prefix="/runs", tags=["runs"])


class NewRun(Request):
    """What to start; everything left out is the preset's."""

    preset: Annotated[str, Field(max_length=100)] | None = None
    config: Settings | None = None
    hours: Hours | None = None
    steps: Steps | None = None
    name: Name | None = None
    queue: bool = Field(default=False, description="Wait for the learning run to end instead of a 409.")


class Experience(Request):
    """Text that enters the stream."""

    text: Annotated[str, Field(min_length=1, max_length=PUSH_LIMIT_BYTES)]
    label: Annotated[
        str | None,
        Field(min_length=1, max_length=1000, description="Of the text, for a brain that learns labels."),
    ] = None


class Generated(Request):
    """The text a brain generated."""

    text: str
    bytes_generated: int
    step: int
    is_answer: bool = Field(False, description="It stands by itself, and does not continue the prompt.")
    probability: float | None = Field(None, description="Of an answer, as the brain sees it.")


class Deleted(BaseModel):
    """What went with a deleted run."""

    run: str
    name: str
    num_checkpoints: int
    freed_bytes: int
    kept_for: list[str] = Field(description="Forks that still replay some of its memories, which stay.")


@router.get("", response_model=Page[Run])
async def runs(
    in_memory: RunsPort, stored_runs: StoredRunsPort, cursor: Cursor = None, limit: Limit = 50
) -> Any:
    """Runs, newest first, without their configuration."""
    stored, following = await asyncio.to_thread(stored_runs.views, cursor, limit)
    live = {run.id: run.view(full=False) for run in in_memory.known()}
    items = [live.pop(run["id"], run) for run in stored]
    if cursor is None:  # a run of this instant may not be written yet
        fresh = [run for run in live.values() if not items or run["created_at"] >= items[0]["created_at"]]
        items = sorted([*fresh, *items], key=lambda run: str(run["created_at"]), reverse=True)
    return {"items": items, "next": following}


@router.post("", status_code=201, response_model=FullRun)
async def start(admission: AdmissionPort, new: NewRun, response: Response) -> Any:
    """Start a run; 409 when one is learning already."""
    request = await asyncio.to_thread(_start_request, new)
    run = await admission.start(request)
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    return run.view()


@router.get("/{run_id}", response_model=FullRun)
async def run(runs: RunsPort, run_id: str) -> Any:
    """A run, with its configuration and sources."""
    return (await runs.find(run_id)).view()


@router.delete("/{run_id}", response_model=Deleted)
async def delete(
    deleting: DeletingPort,
    run_id: str,
    confirm: Annotated[str, Query(max_length=1000, description="The run's name or id, typed.")],
    pinned: Annotated[bool, Query(description="Delete its pinned checkpoints as well.")] = False,
) -> Any:
    """Delete a run permanently, with its checkpoints, memories and history; 409 while it is alive or needed."""
    deleted = await deleting.run(run_id, confirm=confirm, pinned_too=pinned)
    return {name: getattr(deleted, name) for name in Deleted.model_fields}


@router.post("/{run_id}/actions", status_code=202, response_model=Operation)
async def act(steering: SteeringPort, run_id: str, action: Action, response: Response) -> Any:
    """Ask a run to do something between two steps."""
    operation = await steering.act(run_id, action.arguments)
    response.headers["Location"] = f"/api/v1/operations/{operation.id}"
    return operation.view()


@router.post("/{run_id}/experience", status_code=202, response_model=Operation)
async def feed(steering: SteeringPort, run_id: str, experience: Experience, response: Response) -> Any:
    """Push text into a run's experience; the operation is done once it is journaled."""
    if len(experience.text.encode()) > PUSH_LIMIT_BYTES:
        raise UsageError(f"text: more than {PUSH_LIMIT_BYTES // 1024} KiB; send it in parts", path="text")
    operation = await steering.feed(run_id, experience.text, label=experience.label)
    response.headers["Location"] = f"/api/v1/operations/{operation.id}"
    return operation.view()


@router.post("/{run_id}/generate", response_model=Generated)
async def generate(steering: SteeringPort, run_id: str, prompt: Generate) -> Any:
    """Text generated by the brain after a prompt."""
    result = await steering.ask(run_id, prompt)
    return {name: result[name] for name in Generated.model_fields if name in result}


def _start_request(new: NewRun) -> StartRequest:
    """Resolve the configuration as the command line would; a preset is named, never a path."""
    if new.preset is not None and new.preset not in {info.name for info in list_presets()}:
        raise ConfigError(f"no preset is called {new.preset!r}{preset_hint(new.preset)}", path="preset")
    overrides = unfold(new.config or {}, origin="request")
    if isinstance(named := overrides.get("pretrained"), str) and (
        set(named) & set("/\\") or named.endswith(".pt")
    ):
        raise ConfigError(
            f"pretrained = {named!r}: over HTTP a checkpoint of this home is named by its id",
            path="pretrained",
        )
    limits = {
        name: value for name, value in (("hours", new.hours), ("steps", new.steps)) if value is not None
    }
    if limits:
        overrides = unfold(
            {**overrides, **{f"limits.{name}": value for name, value in limits.items()}}, origin="request"
        )
    config = resolve_config(preset=new.preset, overrides=overrides, origin="request")
    return StartRequest(config=config, name=new.name, queue=new.queue)
