"""Avalanche's Naive strategy with replay over the digits: prints examples a CPU second as JSON.

It runs in the peers' environment, apart from the project's. Beside a torch newer than its torchvision two
operators are missing when torchvision is imported; they are declared first, for they are never called.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

_DETECTION: torch.library.Library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
for _name in ("nms", "qnms"):
    _DETECTION.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]


def main() -> None:
    """Learn the split digits in five experiences, one pass each, batches of 10 and 10 replayed."""
    as_dataset = importlib.import_module("avalanche.benchmarks.utils").as_classification_dataset
    benchmark_of = importlib.import_module("avalanche.benchmarks").benchmark_from_datasets
    replay = importlib.import_module("avalanche.training.plugins").ReplayPlugin
    naive = importlib.import_module("avalanche.training.supervised").Naive

    torch.set_num_threads(1)
    with np.load(Path(__file__).parents[1] / "data" / "digits.npz") as stored:
        images = torch.from_numpy(stored["pixels"].astype(np.float32) / 16.0)
        labels = torch.from_numpy(stored["labels"].astype(np.int64))
    parts = []
    for first in range(0, 10, 2):
        chosen = (labels == first) | (labels == first + 1)
        part = torch.utils.data.TensorDataset(images[chosen], labels[chosen])
        setattr(part, "targets", labels[chosen].tolist())  # noqa: B010 - read by Avalanche, unknown to torch
        parts.append(as_dataset(part))
    experiences = benchmark_of(train=parts).train_stream
    net = torch.nn.Sequential(torch.nn.Linear(64, 256), torch.nn.ReLU(), torch.nn.Linear(256, 10))
    strategy = naive(
        model=net, optimizer=torch.optim.Adam(net.parameters(), lr=1e-3),
        criterion=torch.nn.CrossEntropyLoss(), train_mb_size=10, train_epochs=1, evaluator=None,
        plugins=[replay(mem_size=200, batch_size_mem=10)],
    )  # fmt: skip
    began = time.process_time()
    for experience in experiences:
        strategy.train(experience)
    spent = time.process_time() - began
    sys.stdout.write(json.dumps({"samples_per_cpu_second": len(labels) / spent}) + "\n")


if __name__ == "__main__":
    main()
