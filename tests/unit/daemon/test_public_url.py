"""The public address: what follows from it, and what is none."""

from __future__ import annotations

import pytest

from daemon.errors import UsageError
from daemon.public_url import PublicUrl


@pytest.mark.parametrize(
    ("text", "origin", "prefix", "hosts"),
    [
        ("https://me.example", "https://me.example", "", {"me.example", "me.example:443"}),
        ("https://ME.example:443/brain/", "https://me.example", "/brain", {"me.example", "me.example:443"}),
        ("https://me.example:8443/a/b", "https://me.example:8443", "/a/b", {"me.example:8443"}),
        ("http://10.0.0.7:80", "http://10.0.0.7", "", {"10.0.0.7", "10.0.0.7:80"}),
        ("https://[fd00::7]:9000/x", "https://[fd00::7]:9000", "/x", {"[fd00::7]:9000"}),
    ],
)
def test_all_follows_from_it(text: str, origin: str, prefix: str, hosts: set[str]) -> None:
    url = PublicUrl.parse(text)
    assert (url.origin, url.prefix, set(url.hosts), str(url)) == (origin, prefix, hosts, origin + prefix)
    assert url.sockets == origin.replace("http", "ws", 1)


@pytest.mark.parametrize(
    "text",
    [
        "", "me.example", "ftp://me.example", "https://", "https://me.example/?a=1", "https://me.example/#a",
        "https://u:p@me.example", "https://me.example:99999", "https://me.example/a b", "https://me.example/../x",
        "https://me.example//x", "https://mé.example", "https://me.example/api", "https://me.example/static/x",
        "https://me.example/x\r\nSet-Cookie:a",
    ],
)  # fmt: skip
def test_what_is_none_is_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="--public-url"):
        PublicUrl.parse(text)
