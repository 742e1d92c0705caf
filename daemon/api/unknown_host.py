"""What a browser is shown that used a name the daemon does not know: a page with what to do."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNKNOWN_HOST = (
    "this daemon does not answer for that Host; behind a proxy start it with --public-url https://host/path"
)
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>synapsed: unknown name</title>
<meta name="viewport" content="width=device-width"></head><body><h1>synapsed</h1>
<p>This daemon does not answer for the name <code>{host}</code>: another site could have sent you here.</p>
<p>If you used that name yourself:</p><ul>
<li>on the machine itself, or through a tunnel (<code>ssh -L 9000:127.0.0.1:8765 machine</code>), open
<code>http://127.0.0.1:9000</code> with the port of your end;</li>
<li>behind a reverse proxy, start the daemon with its address:
<code>synapsed start --public-url https://{host}</code>.</li></ul></body></html>"""
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def wants_page(headers: Mapping[str, Sequence[str]]) -> bool:
    """Whether a person looks at the answer."""
    return any("text/html" in accepted for accepted in headers.get("accept", ()))


def unknown_host(host: str) -> HTMLResponse:
    """The page, with nothing in it that could run or be sent."""
    shown = escape(host[:100]) or "(none)"
    return HTMLResponse(PAGE.format(host=shown), 400, {"Content-Security-Policy": POLICY})
