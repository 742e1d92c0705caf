"""A brain with an exact memory: what it read once it can say, and its network is judged alone."""

from __future__ import annotations

import math
import typing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import build_brain
from brain.memory.selection import Selection, SourceSpan
from brain.optim.config import OptimizerConfig
from brain.ports import Batch
from brain.stored_state import AWAKE_ONLY

if TYPE_CHECKING:
    from brain.online.online_brain import OnlineBrain

SETTINGS = {
    "hidden_size": 16,
    "layers": ["mingru"],
    "mlp_ratio": 2,
    "bigram_size": 0,
    "self_model_size": 8,
    "precision": "fp32",
}
LENGTH = 64
FACT = b"\nThe number of the bakery in Lindenau is 0341 480 2291, and Jolanda answers.\n"
CPU = torch.device("cpu")


def fresh_brain(*, mib: int) -> OnlineBrain[Any]:
    settings = {**SETTINGS, "hippocampus_mib": mib}
    config = OptimizerConfig(warmup_steps=2)
    brain: OnlineBrain[Any] = build_brain(  # type: ignore[assignment]
        "synapse", settings, optimizer=config, lanes=1, device=CPU, seed=0
    )
    return brain


def read(brain: OnlineBrain[Any], text: bytes) -> list[dict[str, float]]:
    """Metrics of each row."""
    metrics = []
    whole = torch.frombuffer(bytearray(text), dtype=torch.uint8)
    for part in torch.split(whole, LENGTH):
        row, mask = torch.zeros(1, LENGTH, dtype=torch.uint8), torch.zeros(1, LENGTH, dtype=torch.bool)
        row[0, : len(part)], mask[0, : len(part)] = part, True
        zero, never = torch.zeros(1, dtype=torch.int64), torch.zeros(1, dtype=torch.bool)
        report = brain.learn(Batch(bytes=row, mask=mask, lane=zero, reset=never, source=zero))
        metrics.append(dict(report.metrics))
    return metrics


def say(brain: OnlineBrain[Any], prompt: bytes, num_bytes: int) -> bytes:
    generator = torch.Generator().manual_seed(0)
    pieces = brain.generate(prompt, max_bytes=num_bytes, temperature=0.0, top_p=1.0, generator=generator)
    return b"".join(pieces)


def test_a_fact_read_once_is_said_after_much_other_text() -> None:
    brain = fresh_brain(mib=20)
    other = Path(typing.__file__).read_bytes()
    read(brain, other[:2_000] + FACT + other[2_000:20_000])
    assert say(brain, b"Please dial the bakery in Lindenau is ", 13) == b"0341 480 2291"


def test_both_losses_are_reported_and_neither_stands_for_the_other() -> None:
    alone, both = fresh_brain(mib=0), fresh_brain(mib=20)
    text = Path(typing.__file__).read_bytes()[:4_000]
    assert "mixed_bpc" not in read(alone, text)[-1]
    metrics = read(both, text)
    assert metrics[-1]["mixed_bpc"] < metrics[0]["mixed_bpc"]
    # The network learns from its own loss alone, and is scored alone.
    weights = alone.state().model
    assert all(torch.equal(weights[name], tensor) for name, tensor in both.state().model.items())
    row = torch.frombuffer(bytearray(text[-50:]), dtype=torch.uint8)[None]
    assert torch.equal(alone.score(row, row >= 0), both.score(row, row >= 0))
    assert both.score_remembering(row, row >= 0).item() < 0.5 * both.score(row, row >= 0).item()
    assert torch.equal(alone.score_remembering(row, row >= 0), alone.score(row, row >= 0))
    assert (alone.remembers, both.remembers) == (False, True)


def test_one_pass_gives_both_losses_however_long_the_rows_are() -> None:
    brain = fresh_brain(mib=20)
    text = Path(typing.__file__).read_bytes()
    read(brain, text[:4_000])
    rows, lengths = torch.zeros(3, 700, dtype=torch.uint8), torch.tensor([700, 40, 300])
    for row, length in enumerate(lengths.tolist()):
        rows[row, :length] = torch.frombuffer(bytearray(text[1_000 * row :][:length]), dtype=torch.uint8)
    mask = torch.arange(700) < lengths[:, None]
    alone, both = brain.score_both(rows, mask)
    assert torch.equal(alone, brain.score(rows, mask))
    for row, length in enumerate(lengths.tolist()):  # what lies behind a row does not count
        own = rows[row : row + 1, :length]
        assert both[row].item() == pytest.approx(brain.score_remembering(own, own >= 0).item(), rel=1e-6)
    part = mask & (torch.arange(700) >= 20)
    assert bool((torch.stack(brain.score_both(rows, part)) < torch.stack([alone, both])).all())


