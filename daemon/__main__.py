"""`python -m daemon` is `synapsed`."""

from __future__ import annotations

import sys

from daemon.cli.app import run

if __name__ == "__main__":
    sys.exit(run())
