"""What lets a browser in is shown to a person, and written to no file."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

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
    said = ""
    if way == "detach":
        command = [sys.executable, "-m", "daemon"]
        here = ["--home", str(home.root)]
        begun = [*command, "serve", "--detach", "--no-open", "--port", "0", *here]
        try:
            said = subprocess.run(begun, capture_output=True, text=True, check=True, timeout=120).stdout
        finally:
            subprocess.run([*command, "stop", *here], capture_output=True, check=True, timeout=120)
        assert "answers at" in (home.logs / "daemon.log").read_text()
    else:
        daemon = launch("serve", *(["--json"] if way == "json" else []))
        daemon.wait_for_line("http://127.0.0.1:")
        daemon.interrupt()
        assert daemon.wait() == 0
        said = daemon.output()
    written = [path.read_text(errors="replace") for path in home.logs.rglob("*") if path.is_file()]
    for text in (said, *written):
        assert "token=" not in text
        assert home.token() not in text