def test_a_step_reports_what_each_row_cost_with_it_and_how_much_came_from_it() -> None:
    brain: OnlineBrain[Any] = build_brain(  # type: ignore[assignment]
        "synapse",
        {**SETTINGS, "hippocampus_mib": 20},
        optimizer=OptimizerConfig(warmup_steps=2),
        lanes=3,
        device=CPU,
        seed=0,
    )
    rows = torch.frombuffer(bytearray(Path(typing.__file__).read_bytes()[: 4 * LENGTH]), dtype=torch.uint8)
    mask = torch.arange(LENGTH) < torch.tensor([LENGTH, 10, 0, LENGTH])[:, None]
    batch = Batch(
        bytes=rows.view(4, LENGTH),
        mask=mask,
        lane=torch.tensor([0, 1, 2, -1]),  # the last is replayed
        reset=torch.zeros(4, dtype=torch.bool),
        source=torch.zeros(4, dtype=torch.int64),
    )
    first, second = brain.learn(batch), brain.learn(batch)
    for report in (first, second):
        assert report.row_mixed_loss is not None
        assert report.row_reliance is not None
        assert report.row_mixed_loss.isnan().tolist() == [False, False, True, True]
        assert report.row_reliance.isnan().tolist() == [False, False, True, True]
        assert bool(((report.row_reliance[:2] >= 0) & (report.row_reliance[:2] <= 1)).all())
        bits = (report.row_mixed_loss[:2] * torch.tensor([LENGTH, 10])).sum() / math.log(2)
        assert report.metrics["mixed_bpc"] == pytest.approx(bits.item() / (LENGTH + 10))
    assert first.row_mixed_loss is not None
    assert second.row_mixed_loss is not None
    assert bool((second.row_mixed_loss[:2] < 0.5 * first.row_mixed_loss[:2]).all())
    brain.scale_learning_rate(0.5)
    assert brain.dream(batch, rate_factor=1.0).row_reliance is None
    assert fresh_brain(mib=0).learn(replace(batch, lane=torch.tensor([0, -1, -1, -1]))).row_reliance is None


def test_asking_and_scoring_change_nothing_of_it() -> None:
    brain = fresh_brain(mib=20)
    read(brain, FACT * 3)
    before = {name: tensor.clone() for name, tensor in brain.state().learning.items()}
    row = torch.frombuffer(bytearray(FACT), dtype=torch.uint8)[None]
    brain.score_remembering(row, row >= 0)
    say(brain, b"The number ", 5)
    assert all(torch.equal(before[name], tensor) for name, tensor in brain.state().learning.items())


def test_at_rate_zero_it_reads_on_and_remembers_nothing() -> None:
    brain = fresh_brain(mib=20)
    read(brain, FACT)
    brain.scale_learning_rate(0.0)
    kept = brain.state().learning["hippocampus|buckets"].clone()
    assert "mixed_bpc" in read(brain, FACT)[-1]
    assert torch.equal(brain.state().learning["hippocampus|buckets"], kept)


def test_a_checkpoint_without_it_begins_empty_and_says_so() -> None:
    older, newer = fresh_brain(mib=0), fresh_brain(mib=20)
    read(older, FACT)
    state, notices = newer.adopt(older.state())
    assert [notice for notice in notices if "hippocampus" in notice]
    newer.load(state)
    assert not newer.state().learning["hippocampus|buckets"].any()


def test_tables_of_another_size_begin_empty_together() -> None:
    larger, smaller = fresh_brain(mib=32), fresh_brain(mib=20)
    read(larger, FACT)
    state, notices = smaller.adopt(larger.state())
    assert [notice for notice in notices if "hippocampus" in notice]
    smaller.load(state)
    assert not any(
        smaller.state().learning[f"hippocampus|{name}"].any()
        for name in ("buckets", "heads", "past", "stand")
    )


def test_what_was_forgotten_on_purpose_is_not_said_any_more_and_another_fact_is() -> None:
    brain = fresh_brain(mib=20)
    other = Path(typing.__file__).read_bytes()
    known = b"\nBertram keeps old maps of Gohlis on shelf 907, row 6653, in box 41.\n"
    read(brain, other[:1_000] + FACT + other[1_000:2_000] + known + other[2_000:3_000])
    prompt, prompt_known = b"Please dial the bakery in Lindenau is ", b"There are maps of Gohlis on shelf "
    assert say(brain, prompt, 13) == b"0341 480 2291"
    assert say(brain, prompt_known, 13) == b"907, row 6653"
    weights = {name: tensor.clone() for name, tensor in brain.state().model.items()}
    forgotten = brain.forget(Selection(text=FACT.strip()))
    assert forgotten is not None
    assert forgotten.num_bytes == len(FACT.strip())
    assert b"2291" not in say(brain, prompt, 40)
    assert say(brain, prompt_known, 13) == b"907, row 6653"
    learning = brain.state().learning
    assert not any(tensor.any() for name, tensor in learning.items() if name.startswith("carried|"))
    assert all(torch.equal(weights[name], tensor) for name, tensor in brain.state().model.items())


def test_a_checkpoint_of_before_rows_were_dated_keeps_its_memory() -> None:
    brain, other = fresh_brain(mib=20), fresh_brain(mib=20)
    read(brain, FACT * 2)
    stored = brain.state()
    undated = {name: tensor for name, tensor in stored.learning.items() if not name.startswith("origin|")}
    state, notices = other.adopt(replace(stored, learning=undated))
    assert [notice for notice in notices if "lacks sources and times" in notice]
    other.load(state)
    assert torch.equal(other.state().learning["hippocampus|buckets"], stored.learning["hippocampus|buckets"])
    forgotten = other.forget(Selection(sources=(SourceSpan(index=0),)))
    assert forgotten is not None
    assert forgotten.emptied


def test_its_tables_are_named_and_sleep_leaves_them_alone() -> None:
    state = fresh_brain(mib=20).state()
    assert {"hippocampus|buckets", "hippocampus|maps"} <= state.tables <= state.learning.keys()
    assert all(name.startswith(AWAKE_ONLY) for name in state.tables)
    assert fresh_brain(mib=0).state().tables == frozenset()
