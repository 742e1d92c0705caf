"""One peer's replay buffer: adds a row of 256 bytes and draws a batch of 32, again and again; prints JSON.

`python replay_pairs.py cpprb|torchrl PAIRS uniform|prioritised`
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

CAPACITY, ROW_BYTES, BATCH_SIZE = 100_000, 256, 32


def cpprb_pair(prioritised: bool, rows: Any) -> Callable[[int], None]:
    """Of cpprb."""
    cpprb = importlib.import_module("cpprb")

    kind = cpprb.PrioritizedReplayBuffer if prioritised else cpprb.ReplayBuffer
    buffer = kind(CAPACITY, {"row": {"shape": ROW_BYTES, "dtype": np.uint8}})

    def pair(step: int) -> None:
        buffer.add(row=rows[step % len(rows)])
        drawn = buffer.sample(BATCH_SIZE)
        if prioritised:
            buffer.update_priorities(drawn["indexes"], drawn["weights"])

    buffer.add(row=np.resize(rows, (CAPACITY, ROW_BYTES)))
    return pair


def torchrl_pair(prioritised: bool, rows: Any) -> Callable[[int], None]:
    """Of torchrl."""
    item_of = importlib.import_module("tensordict").TensorDict
    torchrl = importlib.import_module("torchrl.data")
    torch.set_num_threads(1)
    storage = torchrl.LazyTensorStorage(CAPACITY)
    if prioritised:
        buffer: Any = torchrl.TensorDictPrioritizedReplayBuffer(
            alpha=0.7, beta=0.9, storage=storage, batch_size=BATCH_SIZE
        )
    else:
        buffer = torchrl.TensorDictReplayBuffer(storage=storage, batch_size=BATCH_SIZE)
    items = [item_of({"row": torch.from_numpy(row)}) for row in rows]
    full = torch.from_numpy(np.resize(rows, (CAPACITY, ROW_BYTES)))
    buffer.extend(item_of({"row": full}, batch_size=[CAPACITY]))

    def pair(step: int) -> None:
        buffer.add(items[step % len(items)])
        drawn = buffer.sample()
        if prioritised:
            drawn["td_error"] = torch.ones(BATCH_SIZE)
            buffer.update_tensordict_priority(drawn)

    return pair


def main() -> None:
    """Time it."""
    name, pairs, prioritised = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "prioritised"
    rows = np.random.default_rng(0).integers(0, 256, (1000, ROW_BYTES), dtype=np.uint8)
    pair = {"cpprb": cpprb_pair, "torchrl": torchrl_pair}[name](prioritised, rows)
    for step in range(200):
        pair(step)
    began = time.process_time()
    for step in range(pairs):
        pair(step)
    spent = time.process_time() - began
    sys.stdout.write(json.dumps({"pairs_per_cpu_second": pairs / spent}) + "\n")


if __name__ == "__main__":
    main()
