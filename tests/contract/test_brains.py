"""Every registered brain keeps the contract of brain/ports.py: no brain is exempt."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch

from brain.build import brain_from_spec
from brain.capabilities import Forgetful
from brain.errors import SpecMismatchError
from brain.memory.selection import Selection
from brain.optim.config import OptimizerConfig
from brain.ports import CARRIED, Batch, Brain
from brain.registry import brains
from tests.contract.cases import (
    LABELLED,
    LANES,
    LENGTH,
    ROWS,
    TINY,
    UNDECIDED,
    Case,
    assert_same,
    batches,
    copied,
    everything,
    guessing,
    make,
)
from tests.contract.probes.coverage import share_learned
from tests.contract.probes.freezing import changed_by
from tests.tiny_brains.specs import TINY_BRAINS


def test_every_registered_brain_has_a_tiny_form_here() -> None:
    assert set(brains.names()) == {*TINY, *TINY_BRAINS, *LABELLED}


def test_every_registered_brain_explains_itself() -> None:
    for entry in brains:
        assert entry.summary
        assert entry.load().__doc__


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_same_seed_and_batches_give_the_same_bits(case: Case, optimizer: str) -> None:
    one, other = make(*case, optimizer=optimizer), make(*case, optimizer=optimizer)
    torch.rand(3)  # the global random state has no say
    for batch in batches(4):
        first, second = one.learn(batch), other.learn(batch)
        assert (first.loss, first.grad_norm) == (second.loss, second.grad_norm)
    assert_same(one, other)


def test_another_seed_gives_another_brain(case: Case) -> None:
    one, other = make(*case).state().model, make(*case, seed=1).state().model
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_it_forgets_on_purpose_what_it_carries_and_leaves_the_weights(case: Case) -> None:
    brain = make(*case)
    assert isinstance(brain, Forgetful)
    first, second = batches(2)
    brain.learn(first)
    before = copied(brain.state())
    found = brain.forget(Selection(since=0), dry_run=True)
    assert (found is None) == (not brain.state().tables), (
        "nothing is reported of an exact memory that is not there"
    )
    assert all(torch.equal(one, before.learning[name]) for name, one in brain.state().learning.items())
    brain.forget(Selection(since=0))
    after = brain.state()
    assert all(torch.equal(one, before.model[name]) for name, one in after.model.items())
    assert not any(one.any() for name, one in after.learning.items() if name.startswith(CARRIED))
    assert math.isfinite(brain.learn(second).loss)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_loaded_brain_continues_bit_for_bit(case: Case, optimizer: str) -> None:
    straight = make(*case, optimizer=optimizer)
    series = batches(6)
    for batch in series[:3]:
        straight.learn(batch)
    straight.scale_learning_rate(0.5)
    stored = copied(straight.state())
    config = OptimizerConfig(kind="muon" if optimizer == "muon" else "adamw", warmup_steps=2)
    resumed = brain_from_spec(stored.spec, optimizer=config, lanes=LANES, device=case[2], seed=99)
    resumed.load(stored)
    for batch in series[3:]:
        assert straight.learn(batch).loss == resumed.learn(batch).loss
    assert_same(straight, resumed)


def test_state_refers_to_the_live_tensors(case: Case) -> None:
    brain = make(*case)
    before = {name: t.data_ptr() for name, t in {**brain.state().model, **brain.state().learning}.items()}
    for batch in batches(3):
        brain.learn(batch)
    after = {name: t.data_ptr() for name, t in {**brain.state().model, **brain.state().learning}.items()}
    assert before == after


def test_state_is_constant_in_size_and_names(case: Case) -> None:
    brain = make(*case)
    form = {name: (t.shape, t.dtype) for name, t in everything(brain).items()}
    for batch in batches(5):
        brain.learn(batch)
    assert form == {name: (t.shape, t.dtype) for name, t in everything(brain).items()}
    json.dumps([dict(brain.state().counters), dict(brain.state().spec)])


def test_moments_and_carried_state_are_keyed_by_name(case: Case) -> None:
    state = make(*case).state()
    owners = {name.rpartition("|")[0] for name in state.learning}
    beside = {"carried", "average|plastic", "average|stable", "plasticity", "start", "hippocampus", "origin"}
    assert owners <= {*state.model, *beside}
    averaged = {name.rpartition("|")[2] for name in state.learning if name.startswith("average|")}
    assert averaged <= state.model.keys()
    assert owners >= {"carried"}


@pytest.mark.parametrize("damage", ["missing", "superfluous", "shape"])
def test_a_tensor_that_does_not_fit_is_named_and_nothing_is_loaded(case: Case, damage: str) -> None:
    brain, stored = make(*case), copied(make(*case, seed=1).state())
    model = dict(stored.model)
    name = min(model)
    if damage == "missing":
        del model[name]
    elif damage == "superfluous":
        name = "no.such.weight"
        model[name] = torch.zeros(2)
    else:
        model[name] = torch.zeros(3, 5, 7)
    bad = replace(stored, model=model)

    def load() -> None:
        with pytest.raises(SpecMismatchError, match=name):
            brain.load(bad)

    assert changed_by(brain, load) == []


def test_learning_lowers_the_loss(case: Case) -> None:
    brain = make(*case)
    losses = [brain.learn(batch).loss for batch in batches(60)]
    assert losses[0] == pytest.approx(guessing(case, batches(1)[0]), rel=0.05)
    assert sum(losses[-5:]) / 5 < 0.5 * losses[0]


def test_every_weight_learns(case: Case) -> None:
    # A silent branch behind another gets its first gradient some steps later.
    shares = share_learned(make(*case), batches(6))
    assert [name for name, share in shares.items() if share == 0.0] == []


def test_the_report_reports_what_was_seen(case: Case) -> None:
    brain = make(*case)
    batch = batches(1)[0]
    batch.mask[0, 5:] = False
    batch.mask[1] = False
    rows, mask = batch.bytes.clone(), batch.mask.clone()
    scored = brain.score(rows, mask)
    report = brain.learn(batch)
    live, count = batch.lane >= 0, mask.sum(1)
    assert report.applied
    left = UNDECIDED.get(case[0], 0)
    assert 0 <= int(count[live].sum()) - report.num_bytes <= left * LANES
    if not left:
        assert report.loss == pytest.approx(float(scored[live].sum() / count[live].sum()), rel=1e-3)
    assert report.replay_loss == pytest.approx(float(scored[~live].sum() / count[~live].sum()), rel=1e-3)
    assert report.row_loss.device.type == "cpu"
    assert not report.row_loss.requires_grad
    assert report.row_loss.isnan().tolist() == [False, True, False, False, False, False]
    seen = (count > 0) & (~live if left else True)  # of others the score continues to the end
    torch.testing.assert_close(
        report.row_loss[seen].double(), scored[seen] / count[seen], rtol=1e-3, atol=1e-3
    )
    assert all(not t.requires_grad for t in report.evidence.values())
    if "confidence" in report.evidence:
        assert report.evidence["confidence"].shape == report.evidence["correct"].shape
        assert bool(report.evidence["confidence"].isfinite().all())
    if "state" in report.evidence:
        shapes = {report.evidence[name].shape for name in ("state", "next_state", "predicted_state")}
        assert len(shapes) == 1


def test_without_replayed_rows_there_is_no_replay_loss(case: Case) -> None:
    batch = batches(1, ragged=False)[0]
    live = Batch(
        **{name: getattr(batch, name)[:LANES] for name in ("bytes", "mask", "lane", "reset", "source")}
    )
    assert make(*case).learn(live).replay_loss is None


def test_the_loss_is_taken_before_the_update(case: Case) -> None:
    brain = make(*case)
    batch = batches(1, ragged=False)[0]
    first = brain.learn(batch).loss
    again = brain.learn(batch).loss  # every row is reset, so only the update lies between
    assert first == pytest.approx(guessing(case, batch), rel=0.05)
    assert again < first


@pytest.mark.parametrize("part", ["weight", "loss"])
def test_a_step_that_is_not_finite_changes_nothing(case: Case, part: str) -> None:
    brain = make(*case)
    series = batches(3)
    brain.learn(series[0])
    weights = brain.state().model
    name = "head.weight" if part == "loss" and "head.weight" in weights else max(weights)
    kept = weights[name].clone()
    weights[name].view(-1)[0] = math.nan
    changed = changed_by(brain, lambda: _expect_skip(brain, series[1]))
    assert changed == ["skipped"]
    weights[name].copy_(kept)
    assert brain.learn(series[2]).applied


def _expect_skip(brain: Brain, batch: Batch) -> None:
    assert not brain.learn(batch).applied


def test_carried_state_is_what_was_read_before(case: Case) -> None:
    """Rows read on in a lane cost what one long row costs, as far as their bytes are decided."""
    brain = make(*case)
    for batch in batches(20):
        brain.learn(batch)
    long = torch.cat([b.bytes for b in batches(3, seed=11, ragged=False)], dim=1)[:LANES]
    brain.scale_learning_rate(1e-12)  # read on without moving the weights
    nats, num_bytes = torch.zeros(LANES, dtype=torch.float64), 0
    for index in range(3):
        row = Batch(
            bytes=long[:, index * LENGTH : (index + 1) * LENGTH],
            mask=torch.ones(LANES, LENGTH, dtype=torch.bool),
            lane=torch.arange(LANES),
            reset=torch.full((LANES,), index == 0),
            source=torch.zeros(LANES, dtype=torch.int64),
        )
        report = brain.learn(row)
        behind = (index + 1) * LENGTH * LANES
        counted = report.num_bytes + num_bytes
        assert 0 <= behind - counted <= UNDECIDED.get(case[0], 0) * LANES
        if case[0] not in UNDECIDED:
            nats += report.row_loss.double() * LENGTH
            mask = torch.zeros_like(long, dtype=torch.bool)
            mask[:, : (index + 1) * LENGTH] = True
            tolerance = 2e-2 if case[1].get("precision") == "bf16" else 1e-4
            torch.testing.assert_close(nats, brain.score(long, mask), rtol=tolerance, atol=tolerance)
        num_bytes = counted


def test_fed_in_pieces_it_learns_what_it_learns_of_the_whole(case: Case) -> None:
    """However a document is cut into rows: a row that ends in its middle changes nothing about what is read."""
    long = torch.cat([b.bytes for b in batches(2, seed=11, ragged=False)], dim=1)[:LANES]
    total = []
    for cuts in ([0, 40], [0, 13, 26, 39, 40], [0, 1, 2, 40]):
        brain, nats, num_bytes = make(*case), 0.0, 0
        for batch in batches(6):
            brain.learn(batch)
        brain.scale_learning_rate(0.0)
        for first, end in itertools.pairwise(cuts):
            mask = torch.ones(LANES, end - first + 1, dtype=torch.bool)
            mask[:, -1] = end != 40  # the document ends: nothing stays undecided
            rows = torch.cat([long[:, first:end], torch.zeros(LANES, 1, dtype=torch.uint8)], dim=1)
            if end != 40:
                rows, mask = rows[:, :-1], mask[:, :-1]
            report = brain.learn(
                Batch(
                    bytes=rows, mask=mask, lane=torch.arange(LANES), reset=torch.full((LANES,), first == 0),
                    source=torch.zeros(LANES, dtype=torch.int64),
                )
            )  # fmt: skip
            nats += 0.0 if math.isnan(report.loss) else report.loss * report.num_bytes
            num_bytes += report.num_bytes
        assert num_bytes == LANES * 40
        total.append(nats)
    tolerance = 2e-2 if case[1].get("precision") == "bf16" else 1e-4
    assert total == pytest.approx([total[0]] * len(total), rel=tolerance)


def test_what_lies_behind_a_documents_end_is_never_read(case: Case) -> None:
    one, other = make(*case), make(*case)
    first, second = batches(2, ragged=False)
    first.mask[0, 9:] = False
    twin = Batch(
        bytes=first.bytes.clone(), mask=first.mask, lane=first.lane, reset=first.reset, source=first.source
    )
    twin.bytes[0, 9:] = 0
    second.reset[0] = True
    for brain, start in ((one, first), (other, twin)):
        brain.learn(start)
        brain.learn(second)
    model, twin_model = one.state().model, other.state().model
    assert [name for name in model if not torch.equal(model[name], twin_model[name])] == []


def test_replayed_rows_leave_no_state_behind(case: Case) -> None:
    brain = make(*case)
    batch = batches(1)[0]
    replayed = Batch(
        bytes=batch.bytes, mask=batch.mask, lane=torch.full((ROWS,), -1),
        reset=torch.ones(ROWS, dtype=torch.bool), source=batch.source,
    )  # fmt: skip
    changed = changed_by(brain, lambda: brain.learn(replayed))
    assert [name for name in changed if name.startswith("carried|")] == []
    assert math.isnan(brain.learn(replayed).loss)


def test_warm_up_then_a_constant_rate_and_scaling(case: Case) -> None:
    brain = make(*case)
    rates = [brain.learn(batch).learning_rate for batch in batches(4)]
    assert rates == pytest.approx([1.5e-3, 3e-3, 3e-3, 3e-3])
    brain.scale_learning_rate(0.5)
    assert brain.learn(batches(1)[0]).learning_rate == pytest.approx(1.5e-3)


def test_counts(case: Case) -> None:
    brain = make(*case)
    assert brain.num_parameters() == sum(t.numel() for t in brain.state().model.values())
    assert brain.num_neurons() > 0
