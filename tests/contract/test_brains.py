"""Every registered brain keeps the contract of brain/ports.py: no brain is exempt."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import brain_from_spec, build_brain
from brain.codecs.bytes import ByteCodec
from brain.errors import SpecMismatchError
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.tensors import sha256_of
from brain.online.brain import OnlineBrain
from brain.optim.config import OptimizerConfig
from brain.ports import Batch, Brain, BrainState, Growable, Observable, Steerable
from brain.probes.causality import brain_leak
from brain.probes.coverage import share_learned
from brain.probes.freezing import changed_by
from brain.registry import brains
from tests.tiny_brains.codecs import TokenCodec
from tests.tiny_brains.specs import TINY_BRAINS, registered

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY: dict[str, list[dict[str, Any]]] = {
    "synapse": [
        {
            "hidden_size": 16,
            "layers": ["mingru", "attention", "ssd"],
            "num_heads": 2,
            "window": 24,
            "mlp_ratio": 2,
            "bigram_size": 4,
            "self_model_size": 8,
            "precision": precision,
        }
        for precision in ("fp32", "bf16")
    ],
}
CASES = [(kind, settings) for kind, cases in TINY.items() for settings in cases]
CASES += list(TINY_BRAINS.items())  # brains whose units, or modules, are none of this project's
UNITS = {"tiny-patches": 4}  # of a symbol
UNDECIDED = {
    "tiny-tokens": 2
}  # bytes at most that a row which goes on leaves undecided; a row here fills its patches
Case = tuple[str, dict[str, Any], torch.device]
LANES, ROWS, LENGTH = 4, 6, 20


def devices() -> list[str]:
    """The CPU, and whatever else is there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["cpu", *(name for name, is_there in there.items() if is_there)]


def make(
    kind: str, settings: dict[str, Any], device: torch.device, *, optimizer: str = "adamw", seed: int = 0
) -> Brain:
    config = OptimizerConfig(kind="muon" if optimizer == "muon" else "adamw", warmup_steps=2)
    return build_brain(kind, settings, optimizer=config, lanes=LANES, device=device, seed=seed)


