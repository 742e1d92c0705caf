"""`python -m daemon` is `synapsed`."""

from __future__ import annotations

import sys

from daemon.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
