"""A real nginx on loopback, with TLS, set up as the guide describes; nothing of the machine's own nginx is touched."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = Path(__file__).parents[1] / "docs" / "how-to" / "remote-access.md"
NAME = "brain.test"  # a name that no machine has
FRAME = """{user}daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{}}
http {{
access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
{server}
}}
"""


def guide_configuration() -> str:
    """The configuration of the guide."""
    found = re.search(r"```nginx\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def free_port() -> int:
    """A port that nobody listens on now; nginx cannot choose one by itself."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def require_nginx() -> None:
    """Skip where there is none, or nothing to make a certificate with."""
    for program in ("nginx", "openssl"):
        if shutil.which(program) is None and not Path(f"/usr/sbin/{program}").exists():
            pytest.skip(f"{program} is not installed")


def certificate(folder: Path) -> Path:
    """A certificate for NAME, signed by itself, with its key beside it (`.key`)."""
    path = folder / "proxy.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={NAME}",
         "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(path.with_suffix(".key")), "-out", str(path)],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


def trusting(pem: Path) -> ssl.SSLContext:
    """For a client that knows this certificate."""
    return ssl.create_default_context(cafile=str(pem))


@contextlib.contextmanager
def nginx(folder: Path, *, port: int, to: int, pem: Path, changes: dict[str, str]) -> Iterator[None]:
    """The guide's configuration in force, on `port`, in front of the daemon on `to`; `changes` are made to it first."""
    server = guide_configuration()
    changes = {
        **changes,
        "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
        "me.example;": f"{NAME};",
        "/etc/ssl/me.example.pem": str(pem),
        "/etc/ssl/me.example.key": str(pem.with_suffix(".key")),
        "127.0.0.1:8765": f"127.0.0.1:{to}",
    }
    for old, new in changes.items():
        assert old in server, old
        server = server.replace(old, new)
    user = "user root;\n" if os.geteuid() == 0 else ""
    configuration = folder / "nginx.conf"
    configuration.write_text(FRAME.format(user=user, folder=folder, server=server), encoding="utf-8")
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(configuration)], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 30.0
        while not _listens(port) and time.monotonic() < deadline:
            with contextlib.suppress(subprocess.TimeoutExpired):  # it listens, or it ends
                process.wait(0.05)
                assert process.stderr is not None
                raise AssertionError(process.stderr.read().decode())
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def _listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