def batches(count: int, *, seed: int = 7, ragged: bool = True) -> list[Batch]:
    """Readable bytes in four lanes and two replayed rows; now and then a document ends inside a row."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    reset = torch.ones(LANES, dtype=torch.bool)
    for _ in range(count):
        rows = torch.randint(97, 105, (ROWS, LENGTH), generator=generator, dtype=torch.uint8)
        rows[:, 1::2] = rows[:, ::2] + 1  # something to learn: every odd byte follows from the one before
        mask = torch.ones(ROWS, LENGTH, dtype=torch.bool)
        ends = torch.zeros(LANES, dtype=torch.bool)
        if ragged:
            ends = torch.rand(LANES, generator=generator) < 0.25
            for lane in ends.nonzero().flatten().tolist():
                mask[lane, int(torch.randint(1, LENGTH, (), generator=generator)) :] = False
        made.append(
            Batch(
                bytes=rows,
                mask=mask,
                lane=torch.tensor([*range(LANES), -1, -1]),
                reset=torch.cat([reset, torch.ones(2, dtype=torch.bool)]),
                source=torch.zeros(ROWS, dtype=torch.int64),
            )
        )
        reset = ends
    return made


def copied(state: BrainState) -> BrainState:
    return BrainState(
        model={name: t.clone() for name, t in state.model.items()},
        learning={name: t.clone() for name, t in state.learning.items()},
        counters=json.loads(json.dumps(dict(state.counters))),
        spec=json.loads(json.dumps(dict(state.spec))),
        tied=state.tied,
        base=state.base,
    )


def guessing(case: Case, batch: Batch) -> float:
    """Nats per byte of one that guesses: each unit of its vocabulary is as probable as any other."""
    codec = TokenCodec() if case[0] == "tiny-tokens" else ByteCodec()
    live = batch.lane >= 0
    symbols, _ = codec.encode(batch.bytes[live], batch.mask[live], None, ends=~batch.mask[live, -1])
    return math.log(codec.vocabulary) * int(symbols.valid.sum()) / int(symbols.num_bytes.sum())


def everything(brain: Brain) -> dict[str, torch.Tensor]:
    state = brain.state()
    return {name: t.clone() for name, t in {**state.model, **state.learning}.items()}


def assert_same(one: Brain, other: Brain) -> None:
    first, second = everything(one), everything(other)
    assert first.keys() == second.keys()
    assert [name for name in first if not torch.equal(first[name], second[name])] == []
    assert one.state().counters == other.state().counters


def test_every_registered_brain_has_a_tiny_form_here() -> None:
    assert set(brains.names()) == {*TINY, *TINY_BRAINS}


def test_every_registered_brain_explains_itself() -> None:
    for entry in brains:
        assert entry.summary
        assert entry.load().__doc__


@pytest.fixture(autouse=True, scope="module")
def _registered() -> Iterator[None]:
    with registered():
        yield


@pytest.fixture(params=devices())
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture(params=CASES, ids=lambda case: "-".join([case[0], *filter(None, [case[1].get("precision")])]))
def case(request: pytest.FixtureRequest, device: torch.device) -> Case:
    kind, settings = request.param
    return kind, settings, device


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


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_loaded_brain_goes_on_bit_for_bit(case: Case, optimizer: str) -> None:
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
    assert owners <= {*state.model, "carried", "average|plastic", "average|stable", "plasticity", "start"}
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
    shares = share_learned(make(*case), batches(4))
    assert [name for name, share in shares.items() if share == 0.0] == []


def test_the_report_says_what_was_seen(case: Case) -> None:
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
    seen = (count > 0) & (~live if left else True)  # of others the score goes on to the end
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


def test_no_future_leaks_into_the_score(case: Case) -> None:
    brain = make(*case)
    for batch in batches(20):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    for position in (1, 7, 19):
        assert brain_leak(brain, rows, position) == 0.0


def test_scoring_and_speaking_change_nothing(case: Case) -> None:
    brain = make(*case)
    for batch in batches(3):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    before = torch.get_rng_state()
    assert changed_by(brain, lambda: brain.score(rows, torch.ones_like(rows, dtype=torch.bool))) == []
    assert changed_by(brain, lambda: list(_speak(brain, 5))) == []
    if isinstance(brain, Observable):
        observable: Observable = brain
        assert changed_by(brain, lambda: observable.observe(rows)) == []
    assert torch.equal(before, torch.get_rng_state())


def _speak(brain: Brain, seed: int, **options: Any) -> list[int]:
    chosen = {"max_bytes": 12, "temperature": 1.0, "top_p": 0.9} | options
    prompt = chosen.pop("prompt", b"abab")
    generator = torch.Generator().manual_seed(seed)
    return [*b"".join(brain.generate(prompt, **chosen, generator=generator))]


def test_speech_depends_on_its_generator_alone(case: Case) -> None:
    brain = make(*case)
    first = _speak(brain, 1)
    torch.rand(5)
    assert _speak(brain, 1) == first
    assert _speak(brain, 2) != first
    assert len(first) == 12
    assert all(0 <= byte < 256 for byte in first)


def test_speech_without_heat_takes_the_most_probable_byte(case: Case) -> None:
    if case[0] in UNDECIDED:
        pytest.skip("its units are not bytes")
    brain = make(*case)
    for batch in batches(40):
        brain.learn(batch)
    said = _speak(brain, 0, temperature=0.0, max_bytes=4, prompt=b"a")
    heard = torch.tensor([*b"a", *said], dtype=torch.uint8)
    mask = torch.zeros(1, len(heard), dtype=torch.bool)
    for index in range(1, len(heard)):
        mask.zero_()
        mask[0, index] = True
        candidates = heard.repeat(256, 1)
        candidates[:, index] = torch.arange(256, dtype=torch.uint8)
        nats = brain.score(candidates, mask.expand(256, -1))
        assert nats[int(heard[index])] <= nats.min() + 0.05


def test_speech_leaves_gradients_on_for_the_listener(case: Case) -> None:
    stream = make(*case).generate(
        b"", max_bytes=3, temperature=1.0, top_p=1.0, generator=torch.Generator().manual_seed(0)
    )
    for _ in stream:
        assert torch.is_grad_enabled()


def test_a_nudge_moves_only_what_comes_after(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, Observable):
        pytest.skip("this brain cannot be watched")
    for batch in batches(20):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    clean = brain.observe(rows)
    assert tuple(clean) == brain.module_names
    middle = brain.module_names[len(brain.module_names) // 2]
    nudge, at = torch.zeros_like(clean[middle]), clean[middle].shape[1] // 2
    nudge[:, at] = 0.5
    moved = brain.observe(rows, inject={middle: nudge})
    torch.testing.assert_close(moved[middle][:, at], clean[middle][:, at] + 0.5)
    for index, name in enumerate(brain.module_names):
        assert clean[name].dtype == torch.float32
        assert clean[name].shape[:2] == clean[middle].shape[:2]
        assert torch.equal(moved[name][:, :at], clean[name][:, :at])
        if index < brain.module_names.index(middle):
            assert torch.equal(moved[name], clean[name])
    assert not torch.equal(moved[brain.module_names[-1]], clean[brain.module_names[-1]])


def steerable(case: Case) -> tuple[Brain, Steerable]:
    brain = make(*case)
    if not isinstance(brain, Steerable):
        pytest.skip("this brain cannot be steered byte by byte")
    for batch in batches(20):
        brain.learn(batch)
    return brain, brain


def test_a_fork_goes_on_exactly_as_its_row_would(case: Case) -> None:
    _, brain = steerable(case)
    rows = batches(1, seed=3, ragged=False)[0].bytes
    head, tail = rows[:, :12], rows[:, 12:]
    straight, started = brain.reader(ROWS), brain.reader(ROWS)
    straight.read(head)
    started.read(head)
    order = torch.tensor([4, 0, 0, 3, 5, 4])
    forked = started.fork(order)
    other = brain.reader(ROWS).fork(torch.arange(ROWS))  # a fork of rows that have read nothing
    torch.testing.assert_close(other.read(head), brain.reader(ROWS).read(head), rtol=0, atol=0)
    first = straight.predict()
    assert torch.equal(forked.predict(), first[order])
    for place in range(UNITS.get(case[0], 1)):  # to the end of a symbol
        forked.predict()
        straight.predict()
        forked.accept(tail[order, place].long())
        straight.accept(tail[:, place].long())
    assert torch.equal(forked.predict(), straight.predict()[order])
    assert torch.equal(forked.read(tail[order, 4:]), straight.read(tail[:, 4:])[order])
    # The fork went on by itself: what it was taken from stands where it stood.
    assert torch.equal(started.predict(), first)


def test_reading_and_forking_change_nothing(case: Case) -> None:
    brain, reading = steerable(case)
    rows = batches(1, seed=3, ragged=False)[0].bytes

    def read_on() -> None:
        reader = reading.reader(ROWS)
        reader.read(rows)
        forked = reader.fork(torch.tensor([1, 1]))
        forked.predict()
        forked.accept(torch.tensor([97, 98]))

    assert changed_by(brain, read_on) == []


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


def test_a_site_that_is_widened_changes_nothing_and_learns_on(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, Growable) or not brain.sites():
        pytest.skip("this brain does not grow")
    growable: Growable = brain
    for batch in batches(6):
        brain.learn(batch)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    before, neurons = brain.score(rows, mask), brain.num_neurons()
    for site in growable.sites():
        probes = growable.probe_sites(batches(1)[0], torch.Generator().manual_seed(0))
        assert probes[site].activity.shape[1] == growable.sites()[site].units
        plan = GrowthPlan(operator="widen", site=site, units=4, trigger="by_hand", reason="a test")
        apply_growth(growable, plan, max_neurons=10_000)
    torch.testing.assert_close(brain.score(rows, mask), before, rtol=2e-3, atol=2e-3)
    assert brain.num_neurons() == neurons + 4 * len(growable.sites())
    stored = copied(brain.state())
    again = brain_from_spec(
        stored.spec, optimizer=OptimizerConfig(warmup_steps=2), lanes=LANES, device=case[2], seed=5
    )
    again.load(stored)
    for batch in batches(3, seed=9):
        assert brain.learn(batch).loss == again.learn(batch).loss
    assert_same(brain, again)


def test_what_is_frozen_by_hand_stays_so_after_a_restart(case: Case) -> None:
    brain = make(*case)
    if not isinstance(brain, OnlineBrain):
        pytest.skip("nothing of this brain can be frozen")
    brain.learn(batches(1)[0])
    names = brain.freeze(min(brain.state().model))
    stored = copied(brain.state())
    again = brain_from_spec(
        stored.spec, optimizer=OptimizerConfig(warmup_steps=2), lanes=LANES, device=case[2], seed=5
    )
    again.load(stored)
    for batch in batches(3):
        again.learn(batch)
    after = again.state().model
    assert names
    assert {name for name in after if torch.equal(after[name], stored.model[name])} == set(names)


def test_a_base_is_kept_apart_and_never_moves(case: Case) -> None:
    brain = make(*case)
    base = brain.state().base
    if base is None:
        pytest.skip("this brain has no base")
    before = {name: tensor.clone() for name, tensor in base.tensors.items()}
    for batch in batches(3):
        brain.learn(batch)
    after = brain.state()
    assert after.base is not None
    assert after.base.sha256 == base.sha256 == sha256_of(before)
    owners = {part for name in (*after.model, *after.learning) for part in name.split("|")}
    assert owners.isdisjoint(before)
    stored = copied(after)
    again = brain_from_spec(stored.spec, optimizer=OptimizerConfig(), lanes=LANES, device=case[2], seed=5)
    with pytest.raises(SpecMismatchError, match="base tensor"):
        again.load(replace(stored, base=None))
    again.load(stored)
    rows = batches(1, seed=3)[0].bytes
    mask = torch.ones_like(rows, dtype=torch.bool)
    assert torch.equal(again.score(rows, mask), brain.score(rows, mask))
