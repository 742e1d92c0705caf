"""What a sleep carries over: items that the exact memory knows and the network does not, which are replayed first.

Complementary learning systems: a fast memory keeps an experience at once, and by replaying it in sleep teaches it to
the network, which learns slowly. What was carried over is the fall of the network's own loss on these items, as a
share of the gap between the two.

Source: McClelland, McNaughton & O'Reilly 1995; Kumaran, Hassabis & McClelland 2016.

Shapes: K items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

PASSES = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class CarryOver:
    """The items of one sleep, those with the widest gap first.

    Attributes:
        slots: int64 (K,), where each stands in the replay memory.
        network: float64 (K,), nats that each cost the network alone before the sleep.
        both: float64 (K,), with the exact memory, before the sleep.
        num_bytes: int64 (K,), of each.
    """

    slots: NDArray[np.int64]
    network: NDArray[np.float64]
    both: NDArray[np.float64]
    num_bytes: NDArray[np.int64]

    @classmethod
    def choose(
        cls,
        slots: NDArray[np.int64],
        network: NDArray[np.float64],
        both: NDArray[np.float64],
        num_bytes: NDArray[np.int64],
        *,
        most: int,
    ) -> Self:
        """Of these candidates the `most` that the memory saves most nats of; none that it saves nothing of.

        >>> found = CarryOver.choose(*map(np.array, ([4, 7, 9], [3.0, 5.0, 2.0], [2.0, 1.0, 2.5], [8, 8, 8])), most=2)
        >>> found.slots.tolist()
        [7, 4]
        """
        gap = np.where(np.isfinite(network) & np.isfinite(both), network - both, 0.0)
        widest = np.argsort(-gap, kind="stable")[:most]
        kept = widest[gap[widest] > 0]
        return cls(slots=slots[kept], network=network[kept], both=both[kept], num_bytes=num_bytes[kept])

    def __len__(self) -> int:
        return len(self.slots)

    def turn(self, first: int, count: int) -> NDArray[np.int64]:
        """The slots of `count` draws starting with the `first`: each item in turn, `PASSES` times in all.

        More often, and the network learns them by heart at the cost of all else.

        >>> two = CarryOver(slots=np.array([7, 4]), network=np.ones(2), both=np.ones(2), num_bytes=np.ones(2))
        >>> two.turn(1, 2).tolist(), two.turn(3, 2).tolist(), two.turn(5, 2).tolist()
        ([4, 7], [4], [])
        """
        end = min(first + count, PASSES * len(self))
        return self.slots[np.arange(first, end) % max(len(self), 1)]

    def share(self, after: NDArray[np.float64]) -> float:
        """What was carried over, from what each item costs the network alone now, (K,) nats: share of the gap.

        >>> one = CarryOver(slots=np.array([0]), network=np.array([4.0]), both=np.array([2.0]), num_bytes=np.array([8]))
        >>> one.share(np.array([3.5]))
        0.25
        """
        return float((self.network - after).sum() / (self.network - self.both).sum())

    def bpc(self, nats: NDArray[np.float64]) -> float:
        """Bits per byte of all items, from the nats of each, (K,)."""
        return float(nats.sum() / self.num_bytes.sum() / np.log(2))

    def state(self) -> dict[str, Any]:
        """JSON-able; `restored` takes it back exactly."""
        return {name: getattr(self, name).tolist() for name in ("slots", "network", "both", "num_bytes")}

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> Self:
        """What `state` gave."""
        return cls(
            slots=np.array(stored["slots"], np.int64),
            network=np.array(stored["network"], np.float64),
            both=np.array(stored["both"], np.float64),
            num_bytes=np.array(stored["num_bytes"], np.int64),
        )
