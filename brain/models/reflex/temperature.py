"""How sure to be: a temperature that follows examples which are never learned.

Source: Guo et al. 2017, "On calibration of modern neural networks" (temperature scaling), here example by example.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

SLOWEST = 0.02  # share of an example's pull that is followed at last; of the first it is 1 / (number + FIRST)
FIRST = 10
PULL = 2.0  # of one example at most
LIMIT = math.log(20.0)


@dataclass
class Temperature:
    """By what logits are divided, and how many examples it has followed.

    >>> temperature = Temperature()
    >>> temperature.value
    1.0
    """

    logarithm: float = 0.0
    num_examples: int = 0

    @property
    def value(self) -> float:
        """Above 1 where the logits alone are too sure."""
        return math.exp(self.logarithm)

    def follow(self, logits: Tensor, targets: Tensor) -> None:
        """Move so that logits (n, O) of texts that were never learned cost less; not finite ones are passed over.

        >>> import torch
        >>> temperature = Temperature()
        >>> temperature.follow(torch.tensor([[5.0, 0.0]] * 40), torch.tensor([0, 1] * 20))  # half of it wrong
        >>> temperature.value > 1.5
        True
        """
        for row, target in zip(logits.double().cpu(), targets.tolist(), strict=True):
            scaled = row / self.value
            pull = float((scaled.softmax(0) * scaled).sum() - scaled[target])  # minus the slope of the loss
            if not math.isfinite(pull):
                continue
            self.num_examples += 1
            share = max(1.0 / (self.num_examples + FIRST), SLOWEST)
            moved = self.logarithm + share * min(max(pull, -PULL), PULL)
            self.logarithm = min(max(moved, -LIMIT), LIMIT)


def is_withheld(text: bytes, share: float) -> bool:
    """Whether a text is kept out of learning; by its bytes alone, so it stays so in every pass and from every memory.

    >>> is_withheld(b"any", 0.0), sum(is_withheld(b"%d" % number, 0.1) for number in range(1000))
    (False, 101)
    """
    digest = hashlib.blake2b(text.strip(), digest_size=8, person=b"calibration").digest()
    return int.from_bytes(digest, "big") < share * 2.0**64
