"""The real command line as a process, with scripted trainers: starts in a second, and torch stays out.

python -m tests.scripted_daemon start --home …
"""

from __future__ import annotations

import sys

import daemon.cli.detaching
import daemon.supervisor.daemon
from daemon.cli.app import run
from tests.unit.daemon.supervisor.stage import quick_life


def main() -> int:
    """The program, with all trainers scripted."""
    vars(daemon.cli.detaching)["PROGRAM"] = "tests.scripted_daemon"
    vars(daemon.supervisor.daemon)["trainer_life"] = quick_life
    return run()


if __name__ == "__main__":
    sys.exit(main())
