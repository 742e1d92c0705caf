"""A brain lives on a device that knows no float64: nothing of it, and nothing that looks at it, needs one there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain import devices
from brain.blocks.rope import Rope
from brain.growth.apply import apply_growth
from brain.growth.plan import GrowthPlan
from brain.models.synapse.config import SynapseConfig
from brain.models.synapse.synapse_brain import Synapse
from brain.optim.config import OptimizerConfig
from brain.plasticity.config import BrainPlasticityConfig
from brain.ports import Batch, BrainState, Moment
from brain.vitals.build_vitals import build_vitals
from brain.vitals.config import VitalsConfig
from tests.limited_device import DEVICE, Elsewhere, RefusedError, limited_device

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")
LANES, LENGTH = 6, 24
MIXERS: Any = ("mingru", "attention", "ssd", "rwkv7")
EAGER = BrainPlasticityConfig(
    replacement_rate=0.2, maturity_steps=1, every_steps=1, shrink=0.1, perturb=0.1, perturb_every_steps=2
)


@pytest.fixture(autouse=True)
def _limited(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(devices, "_WITHOUT_FLOAT64", frozenset({DEVICE.type}))
    with limited_device():
        yield


def make(
    device: torch.device = DEVICE,
    *,
    layers: Any = MIXERS[:2],
    kind: str = "adamw",
    precision: str = "fp32",
) -> Synapse:
    config = SynapseConfig(
        hidden_size=8, layers=layers, num_heads=2, window=16, mlp_ratio=2,
        bigram_size=2, self_model_size=4, precision="bf16" if precision == "bf16" else "fp32",
    )  # fmt: skip
    optimizer = OptimizerConfig(kind="muon" if kind == "muon" else "adamw", warmup_steps=2, plasticity=EAGER)
    return Synapse.build(config, optimizer=optimizer, lanes=LANES, device=device, seed=0)


def batch(seed: int, *, replayed: int = 0, device: torch.device = CPU) -> Batch:
    rows = LANES + replayed
    generator = torch.Generator().manual_seed(seed)
    lane = torch.tensor([*range(LANES), *[-1] * replayed])
    return Batch(
        bytes=torch.randint(97, 105, (rows, LENGTH), generator=generator, dtype=torch.uint8).to(device),
        mask=torch.ones(rows, LENGTH, dtype=torch.bool).to(device),
        lane=lane.to(device),
        reset=(lane < 0).to(device),
        source=torch.zeros(rows, dtype=torch.int64).to(device),
    )


def everything(state: BrainState) -> dict[str, torch.Tensor]:
    return {**state.model, **state.learning}


def on_the_cpu(state: BrainState) -> BrainState:
    """As a checkpoint holds it."""
    return BrainState(
        model={name: t.cpu() for name, t in state.model.items()},
        learning={name: t.cpu() for name, t in state.learning.items()},
        counters=json.loads(json.dumps(dict(state.counters))),
        spec=json.loads(json.dumps(dict(state.spec))),
    )


def assert_all_there(brain: Synapse) -> None:
    tensors = {**everything(brain.state()), **dict(brain.network.named_buffers())}
    assert {name for name, tensor in tensors.items() if not isinstance(tensor.data, Elsewhere)} == set()


def test_the_device_refuses_float64_and_tensors_of_another_place() -> None:
    with pytest.raises(RefusedError, match="float64"):
        torch.zeros(3, dtype=torch.float64, device=DEVICE)
    with pytest.raises(RefusedError, match="float64"):
        torch.zeros(3, dtype=torch.float64).to(DEVICE)
    with pytest.raises(RefusedError, match="float64"):
        torch.zeros(3, device=DEVICE).double()
    with pytest.raises(RefusedError, match="different devices"):
        torch.zeros(3, device=DEVICE) + torch.zeros(3)
    assert devices.widened(torch.ones(3, device=DEVICE)).dtype == torch.float64
    with pytest.raises(RefusedError, match="float64"):
        Rope(4, longest=8).double().to(DEVICE)


@pytest.mark.parametrize(("kind", "precision"), [("adamw", "bf16"), ("muon", "fp32")])
def test_it_is_born_learns_and_sleeps_there(kind: str, precision: str) -> None:
    brain = make(layers=MIXERS, kind=kind, precision=precision)
    assert_all_there(brain)
    losses = [brain.learn(batch(0, replayed=2, device=DEVICE)).loss for _ in range(5)]
    assert losses[-1] < losses[0]
    assert brain.counters["renewed"] > 0
    assert brain.dream(batch(3, replayed=2, device=DEVICE), rate_factor=0.5).applied
    assert_all_there(brain)


def test_it_scores_speaks_and_is_watched_there() -> None:
    brain, twin = make(), make(CPU)
    for seed in range(3):
        assert brain.learn(batch(seed)).loss == pytest.approx(twin.learn(batch(seed)).loss, rel=1e-4)
    rows, mask = batch(5).bytes, torch.ones(LANES, LENGTH, dtype=torch.bool)
    for spoken in (brain, twin):
        nats = spoken.score(rows, mask)
        assert (nats.device, nats.dtype) == (CPU, torch.float64)
    torch.testing.assert_close(brain.score(rows, mask), twin.score(rows, mask), rtol=1e-4, atol=1e-4)
    generator = torch.Generator().manual_seed(1)
    output = list(brain.generate(b"abc", max_bytes=5, temperature=0.8, top_p=0.9, generator=generator))
    assert len(output) == 5
    with brain.stable_weights():
        brain.score(rows, mask)
    nudged = brain.observe(rows, inject={"blocks.1.mlp": torch.ones(LANES, LENGTH, 8)})
    assert {activity.dtype for activity in nudged.values()} == {torch.float32}


def test_every_vital_sign_is_measured_over_it() -> None:
    brain = make()
    signs = build_vitals(VitalsConfig(), seed=0)
    readings: dict[str, Any] = {}
    for step in range(1, 4):
        own = batch(step, device=DEVICE)
        moment = Moment(
            step=step, brain=brain, batch=own, report=brain.learn(own), training_seconds=float(step)
        )
        for sign in signs:
            sign.observe(moment)
        readings = {sign.name: sign.measure(moment) for sign in signs}
    failed = {name: reading.reason for name, reading in readings.items() if "failed" in reading.detail}
    assert failed == {}
    for sign in signs:
        assert not any(isinstance(tensor, Elsewhere) for tensor in sign.state_tensors().values())


@pytest.mark.parametrize("operator", ["widen", "recycle", "deepen", "expert", "column"])
def test_it_grows_there_and_continues_after_a_restart(operator: Any) -> None:
    brain = make()
    brain.learn(batch(0))
    probes = brain.probe_sites(batch(4), torch.Generator().manual_seed(0))
    assert all(torch.isfinite(torch.tensor(probe.birth_gradient)) for probe in probes.values())
    site, sites = "blocks.1.mlp", brain.sites()
    (name, width, units_of_column), expert = brain.spec.newborn_column(), sites[site].expert
    assert expert is not None
    units = {
        "widen": 4, "recycle": 2, "deepen": sites[site].deeper_units, "column": units_of_column,
        "expert": expert.units,
    }[operator]  # fmt: skip
    plan = GrowthPlan(
        operator=operator, site=name if operator == "column" else site, units=units, trigger="by_hand",
        reason="", chosen=(1, 3) if operator == "recycle" else (), width=width if operator == "column" else 0,
    )  # fmt: skip
    apply_growth(brain, plan, max_neurons=10_000)
    assert brain.learn(batch(5)).applied
    assert_all_there(brain)
    stored = on_the_cpu(brain.state())
    again = Synapse.from_spec(
        stored.spec, optimizer=brain.optimizer.config, lanes=LANES, device=DEVICE, seed=9
    )
    again.load(replace(stored))
    assert_all_there(again)
    assert [again.learn(batch(seed)).loss for seed in (6, 7)] == [
        brain.learn(batch(seed)).loss for seed in (6, 7)
    ]
