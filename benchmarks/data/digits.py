"""The 1,797 handwritten digits, split and shifted as continual-learning benchmarks use them.

Licence: `DIGITS-LICENCE.txt`, beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

FILE = Path(__file__).with_name("digits.npz")
NUM_CLASSES, NUM_PIXELS, SIDE = 10, 64, 8


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Images float32 (n, 64) in [0, 1] with labels int64 (n,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: Tensor) -> Digits:
        """Those at `index` (int64 or bool), in its order."""
        return Digits(images=self.images[index], labels=self.labels[index])

    def of_classes(self, classes: list[int]) -> Digits:
        """Those of some classes."""
        return self.take(torch.isin(self.labels, torch.tensor(classes)))

    def shuffled(self, generator: torch.Generator) -> Digits:
        """All of them in another order."""
        return self.take(torch.randperm(len(self), generator=generator))

    def permuted(self, order: Tensor) -> Digits:
        """Every image with its pixels in another order (64,)."""
        return Digits(images=self.images[:, order], labels=self.labels)

    def rotated(self, degrees: float) -> Digits:
        """Every image turned about its middle, with linear interpolation and zeros outside."""
        grids = self.images.reshape(-1, SIDE, SIDE).numpy()
        turned = ndimage.rotate(grids, degrees, axes=(1, 2), reshape=False, order=1, mode="constant")
        return Digits(
            images=torch.from_numpy(np.ascontiguousarray(turned)).reshape(-1, NUM_PIXELS), labels=self.labels
        )


def load() -> Digits:
    """All 1,797, in the order of the file."""
    with np.load(FILE, allow_pickle=False) as stored:
        images, labels = stored["pixels"].astype(np.float32) / 16.0, stored["labels"].astype(np.int64)
    return Digits(images=torch.from_numpy(images), labels=torch.from_numpy(labels))


def split(digits: Digits, generator: torch.Generator, *, train_share: float = 0.8) -> tuple[Digits, Digits]:
    """Train and test set, the same share of every class in each."""
    train, test = [], []
    for label in range(NUM_CLASSES):
        places = (digits.labels == label).nonzero()[:, 0]
        places = places[torch.randperm(len(places), generator=generator)]
        cut = round(len(places) * train_share)
        train.append(places[:cut])
        test.append(places[cut:])
    return digits.take(torch.cat(train)), digits.take(torch.cat(test))
