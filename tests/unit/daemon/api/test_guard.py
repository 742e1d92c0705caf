"""Headers that every answer carries."""

from __future__ import annotations

import httpx
import pytest
from starlette.responses import PlainTextResponse

from daemon.api.access import Access
from daemon.api.guard import Guard
from daemon.public_url import PublicUrl

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("host", "public", "trustworthy"),
    [
        ("127.0.0.1:1", None, True),
        ("localhost:9000", None, True),
        ("[::1]:1", None, True),
        ("192.168.1.5:1", None, False),
        ("me.example", "https://me.example/brain", True),
        ("127.0.0.1:1", "https://me.example", True),
        ("192.168.1.5:1", "https://me.example", False),
        ("me.example", "http://me.example", False),
        ("127.0.0.1:1", "http://me.example", False),  # as a proxy may ask
        ("stranger.example", None, False),
    ],
)
async def test_the_opener_policy_is_sent_where_a_browser_heeds_it(
    host: str, public: str | None, trustworthy: bool
) -> None:
    guard = Guard(
        PlainTextResponse("hello"),
        access=Access("secret", port=1),
        hosts=["127.0.0.1:1", "192.168.1.5:1"],
        public=PublicUrl.parse(public) if public else None,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://x") as client:
        answer = await client.get("/", headers={"Host": host})
    assert ("cross-origin-opener-policy" in answer.headers) is trustworthy
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
