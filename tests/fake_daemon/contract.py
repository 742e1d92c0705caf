"""Holds every answer and frame of the fake daemon against the shape that the real API has for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError, create_model

from daemon.api.asgi_app import NOUNS, PROBLEMS
from daemon.api.shapes import Event, Job, Operation, ProblemBody, Reading, Run

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Delta(BaseModel):
    """What was learned since the last one."""

    run: str
    state: str
    degraded: str | None
    step: int
    samples: int
    training_seconds: float
    columns: dict[str, list[float | None]]
    points: list[tuple[str, int, float, float | None]]
    readings: list[Reading]
    sample: str = ""


class Snapshot(BaseModel):
    """How all stands, for who comes new."""

    runs: list[Run]
    run: str | None
    events: list[Event]
    schedule: list[Job]


FRAMES: dict[str, Any] = {
    "welcome": create_model("Welcome", epoch=(str, ...), seq=(int, ...), resumed=(bool, ...)),
    "snapshot": Snapshot,
    "run": create_model("RunFrame", run=(Run, ...)),
    "delta": Delta,
    "event": Event,
    "operation": Operation,
    "heartbeat": create_model("Heartbeat", time=(str, ...)),
    "gap": create_model("Gap", dropped=(int, ...)),
    "bye": create_model("Bye", reason=(str, ...)),
}
ROUTES = [route for noun in NOUNS for route in noun.router.routes if isinstance(route, APIRoute)]


class Contract:
    """ASGI: passes everything on, and adds a line to `drift` for each answer that the real API would not give."""

    def __init__(self, app: ASGIApp, drift: list[str]) -> None:
        self._app = app
        self._drift = drift

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, content = 500, b""

        async def watched(message: Message) -> None:
            nonlocal status, content
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                content += message.get("body", b"")
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            path = scope["path"].removeprefix(scope["root_path"])
            self._drift += [
                f"{scope['method']} {path}: {fault}"
                for fault in faults(scope["method"], path, status, content)
            ]


def faults(method: str, path: str, status: int, content: bytes) -> list[str]:
    """What is wrong with an answer."""
    matching = (one for one in ROUTES if method in (one.methods or ()) and one.path_regex.match(path))
    route = next(matching, None)
    if route is None:
        return [] if status in (404, 405) else ["the API has no such route"]
    if status >= 400:
        known = {*PROBLEMS, *route.responses, 400, 413, 500, 503}
        return [
            *shape_faults(ProblemBody, content),
            *([] if status in known else [f"status {status} is not documented"]),
        ]
    expected = route.status_code or 200
    if status != expected:
        return [f"status {status}, not {expected}"]
    return [] if route.response_model is None else shape_faults(route.response_model, content)


def frame_faults(frame: dict[str, Any]) -> list[str]:
    """What is wrong with a frame of the live feed."""
    kind = frame.get("type")
    if kind not in FRAMES:
        return [f"the feed has no frame {kind!r}"]
    content = json.dumps({name: value for name, value in frame.items() if name != "type"}).encode()
    return [f"frame {kind}: {fault}" for fault in shape_faults(FRAMES[kind], content)]


def shape_faults(model: Any, content: bytes) -> list[str]:
    """Fields that are missing, of another type or unknown."""
    adapter = TypeAdapter(model)
    try:
        read = adapter.validate_json(content)
    except ValidationError as error:
        return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    return [
        f"{name} is unknown" for name in unknown(json.loads(content), adapter.dump_python(read, mode="json"))
    ]


def unknown(given: Any, read: Any, at: str = "") -> list[str]:
    """Keys of a document that its shape does not have."""
    if isinstance(given, dict) and isinstance(read, dict):
        extra = [f"{at}{key}" for key in given.keys() - read.keys()]
        return extra + [
            name
            for key in given.keys() & read.keys()
            for name in unknown(given[key], read[key], f"{at}{key}.")
        ]
    if isinstance(given, list) and isinstance(read, list):
        return [name for one, other in zip(given, read, strict=True) for name in unknown(one, other, at)]
    return []
