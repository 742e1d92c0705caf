"""One peer's replay buffer: draw rows, renew their priority where it has any, add rows, again and again; prints JSON.

`python replay_rounds.py cpprb|torchrl ROUNDS ADDED DRAWN ROW_BYTES`
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable

CAPACITY = 100_000


def cpprb_round(rows: Any, drawn: int) -> Callable[[], None]:
    """Of cpprb."""
    cpprb = importlib.import_module("cpprb")
    buffer = cpprb.PrioritizedReplayBuffer(CAPACITY, {"row": {"shape": rows.shape[1], "dtype": np.uint8}})
    buffer.add(row=np.resize(rows, (CAPACITY, rows.shape[1])))

    def one() -> None:
        batch = buffer.sample(drawn)
        buffer.update_priorities(batch["indexes"], batch["weights"])
        buffer.add(row=rows)

    return one


def torchrl_round(rows: Any, drawn: int) -> Callable[[], None]:
    """Of torchrl, drawing uniformly."""
    batch_of = importlib.import_module("tensordict").TensorDict
    torchrl = importlib.import_module("torchrl.data")
    torch.set_num_threads(1)
    buffer: Any = torchrl.TensorDictReplayBuffer(
        storage=torchrl.LazyTensorStorage(CAPACITY), batch_size=drawn
    )
    full = torch.from_numpy(np.resize(rows, (CAPACITY, rows.shape[1])))
    buffer.extend(batch_of({"row": full}, batch_size=[CAPACITY]))
    added = batch_of({"row": torch.from_numpy(rows)}, batch_size=[len(rows)])

    def one() -> None:
        buffer.sample()
        buffer.extend(added)

    return one


def main() -> None:
    """Time it."""
    name, (rounds, added, drawn, row_bytes) = sys.argv[1], map(int, sys.argv[2:6])
    rows = np.random.default_rng(0).integers(0, 256, (added, row_bytes), dtype=np.uint8)
    one = {"cpprb": cpprb_round, "torchrl": torchrl_round}[name](rows, drawn)
    for _ in range(min(200, rounds)):
        one()
    began = time.process_time()
    for _ in range(rounds):
        one()
    spent = time.process_time() - began
    sys.stdout.write(json.dumps({"cpu_seconds_a_round": spent / rounds}) + "\n")


if __name__ == "__main__":
    main()
