"""A daemon with scripted trainers that prints all it shows, a JSON object a line.

python -m tests.unit.daemon.supervisor.shown_daemon HOME serve|start|resume GRACE_SECONDS
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from daemon.home import Home
from daemon.supervisor import daemon as module
from daemon.supervisor.daemon import Daemon
from daemon.supervisor.requests import ResumeRequest
from tests.unit.daemon.supervisor.stage import quick_life, start_request


class Shown:
    def say(self, kind: str, **more: Any) -> None:
        print(json.dumps({"kind": kind, **more}), flush=True)

    def on_notice(self, notice: str) -> None:
        self.say("notice", notice=notice)

    def on_listening(self, url: str, one_time_url: str) -> None:
        self.say("listening", url=url, one_time_url=one_time_url)

    def on_run(self, run: dict[str, Any]) -> None:
        self.say("run", **{key: run[key] for key in ("id", "state", "step", "reason")})

    def on_delta(self, delta: dict[str, Any]) -> None:
        self.say("delta", step=delta["step"])

    def on_event(self, event: dict[str, Any]) -> None:
        self.say("event", name=event["kind"], message=event["message"])

    def on_stopping(self) -> None:
        self.say("stopping")

    def on_gap(self, dropped: int) -> None:
        self.say("gap")

    def on_ended(self) -> None:
        self.say("ended")


def main() -> int:
    folder, action, grace_seconds = sys.argv[1:]
    vars(module)["SLOW_END_SECONDS"] = 0.05
    firsts = {"serve": None, "start": start_request(), "resume": ResumeRequest(checkpoint="latest")}
    home, first = Home.open(Path(folder), environ={}), firsts[action]
    daemon = Daemon(home, port=0, listener=Shown(), life=quick_life(), grace_seconds=float(grace_seconds))
    return daemon.run(first, exit_when_finished=first is not None)


if __name__ == "__main__":
    sys.exit(main())
