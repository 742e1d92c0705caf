r"""Where the peers of continual learning and replay live: an environment of their own that borrows our torch.

They cannot change what the project is measured with, and bring no second torch. To make it, in the checkout:

    python -m venv build/replay_peers
    python -c "import site; print(site.getsitepackages()[0])" \
        > "$(echo build/replay_peers/lib/python3*/site-packages)/project.pth"
    build/replay_peers/bin/pip install --no-deps -r benchmarks/peers/replay_peers.txt
"""

from __future__ import annotations

import sys
from pathlib import Path

_OWN = Path(__file__).parents[2] / "build" / "replay_peers" / "bin" / "python"
PYTHON = str(_OWN if _OWN.exists() else sys.executable)
HINT = "how to install it: benchmarks/peers/environment.py"
