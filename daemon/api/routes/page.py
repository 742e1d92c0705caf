"""The page: signing in, index.html, its files, Plotly, the API's documentation; all from this machine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import hashlib
import importlib.util
import urllib.parse
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from daemon.api.context import AccessPort, AddressesPort, HomePort
from daemon.api.request_body import BODY
from daemon.system.durable import replace_file

if TYPE_CHECKING:
    from daemon.api.access import Access
    from daemon.api.addresses import Addresses
    from daemon.api.ports import HomeFolder

router = APIRouter(include_in_schema=False)

# Asked again each time, answered 304 while nothing changed: an upgrade shows at once.
REVALIDATE = {"Cache-Control": "no-cache"}

SIGN_IN_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem;"
    "background:#10141a;color:#e6e9ee}code{background:#1d2430;padding:.1em .4em;border-radius:4px}"
    "input,button{font:inherit;padding:.4em .6em;border-radius:6px;border:1px solid #3a4556;"
    "background:#1d2430;color:inherit}.wrong{color:#ff9b8a}"
)
SIGN_IN = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>synapsed: sign in</title>
<meta name="viewport" content="width=device-width"><style>{style}</style></head><body><h1>synapsed</h1>{note}
<p>This page is for the owner of this machine. To sign in, either</p>
<ul><li>run <code>synapsed open</code> on its machine and open the address that it prints (valid once, for ten
minutes), or</li>
<li>paste the token from the file <code>token</code> in the home <code>{home}</code>:</li></ul>
<form method="post" action="login"><label>Token <input type="password" name="token" autocomplete="off"
autofocus required></label> <button>Sign in</button></form></body></html>"""
SIGN_IN_POLICY = (
    "default-src 'none'; style-src 'sha256-{digest}'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

DOCS = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>synapsed API</title>
<link rel="icon" href="static/icon.svg">
<link rel="stylesheet" href="vendor/swagger-ui.css"></head><body><div id="swagger-ui"></div>
<script src="vendor/swagger-ui-bundle.js"></script><script src="vendor/docs.js"></script></body></html>"""
DOCS_SCRIPT = """SwaggerUIBundle({url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true,
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIBundle.SwaggerUIStandalonePreset].filter(Boolean)});
"""
VENDORED = {
    "plotly.min.js": ("plotly", "package_data/plotly.min.js", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "static/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("fastapi_offline", "static/swagger-ui-bundle.js", "text/javascript"),
}


@router.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request, access: AccessPort, addresses: AddressesPort, home: HomePort) -> Response:
    """The page; with a one-time code the cookie first, and without either the sign-in form."""
    code = request.query_params.get("token")
    inside = access.has_cookie(request.headers.get("cookie"))
    if code is not None and request.method == "GET":
        if inside or access.redeem_code(code) or access.knows_token(code):
            return _welcome(request, access, addresses)
        return _sign_in(home, "<p class=wrong>This address was used already, or has expired.</p>")
    if not inside:
        return _sign_in(home, "")
    return FileResponse(dashboard_folder() / "index.html", media_type="text/html", headers=REVALIDATE)


@router.post("/login")
async def login(request: Request, access: AccessPort, addresses: AddressesPort, home: HomePort) -> Response:
    """The sign-in form: the token becomes the cookie."""
    try:
        form = urllib.parse.parse_qs(request.scope[BODY].decode("utf-8", "replace"), max_num_fields=4)
    except ValueError:
        return _sign_in(home, "<p class=wrong>The form cannot be read.</p>", status=400)
    if access.knows_token(form.get("token", [""])[0].strip()):
        return _welcome(request, access, addresses)
    return _sign_in(home, "<p class=wrong>This is not the token of this home.</p>")


@router.get("/docs")
async def docs() -> Response:
    """The API, to read and to try."""
    return HTMLResponse(DOCS)


@router.get("/vendor/docs.js")
async def docs_script() -> Response:
    """What starts Swagger UI; inline scripts are forbidden here."""
    return Response(DOCS_SCRIPT, media_type="text/javascript")


@router.api_route("/vendor/{name}", methods=["GET", "HEAD"])
async def vendored(request: Request, name: str, home: HomePort) -> Response:
    """A file of an installed package, compressed once."""
    if name not in VENDORED:
        raise HTTPException(404)
    package, inside, media_type = VENDORED[name]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise HTTPException(404, f"the Python package {package} is not installed; run pip install {package}")
    path = Path(spec.origin).parent / inside
    headers = {**REVALIDATE, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        with contextlib.suppress(OSError):  # a full disk: then it comes as it is
            path = await asyncio.to_thread(compressed, path, home.cache)
            headers["Content-Encoding"] = "gzip"
    known = request.headers.get("if-none-match")
    response = FileResponse(path, media_type=media_type, headers=headers, stat_result=path.stat())
    if known is not None and known == response.headers.get("etag"):
        return Response(status_code=304, headers={"ETag": known, **headers})
    return response


def static_files() -> StaticFiles:
    """The page's own files."""
    return RevalidatedFiles(directory=dashboard_folder() / "static", check_dir=False)


class RevalidatedFiles(StaticFiles):
    """Static files that a browser asks for again, and gets only when they changed."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """As StaticFiles, with the header that says so."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers.update(REVALIDATE)
        return response


def dashboard_folder() -> Path:
    """The folder of the page."""
    spec = importlib.util.find_spec("dashboard")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def compressed(path: Path, cache: Path) -> Path:
    """The gzip twin of a file, made again when the file changed."""
    stat = path.stat()
    identity = hashlib.sha256(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode()).hexdigest()[:16]
    twin = cache / f"{path.name}.{identity}.gz"
    if not twin.exists():
        cache.mkdir(parents=True, exist_ok=True)
        draft = twin.with_suffix(f".{id(twin):x}.part")
        try:
            draft.write_bytes(gzip.compress(path.read_bytes(), 6, mtime=0))
            replace_file(draft, twin)
        finally:
            draft.unlink(missing_ok=True)
    return twin


def _welcome(request: Request, access: Access, addresses: Addresses) -> Response:
    """On to the page, whatever lies before its path; the cookie is for the way the browser came by."""
    public, host = addresses.public, request.headers.get("host", "").lower()
    response = RedirectResponse("./", status_code=303, headers={"Cache-Control": "no-store"})
    response.headers["Set-Cookie"] = (
        access.set_cookie(path=f"{public.prefix}/", secure=public.secure)
        if public is not None and host in public.hosts
        else access.set_cookie()
    )
    return response


def _sign_in(home: HomeFolder, note: str, *, status: int = 401) -> Response:
    digest = base64.b64encode(hashlib.sha256(SIGN_IN_STYLE.encode()).digest()).decode()
    return HTMLResponse(
        SIGN_IN.format(style=SIGN_IN_STYLE, note=note, home=escape(str(home.root))),
        status_code=status,
        headers={
            "Content-Security-Policy": SIGN_IN_POLICY.format(digest=digest),
            "Cache-Control": "no-store",
        },
    )
