"""Growth in a real loop that is driven by hand: nothing runs but what a test lets happen."""

from __future__ import annotations

import multiprocessing
from typing import TYPE_CHECKING, Any

import pytest
import torch

from daemon.protocol import Report
from daemon.trainer.assembly import assemble_parts
from daemon.trainer.loop import Loop
from daemon.trainer.pipe import Pipe
from daemon.trainer.reporting import Reporter
from tests.trainer_process import tiny_order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.home import Home


class StillLoop(Loop):
    """A loop of the tiny preset that a test moves itself."""

    def __init__(self, home: Home, **settings: Any) -> None:
        self.ours, theirs = multiprocessing.Pipe()
        self.pipe = Pipe(theirs)
        self.reporter = Reporter(self.pipe)
        super().__init__(assemble_parts(tiny_order(home, **settings), home, self.pipe, self.reporter)[0])
        self.parts.saver.save(self, "first")

    def events(self) -> list[dict[str, Any]]:
        """All events so far; the last thing a test asks for."""
        self.reporter.close()
        heard = []
        while self.ours.poll():
            message = self.ours.recv()
            heard += message.events if isinstance(message, Report) else []
        return heard


@pytest.fixture
def still(home: Home) -> Iterator[Callable[..., StillLoop]]:
    """Makes loops, and lets go of what they hold."""
    made: list[StillLoop] = []

    def make(**settings: Any) -> StillLoop:
        made.append(StillLoop(home, **settings))
        return made[-1]

    yield make
    for loop in made:
        loop.parts.saver.save_final(loop)
        loop.ours.close()


def grow(loop: StillLoop, site: str | None = "self_model", **wanted: Any) -> dict[str, Any]:
    growing = loop.parts.growing
    plan = growing.plan_by_hand(loop, site, wanted.get("fraction"), wanted.get("operator", "widen"))
    return growing.grow_by_hand(loop, plan)


def test_growing_twice_between_two_steps_bears_no_clones(still: Callable[..., StillLoop]) -> None:
    loop = still()
    loop.learn()
    born = [grow(loop, fraction=0.1)["units_after"] for _ in range(2)]
    [name] = loop.parts.brain.network.unit_tensors("self_model").incoming  # type: ignore[attr-defined]
    rows = loop.parts.brain.state().model[name]
    first, second = rows[born[0] - 2], rows[born[1] - 2]
    assert float(torch.cosine_similarity(first, second, dim=0)) < 0.99
