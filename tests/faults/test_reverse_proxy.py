"""Behind a real reverse proxy with TLS, set up as the guide has it: page, REST and live feed, below a path or not."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tests.proxy import NAME, certificate, free_port, nginx, require_nginx, trusting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = [pytest.mark.faults, pytest.mark.proxy]

SHAPES = {
    "as in the guide": ("/brain", {}),
    "the proxy takes the path off": ("/brain", {"8765;": "8765/;"}),
    "the proxy passes on a Host of its own": ("/brain", {"proxy_set_header Host $http_host;": ""}),
    "without a path": ("", {"location /brain/": "location /"}),
}


class Outside:
    """Somebody on the other side of the proxy."""

    def __init__(self, port: int, prefix: str, trust: ssl.SSLContext, token: str) -> None:
        self.origin = f"https://{NAME}:{port}"
        self.url, self.port, self.trust, self.token = f"{self.origin}{prefix}", port, trust, token
        self.http = httpx.Client(
            base_url=f"https://127.0.0.1:{port}{prefix}",
            headers={"Host": f"{NAME}:{port}"},
            verify=trust,
            timeout=60.0,
        )

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        self.http.cookies.clear()  # each request shows what it is given, and no more
        request = self.http.build_request(method, path, extensions={"sni_hostname": NAME}, **more)
        return self.http.send(request)

    async def first_frame(self, origin: str, cookie: str) -> dict[str, Any]:
        """The first frame of the live feed."""
        async with websockets.connect(
            f"wss://{NAME}:{self.port}{self.url.removeprefix(self.origin)}/api/v1/stream",
            host="127.0.0.1",
            ssl=self.trust,
            origin=websockets.Origin(origin),
            subprotocols=[websockets.Subprotocol("synapsed.v1")],
            additional_headers={"Cookie": cookie},
        ) as feed:
            await feed.send(json.dumps({"type": "hello"}))
            frame: dict[str, Any] = json.loads(await feed.recv())
            return frame


def visit(outside: Outside, prefix: str, *, host_is_forwarded: bool) -> None:
    """All that a browser does, from signing in to the live feed, and what another site would try."""
    here = {"Origin": outside.origin}
    form = outside.ask("GET", "/")
    assert (form.status_code, 'action="login"' in form.text) == (401, True)
    wrong = outside.ask("POST", "/login", data={"token": "wrong"}, headers=here)
    assert wrong.status_code == 401
    entered = outside.ask("POST", "/login", data={"token": outside.token}, headers=here)
    assert (entered.status_code, entered.headers["location"]) == (303, "./")
    cookie = entered.headers["set-cookie"]
    assert ("; Secure" in cookie, f"Path={prefix}/;" in cookie) == (
        (True, True) if host_is_forwarded else (False, not prefix)
    )
    inside = {"Cookie": cookie.partition(";")[0]}
    page = outside.ask("GET", "/", headers=inside)
    assert page.status_code == 200
    for path in re.findall(r'(?:src|href)="([^"#:]+)"', page.text):
        assert outside.ask("GET", f"/{path}", headers=inside).status_code == 200, path
    document = outside.ask("GET", "/openapi.json", headers=inside).json()
    assert document.get("servers", [{"url": ""}]) == [{"url": prefix}]
    for path in re.findall(r'(?:src|href)="([^"#:]+)"', outside.ask("GET", "/docs", headers=inside).text):
        assert outside.ask("GET", f"/{path}", headers=inside).status_code == 200, path

    made = outside.ask("POST", "/api/v1/one-time-urls", headers={**inside, **here})
    assert made.json()["public_url"].startswith(f"{outside.url}/?token=")
    code = made.json()["public_url"].removeprefix(outside.url)
    assert [outside.ask("GET", code).status_code for _ in range(2)] == [303, 401]
    for foreign in ("https://evil.test", "null", f"http://{NAME}:{outside.port}"):
        refused = outside.ask("POST", "/api/v1/one-time-urls", headers={**inside, "Origin": foreign})
        assert refused.status_code == 403

    assert asyncio.run(outside.first_frame(outside.origin, inside["Cookie"]))["type"] == "welcome"
    with pytest.raises(websockets.InvalidStatus) as failed:
        asyncio.run(outside.first_frame("https://evil.test", inside["Cookie"]))
    assert failed.value.response.status_code == 403


@pytest.mark.fault(
    "A reverse proxy in front",
    tried="nginx with TLS as in the guide: below a path that it keeps or strips, without one, with another Host",
    happens="form, login, page, API, its docs and the live feed work; other origins are refused; the cookie is Secure",
)
@pytest.mark.parametrize("shape", SHAPES)
def test_everything_works_behind_it(
    home: Home, launch: Callable[..., DaemonProcess], tmp_path: Path, shape: str
) -> None:
    require_nginx()
    prefix, changes = SHAPES[shape]
    pem, port = certificate(tmp_path), free_port()
    daemon = launch("serve", "--public-url", f"https://{NAME}:{port}{prefix}")
    own = int(daemon.wait_for_line("synapsed answers at").rpartition(":")[2])
    with nginx(tmp_path, port=port, to=own, pem=pem, changes=changes):
        outside = Outside(port, prefix, trusting(pem), home.token())
        with outside.http:
            visit(outside, prefix, host_is_forwarded="Host of its own" not in shape)


@pytest.mark.fault(
    "A reverse proxy in front",
    tried="the page through a tunnel from another port, and by a name unknown to the daemon",
    happens="the tunnel works, to its own origin only; the unknown name gets a page with what to do",
)
def test_a_tunnel_works_and_an_unknown_name_gets_a_page_with_what_to_do(
    home: Home, launch: Callable[..., DaemonProcess]
) -> None:
    daemon = launch("serve")
    url = daemon.wait_for_line("synapsed answers at").split()[-1]
    browser = {"Accept": "text/html", "Authorization": f"Bearer {home.token()}"}
    with httpx.Client(base_url=url, headers=browser, timeout=60.0) as http:
        for host in ("127.0.0.1:9000", "localhost:9000", "[::1]:9000", "localhost"):
            came = {"Host": host, "Origin": f"http://{host}"}
            assert http.post("/api/v1/one-time-urls", headers=came).status_code == 201
            for origin in ("http://localhost:3000", url, "https://" + host, "null"):
                if origin not in {f"http://{host}", url}:
                    crossed = {"Host": host, "Origin": origin}
                    assert http.post("/api/v1/one-time-urls", headers=crossed).status_code == 403
        for host in ("me.example", "<b>me</b>.example", "127.0.0.1.evil.test:9000", "localhost.evil.test"):
            reported = http.get("/", headers={"Host": host})
            assert (reported.status_code, "--public-url" in reported.text, "<b>" in reported.text) == (
                400,
                True,
                False,
            )
            assert reported.headers["content-type"].startswith("text/html")
        assert http.get("/", headers={"Host": "me.example", "Accept": "*/*"}).json()["status"] == 400
