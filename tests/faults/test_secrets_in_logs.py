"""What lets a browser in is shown to a person, and written to no file."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from daemon.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.home import Home
    from tests.daemon_process import DaemonProcess

pytestmark = pytest.mark.faults


@pytest.mark.fault(
    "Secrets in logs",
    tried="the output goes into a pipe, as lines or JSON, or with --detach into daemon.log; all logs are searched",
    happens="neither a one-time code nor the token stands anywhere; synapsed open makes a code when one is needed",
)
@pytest.mark.parametrize("way", ["lines", "json", "detach"])
def test_no_code_and_no_token_is_written(home: Home, launch: Callable[..., DaemonProcess], way: str) -> None:
    printed = ""
    if way == "detach":
        command = [sys.executable, "-m", "daemon"]
        here = ["--home", str(home.root)]
        begun = [*command, "serve", "--detach", "--no-open", "--port", "0", *here]
        try:
            printed = subprocess.run(begun, capture_output=True, text=True, check=True, timeout=120).stdout
        finally:
            subprocess.run([*command, "stop", *here], capture_output=True, check=True, timeout=120)
        assert "answers at" in (home.logs / "daemon.log").read_text()
    else:
        daemon = launch("serve", *(["--json"] if way == "json" else []))
        daemon.wait_for_line("http://127.0.0.1:")
        daemon.interrupt()
        assert daemon.wait() == 0
        printed = daemon.output()
    written = [path.read_text(errors="replace") for path in home.logs.rglob("*") if path.is_file()]
    for text in (printed, *written):
        assert "token=" not in text
        assert home.token() not in text


@pytest.mark.fault(
    "Secrets in logs",
    tried="a line end, a control character or a letter beyond ASCII in SYNAPSED_TOKEN, and in the token file",
    happens="one line names the variable or the file, never what is in it; the daemon does not start, exit code 2",
)
@pytest.mark.parametrize("secret", ["hush\nhush", "hush\x1bhush", "hush\u2028hush", "hüsh"])
@pytest.mark.parametrize("origin", ["SYNAPSED_TOKEN", "file"])
def test_a_token_that_cannot_be_sent_is_not_shown(
    home: Home, origin: str, secret: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if origin == "file":
        (home.root / "token").write_text(secret, encoding="utf-8")
    else:
        monkeypatch.setenv(origin, secret)
    where = ["--home", str(home.root)]
    with home.lock():
        home.write_daemon_file(port=1, url="http://127.0.0.1:1")
        asked = [["status"], ["token"], ["open"], ["watch"], ["feed", __file__]]
        lines = [(main([*command, *where]), *capsys.readouterr()) for command in asked]
    lines.append((main(["serve", "--port", "0", *where]), *capsys.readouterr()))
    for code, out, printed in lines:
        assert (code, out, len(printed.splitlines())) == (2, "", 1)
        assert (str(home.root / "token") if origin == "file" else origin) in printed
        assert secret[:2] not in printed.replace(str(home.root), "")
