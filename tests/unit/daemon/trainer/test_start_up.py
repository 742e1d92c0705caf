"""What a trainer loads before its first step: each start, and each comeback after a crash, pays for it."""

from __future__ import annotations

import json
import subprocess
import sys

SLOW_AND_UNUSED = [
    "torch._dynamo",
    "sympy",
    "scipy.special",
    "scipy.optimize",
    "numba",
    "pandas",
    "matplotlib",
]
LEARN = """
import json, sys
import torch
import daemon.trainer.session
from brain.build import build_brain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

rows = torch.zeros(2, 16, dtype=torch.uint8)
for kind in ("adamw", "muon"):
    optimizer = OptimizerConfig(kind=kind)
    brain = build_brain(
        "synapse", {"hidden_size": 16}, optimizer=optimizer, lanes=2, device=torch.device("cpu"), seed=0
    )
    brain.learn(
        Batch(
            bytes=rows,
            mask=torch.ones_like(rows, dtype=torch.bool),
            lane=torch.arange(2),
            reset=torch.zeros(2, dtype=torch.bool),
            source=torch.zeros(2, dtype=torch.int64),
        )
    )
print(json.dumps([name for name in json.loads(sys.argv[1]) if name in sys.modules]))
"""


def test_the_first_step_loads_nothing_slow_that_is_not_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEARN, json.dumps(SLOW_AND_UNUSED)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert json.loads(done.stdout) == []
