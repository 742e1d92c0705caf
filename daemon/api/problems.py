"""Every error as RFC 9457 `application/problem+json`, with the id of the request it answers.

What went wrong inside stays inside: an unexpected exception is logged with the request's id, and answered
without detail.
"""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from brain.errors import SynapsedError, UnknownNameError
from daemon.api.wire_json import Json
from daemon.errors import (
    ConflictError,
    NoCheckpointError,
    NotFoundError,
    StoreError,
    TornCheckpointError,
    TrainerLostError,
    UsageError,
)
from daemon.orders import ORDERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI, Request

logger = logging.getLogger(__name__)

NOT_AN_OBJECT = ("model_attributes_type", "dataclass_type")
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST")
STATUS_OF: tuple[tuple[type[SynapsedError], int], ...] = (
    (NotFoundError, 404),
    (NoCheckpointError, 404),
    (UnknownNameError, 422),
    (UsageError, 422),
    (ConflictError, 409),
    (TornCheckpointError, 409),
    (TrainerLostError, 503),
    (StoreError, 503),
)


class Problem(Json):
    """One problem, ready to send."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        instance: str,
        request_id: str,
        errors: Sequence[Mapping[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        title = HTTPStatus(status).phrase
        content: dict[str, Any] = {
            "type": f"urn:synapsed:problem:{title.lower().replace(' ', '-')}",
            "title": title,
            "status": status,
            "detail": detail,
            "instance": instance,
            "request_id": request_id,
        }
        if errors is not None:
            content["errors"] = list(errors)
        super().__init__(content, status_code=status, headers=dict(headers or {}))


def answer(request: Request, status: int, detail: str, **more: Any) -> Problem:
    """A problem for this request."""
    request_id = str(request.scope.get("state", {}).get("request_id", ""))
    return Problem(status, detail, instance=request.url.path, request_id=request_id, **more)


def install(app: FastAPI) -> None:
    """Make every error of the app a problem."""

    @app.exception_handler(HTTPException)
    async def of_http(request: Request, error: HTTPException) -> Problem:
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
            detail = f"there is nothing at {request.url.path}; the API is described at /docs"
        elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = ", ".join(methods_at(request))
            detail = f"{request.url.path} does not take {request.method}; it takes {allowed}"
            return answer(request, error.status_code, detail, headers={"Allow": allowed})
        return answer(request, error.status_code, detail, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def of_validation(request: Request, error: RequestValidationError) -> Problem:
        errors = [fault_of(one, request.headers.get("content-type")) for one in error.errors()]
        first = errors[0]
        return answer(request, 422, f"{first['path']}: {first['message']}", errors=errors)

    @app.exception_handler(SynapsedError)
    async def of_project(request: Request, error: SynapsedError) -> Problem:
        status = next((status for kind, status in STATUS_OF if isinstance(error, kind)), 500)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.warning("%s %s: %s", request.method, request.url.path, error)
        path = error.path if isinstance(error, UsageError) else ""
        errors = (
            [{"path": path, "message": str(error)}] if status == HTTPStatus.UNPROCESSABLE_ENTITY else None
        )
        return answer(request, status, str(error), errors=errors)

    @app.exception_handler(Exception)
    async def of_anything(request: Request, _error: Exception) -> Problem:
        return answer(
            request, 500, "something went wrong inside; the daemon's log has it under this request_id"
        )


def methods_at(request: Request) -> list[str]:
    """What a resource does take; the router itself names only the first of its routes."""
    place = {"type": "http", "path": request.scope["path"], "root_path": "", "headers": []}
    scopes = {method: {**place, "method": method} for method in METHODS}
    return [
        method
        for method, scope in scopes.items()
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)
    ]


def fault_of(error: Mapping[str, Any], content_type: str | None) -> dict[str, str]:
    """One fault of a request as the client can find it: the dotted field, else the place it should be in.

    >>> fault_of({"type": "missing", "loc": ("body", "action"), "msg": "Field required"}, "application/json")
    {'path': 'action', 'message': 'is missing'}
    >>> fault_of({"type": "json_invalid", "loc": ("body", 9), "msg": "JSON decode error"}, "application/json")
    {'path': 'body', 'message': 'not valid JSON from character 9'}
    >>> fault_of({"type": "int_type", "loc": ("body", "sleep", "arguments", "steps"), "msg": "No"}, None)
    {'path': 'arguments.steps', 'message': 'No'}
    >>> fault_of({"type": "dataclass_type", "loc": ("body",), "msg": "a dictionary or an instance"}, "application/json")
    {'path': 'body', 'message': 'a JSON object is expected'}
    """
    place, *inside = error["loc"]
    if len(inside) > 1 and inside[0] in ORDERS:
        del inside[0]  # which of the actions it is: no part of the body's own path
    if error["type"] == "json_invalid":
        return {"path": str(place), "message": f"not valid JSON from character {inside[0]}"}
    message = _plain(error)
    as_json = (content_type or "").lower().startswith("application/json")
    if place == "body" and not inside and error["type"] in NOT_AN_OBJECT and not as_json:
        message += ", sent with Content-Type: application/json"
    return {"path": ".".join(str(part) for part in inside) or str(place), "message": message}


def _plain(error: Mapping[str, Any]) -> str:
    """What is wrong with a value, without the words of the library that found it."""
    limits = error.get("ctx", {})
    match error["type"]:
        case kind if kind in NOT_AN_OBJECT:
            return "a JSON object is expected"
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not known here"
        case "string_too_short":
            least = limits["min_length"]
            return "is empty" if least == 1 else f"has fewer than {least} characters"
        case "string_too_long":
            return f"has more than {limits['max_length']:,} characters"
    return str(error["msg"])
