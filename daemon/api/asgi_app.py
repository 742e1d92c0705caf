"""The ASGI application: guard → settling → body → idempotency → routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from daemon.api import problems
from daemon.api.guard import Guard
from daemon.api.idempotency import Idempotency
from daemon.api.request_body import BodyLimit
from daemon.api.routes import (
    alarms,
    checkpoints,
    erasing,
    events,
    forgetting,
    growth,
    health,
    home,
    metrics,
    operations,
    page,
    presets,
    remembers,
    runs,
    schedule,
    series,
    stream,
    vitals,
)
from daemon.api.settling import Settling
from daemon.api.shapes import ProblemBody
from daemon.api.telemetry import registry_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.api.context import Context

PREFIX = "/api/v1"
NOUNS = (
    health,
    home,
    presets,
    runs,
    remembers,
    growth,
    erasing,
    forgetting,
    operations,
    series,
    events,
    vitals,
    alarms,
    checkpoints,
    schedule,
    stream,
)
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemBody, "description": description}
    for status, description in (
        (400, "The request cannot be read"),
        (401, "The token is missing or wrong"),
        (404, "There is none of that id"),
        (409, "It does not fit the state of things"),
        (422, "Something in the request is wrong"),
    )
}


def create_app(context: Context, *, hosts: Iterable[str]) -> Guard:
    """The whole application, ready to serve.

    Args:
        context: every port behind it.
        hosts: exact Host headers it answers for, as `127.0.0.1:8765`.
    """
    public = context.addresses.public
    app = FastAPI(
        title="synapsed",
        version=context.version,
        summary="Steer and watch a brain that learns continuously.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # it would redirect to an address without the proxy's prefix
        servers=[{"url": public.prefix}] if public and public.prefix else None,
        generate_unique_id_function=lambda route: f"{route.tags[0] if route.tags else 'page'}_{route.name}",
    )
    app.state.context = context
    problems.install(app)
    for noun in NOUNS:
        app.include_router(noun.router, prefix=PREFIX, responses=PROBLEMS)
    app.include_router(page.router)
    app.mount("/static", page.static_files())
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    app.state.registry = registry_of(context.runs, context.hub, context.version)
    app.include_router(metrics.router)
    inner = Settling(BodyLimit(Idempotency(app, answers=context.answers)), context.orphaned)
    return Guard(inner, access=context.access, hosts=hosts, public=public)


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, in which every error is a problem, as it is served; made once."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for methods in document["paths"].values():
            for operation in methods.values():
                for status, response in operation["responses"].items():
                    if status >= "400" and "application/json" in response.get("content", {}):
                        response["content"] = {
                            problems.Problem.media_type: response["content"].pop("application/json")
                        }
        app.openapi_schema = document
    return app.openapi_schema


def allowed_hosts(host: str, port: int, *, more: Iterable[str] = ()) -> frozenset[str]:
    """Host headers a daemon bound to `host` answers for.

    >>> sorted(allowed_hosts("127.0.0.1", 8765))
    ['127.0.0.1:8765', '[::1]:8765', 'localhost:8765']
    """
    names = {"127.0.0.1", "localhost", "[::1]", bracketed(host), *(bracketed(name) for name in more)}
    names -= {"0.0.0.0", "[::]", ""}  # noqa: S104 - not bound here: these are no names a client uses
    hosts = {f"{name.lower()}:{port}" for name in names}
    return frozenset(hosts | ({name.lower() for name in names} if port == 80 else set()))


def bracketed(host: str) -> str:
    """An address as it stands in a URL: IPv6 in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
