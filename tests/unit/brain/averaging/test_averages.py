"""Slow weights: what they average, how they are swapped in, and what they teach."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brain.averaging.averages import Averages, kept
from brain.averaging.config import AveragingConfig
from brain.build import build_brain
from brain.capabilities import Sleeper
from brain.codecs.byte_codec import ByteCodec
from brain.models.synapse.synapse_brain import Synapse
from brain.online.teaching import SoftTargets
from brain.optim.config import OptimizerConfig
from brain.ports import Batch

TINY = {
    "hidden_size": 16, "layers": ["mingru", "attention"], "num_heads": 2, "window": 16, "mlp_ratio": 2,
    "bigram_size": 4, "self_model_size": 8, "precision": "fp32",
}  # fmt: skip


def fresh_brain(**averaging: float) -> Synapse:
    config = OptimizerConfig(averaging=AveragingConfig(**averaging))  # type: ignore[arg-type]
    brain = build_brain("synapse", TINY, optimizer=config, lanes=2, device=torch.device("cpu"), seed=0)
    assert isinstance(brain, Synapse)
    return brain


def batch(seed: int, *, live: int = 2, replayed: int = 3) -> Batch:
    rows = torch.randint(97, 101, (live + replayed, 12), generator=torch.Generator().manual_seed(seed))
    return Batch(
        bytes=rows.to(torch.uint8),
        mask=torch.ones(live + replayed, 12, dtype=torch.bool),
        lane=torch.tensor([*range(live), *[-1] * replayed]),
        reset=torch.tensor([seed == 0] * live + [True] * replayed),
        source=torch.zeros(live + replayed, dtype=torch.int64),
    )


def test_the_horizon_grows_until_it_is_its_own() -> None:
    net = nn.Linear(1, 1, bias=False)
    averages = Averages(net, AveragingConfig(every_steps=1, plastic=0.5, stable=0.999))
    followed, seen = 0, []
    for value in (1.0, 2.0, 6.0, 3.0):
        nn.init.constant_(net.weight, value)
        seen.append(value)
        followed = averages.follow(followed)
        assert averages.slow["stable"]["weight"].item() == pytest.approx(sum(seen) / len(seen))
    assert averages.slow["plastic"]["weight"].item() == pytest.approx(
        ((1 + 2) / 4 + 6 / 2) / 2 + 3 / 2, rel=1e-6
    )


def test_following_every_few_steps_keeps_what_single_steps_would() -> None:
    assert kept(100, 116, 0.99) == pytest.approx(0.99**16)
    assert kept(0, 8, 0.99) == 0.0
    assert kept(4, 8, 0.999) == pytest.approx(4 / 8)


def test_swapped_weights_are_swapped_back_even_after_an_error() -> None:
    brain = fresh_brain(every_steps=1)
    before = {name: tensor.clone() for name, tensor in brain.state().model.items()}
    for seed in range(5):
        brain.learn(batch(seed))
    fast = {name: tensor.clone() for name, tensor in brain.state().model.items()}
    rows, mask = batch(9).bytes, batch(9).mask
    own = brain.score(rows, mask)
    with brain.stable_weights():
        assert not torch.equal(brain.score(rows, mask), own)
    with pytest.raises(RuntimeError, match="on purpose"), brain.stable_weights():
        raise RuntimeError("on purpose")
    assert torch.equal(brain.score(rows, mask), own)
    assert all(torch.equal(tensor, fast[name]) for name, tensor in brain.state().model.items())
    assert any(not torch.equal(before[name], fast[name]) for name in fast)


def test_averages_survive_a_restart_and_learning_continues_exactly() -> None:
    brain, twin = fresh_brain(consistency_every_steps=2), fresh_brain(consistency_every_steps=2)
    for seed in range(12):
        brain.learn(batch(seed))
    twin.load(brain.state())
    for seed in range(12, 30):
        brain.learn(batch(seed))
        twin.learn(batch(seed))
    one, other = brain.state(), twin.state()
    assert one.counters == other.counters
    for own, theirs in ((one.model, other.model), (one.learning, other.learning)):
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in own.items())


def test_an_average_teaches_only_rows_of_which_it_is_surer() -> None:
    brain = fresh_brain(every_steps=1)
    for seed in range(30):
        brain.learn(batch(seed))
    rows = batch(7).bytes
    symbols, _ = ByteCodec().encode(rows, batch(7).mask, None)
    with torch.no_grad():
        logits = brain.reader(len(rows)).read(rows)
    knows = torch.nn.functional.one_hot(rows.long(), 256).float().mul(9.0).log_softmax(dim=-1)
    knows_nothing = torch.zeros_like(knows).log_softmax(dim=-1)

    def taught(log_probs: torch.Tensor) -> float:
        targets = SoftTargets(row=torch.arange(len(rows)), log_probs=log_probs, weight=1.0)
        return targets.loss(logits, symbols, 30.0).item()

    assert taught(knows_nothing) == 0.0
    half = torch.cat([knows[:2], knows_nothing[2:]])
    assert taught(knows) > taught(half) > 0.0


def test_replayed_rows_learn_from_slow_weights_that_know_more() -> None:
    knowing, taught = fresh_brain(), fresh_brain(consistency_every_steps=1)
    alone = fresh_brain(consistency_every_steps=0)
    for seed in range(60):
        knowing.learn(batch(seed))
    for student in (taught, alone):
        student.learn(batch(0))
        for slow in student.averages.slow.values():
            for name, tensor in slow.items():
                tensor.copy_(knowing.state().model[name])
        student.learn(batch(1))
    one, other = taught.state().model, alone.state().model
    assert not all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_dream_learns_at_its_rate_and_consolidates_faster() -> None:
    brain = fresh_brain(every_steps=1)
    assert isinstance(brain, Sleeper)
    for seed in range(5):
        brain.learn(batch(seed))
    report = brain.dream(batch(5, live=0, replayed=4), rate_factor=0.1)
    assert report.num_bytes == 0
    assert report.replay_loss is not None
    assert report.learning_rate == pytest.approx(0.1 * brain.optimizer.rate(5, 1.0))


def test_without_averages_there_is_nothing_to_sleep_with() -> None:
    brain = fresh_brain(every_steps=0)
    assert not brain.has_slow_weights
    brain.learn(batch(0))
    assert not [name for name in brain.state().learning if name.startswith("average|")]
