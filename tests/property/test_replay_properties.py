"""Whatever is added, drawn and updated: a restored replay memory continues exactly as the one before."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.memory.config import ReplayConfig
from brain.memory.replay import ReplayMemory
from brain.memory.replay_commit import ReplayCommit

T = 16
OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "sample", "update", "commit"]), st.integers(1, 40)),
    min_size=1,
    max_size=40,
)


def apply(memory: ReplayMemory, operations: list[tuple[str, int]], *, step: int) -> list[bytes]:
    """Do the operations; returns all that was drawn."""
    drawn: list[bytes] = []
    for number, (operation, n) in enumerate(operations, step):
        if operation == "add":
            rows = np.random.default_rng(number).integers(0, 256, (n, T), np.uint8)
            places = np.arange(n)
            memory.add(rows, places % T + 1, places % 3, places * T, places / 7, number)
        elif operation == "commit":
            memory.commit(sync=False)
        else:
            rows_drawn = memory.sample(n)
            columns = ("bytes", "length", "source", "offset", "index", "loss", "step")
            drawn.extend(getattr(rows_drawn, column).tobytes() for column in columns)
            if operation == "update":
                memory.update(rows_drawn.index, np.linspace(0, 1, len(rows_drawn.index)))
    return drawn


@settings(max_examples=40, deadline=None)
@given(before=OPERATIONS, lost=OPERATIONS, after=OPERATIONS, capacity=st.integers(1, 300), fork=st.booleans())
def test_a_restored_memory_continues_exactly(
    before: list[tuple[str, int]],
    lost: list[tuple[str, int]],
    after: list[tuple[str, int]],
    capacity: int,
    fork: bool,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name) / "run"
        config = ReplayConfig(capacity=capacity, segment_mib=1)
        memory = ReplayMemory.create(home, config, item_bytes=T, seed=5)
        memory._log.rows_per_segment = 64
        apply(memory, before, step=0)
        commit = ReplayCommit.from_json(json.loads(json.dumps(memory.commit(sync=False).to_json())))
        slots = memory.slots()
        reference = ReplayMemory.restore(Path(name) / "reference", config, commit, slots, parents=[home])
        apply(memory, lost, step=1000)  # what a crash loses; some of it reaches the disk
        memory._log.flush()
        folder = Path(name) / "fork" if fork else home
        restored = ReplayMemory.restore(folder, config, commit, slots, parents=[home])
        assert apply(restored, after, step=2000) == apply(reference, after, step=2000)
        assert restored.commit(sync=False).policy_state == reference.commit(sync=False).policy_state
        assert len(restored) == len(reference)
