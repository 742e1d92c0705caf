"""Learning for long on a stream that shifts: how fast an aged brain takes up what is new, beside a new one.

The tiny preset's brain reads the standard library's source, its 256 bytes permuted again in every phase: each
phase is a source never seen before. Brains of one seed live through all phases: one as any brain is, which renews its
hidden units and draws its matrices back to where they began; one that does neither (naive); and one for each peer of
plasticity: continual backprop, which renews units alone, self-normalised resets and spectral regularisation
(`benchmarks/peers/plasticity.py`). All are one network with one activation, and make one update a batch. In the
last phases new brains start beside them, on the very same batches. A phase's threshold is the smoothed loss that the
new brains reach, on average, in half of it; what counts is the steps an aged brain takes to get there, over those of
the new ones. An aged brain that never gets there counts with the whole phase. No replay and no sleep: what is
forgotten is not the question here. Settings were chosen on seeds below 100, those of the peers by
`python -m benchmarks.tuned_plasticity`.
"""

from __future__ import annotations

import statistics
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.peers.plasticity import SelfNormalisedResets, SpectralRegularisation
from benchmarks.result import Result, Spread, count_of, judged
from brain.build import fresh_brain
from brain.models.synapse.synapse_brain import Synapse
from brain.plasticity.activations import recorded_activations
from brain.plasticity.config import BrainPlasticityConfig
from brain.plasticity.health import dormant_share, effective_rank, weight_norm
from brain.plasticity.unit_slices import UnitSlices
from brain.ports import Batch
from daemon.config.loading import resolve_config

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_MOST = 1.10  # × the steps of a new brain
ROWS, ROW_BYTES = 8, 32  # as the tiny preset reads
SMOOTHED_STEPS = 25
TEXT_BYTES = 4_000_000
Activations = Mapping[str, Tensor]
Follow = Callable[[Activations], int]
"""Called after each update with the activations of every site; how many units were renewed."""


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What keeps a brain plastic: settings of its own, and what else follows each of its updates."""

    plasticity: Mapping[str, Any] = field(default_factory=dict)
    peer: Callable[[Synapse, int], Follow | None] = lambda _brain, _seed: None


RESET_EVERY_STEPS = 500  # of a phase
NEITHER = {"replacement_rate": 0.0, "l2_init": 0.0}
# Units count their steps one by one, as those of ours do, and none is ever due.
RESET_BY_ANOTHER = {"replacement_rate": 1e-12, "l2_init": 0.0, "every_steps": 1_000_000}


def self_normalised_resets(rejected: float) -> Arm:
    """Units that keep silent for too long are reset."""

    def peer(brain: Synapse, seed: int) -> Follow:
        # A unit that carries a state never is silent: its activation is above zero.
        sites = {name: site for name, site in brain.sites().items() if not site.carried}
        resets = SelfNormalisedResets(
            sites, slices_of(brain), rejected=rejected, every_steps=RESET_EVERY_STEPS, seed=seed
        )

        def follow(activations: Activations) -> int:
            return resets.follow({name: (activations[name].flatten(0, -2) > 0).any(0) for name in sites})

        return follow

    return Arm(plasticity=RESET_BY_ANOTHER, peer=peer)


def spectral_regularisation(strength: float) -> Arm:
    """Largest singular values are drawn to 1, of the matrices and embeddings that ours draws back to their start."""

    def peer(brain: Synapse, seed: int) -> None:
        left_out = ("bigram.table", "conv")
        SpectralRegularisation(strength=strength, seed=seed).attach(
            {
                name: weight
                for name, weight in brain.network.named_parameters()
                if not any(part in name for part in left_out)
            }
        )

    return Arm(plasticity=NEITHER, peer=peer)


def slices_of(brain: Synapse) -> UnitSlices:
    """The tensors around the units of a brain."""
    weights = {
        name: brain.network.get_parameter(name).detach()
        for site in brain.sites().values()
        for name in site.axes
    }
    incoming = [name for site in brain.sites().values() for name in site.incoming]
    return UnitSlices(
        weights=weights,
        moments={name: brain.optimizer.unit_moments(name) for name in weights},
        followers={name: tuple(own[name] for own in brain.averages.slow.values()) for name in weights},
        spread={name: weights[name].shape[1] ** -0.5 for name in incoming},
    )


ARMS = {
    "ours": Arm(),  # the defaults of every brain
    "naive": Arm(plasticity=NEITHER),
    "continual backprop": Arm(plasticity={"l2_init": 0.0}),
    "self-normalised resets": self_normalised_resets(rejected=0.01),
    "spectral regularisation": spectral_regularisation(strength=1e-3),
}


@dataclass(frozen=True, kw_only=True)
class Length:
    """How long a life is, and how much of its end is looked at."""

    phases: int
    phase_steps: int
    judged_phases: int
    new_brains: int
    seeds: tuple[int, ...]


SEEDS = (100, 101, 102, 103, 104)
SHORT = Length(phases=30, phase_steps=500, judged_phases=5, new_brains=2, seeds=SEEDS)
LONG = Length(phases=300, phase_steps=500, judged_phases=8, new_brains=2, seeds=SEEDS)


@dataclass
class Life:
    """What one aged brain came to: steps of each judged phase, and how it fares at the end."""

    steps: list[int] = field(default_factory=list)
    health: dict[str, float] = field(default_factory=dict)


def run(*, long: bool) -> list[Result]:
    """Ratio of steps to the threshold in the last phases, mean over them and over seeds."""
    return [measure(LONG if long else SHORT, long=long)]


def measure(length: Length, *, long: bool = False) -> Result:
    """All arms through lives of one length."""
    text = read_text()
    ratios: dict[str, list[float]] = {name: [] for name in ARMS}
    details: dict[str, Any] = {"length": vars(length) | {"seeds": list(length.seeds)}}
    for seed in length.seeds:
        new_steps, lives = live(text, length, seed)
        for name, life in lives.items():
            ratios[name].append(statistics.fmean(life.steps) / statistics.fmean(new_steps))
        details[f"seed {seed}"] = {
            "new_steps": new_steps,
            **{name: {"steps": life.steps, **life.health} for name, life in lives.items()},
        }
        print(
            f"seed {seed}: " + ", ".join(f"{name} {found[-1]:.3f}" for name, found in ratios.items()),
            flush=True,
        )
    mean = {name: statistics.fmean(found) for name, found in ratios.items()}
    spread = ", ".join(f"{ratio:.2f}" for ratio in ratios["ours"])
    return judged(
        "lasting_plasticity",
        measures=f"steps to a new brain's loss on a fresh source, after {length.phases * length.phase_steps:,}"
        f" steps of a shifting stream, over the new brain's; mean of {count_of(length.seeds)} "
        f"({length.seeds[0]} to {length.seeds[-1]})",
        ours=mean["ours"],
        unit="× new brain",
        at_most=AT_MOST,
        peers={name: ratio for name, ratio in mean.items() if name != "ours"},
        long=long,
        spread=Spread.over(
            "seeds", ratios["ours"], {name: of for name, of in ratios.items() if name != "ours"}
        ),
        details={
            **details,
            "ratios": ratios,
            "note": f"Ours by seed: {spread}.",
        },
    )


def live(
    text: Tensor, length: Length, seed: int, arms: Mapping[str, Arm] = ARMS
) -> tuple[list[int], dict[str, Life]]:
    """Steps of the new brains in each judged phase, and the lives of the arms."""
    aged = {name: new_brain(seed, arm.plasticity) for name, arm in arms.items()}
    follow = {name: arm.peer(aged[name], seed) for name, arm in arms.items()}
    lives: dict[str, Life] = {name: Life() for name in arms}
    new_steps = []
    for phase in range(length.phases):
        batches = list(source(text, phase, length.phase_steps, seed))
        curves = {name: learn(brain, batches, follow[name]) for name, brain in aged.items()}
        if phase < length.phases - length.judged_phases:
            continue
        fresh = [
            new_brain(1000 * (seed + 1) + index, ARMS["ours"].plasticity)
            for index in range(length.new_brains)
        ]
        mean = torch.stack([learn(brain, batches) for brain in fresh]).mean(0)
        threshold = float(smoothed(mean)[length.phase_steps // 2 - 1])
        new_steps.append(steps_to(threshold, mean))
        for name, life in lives.items():
            life.steps.append(steps_to(threshold, curves[name]))
    for name, life in lives.items():
        life.health = health(aged[name], batches[0])
    return new_steps, lives


def new_brain(seed: int, plasticity: Mapping[str, Any]) -> Synapse:
    """A brain of the tiny preset."""
    config = resolve_config(preset="tiny", overrides={}, environ={})
    brain = fresh_brain(
        config.brain,
        optimizer=replace(config.optimizer, plasticity=BrainPlasticityConfig(**plasticity)),
        lanes=ROWS,
        device=torch.device("cpu"),
        seed=seed,
    )
    assert isinstance(brain, Synapse)
    return brain


def read_text() -> Tensor:
    """Source of the standard library, uint8."""
    folder, text = Path(sysconfig.get_paths()["stdlib"]), bytearray()
    for path in sorted(folder.glob("*.py")):
        text += path.read_bytes()
        if len(text) >= TEXT_BYTES:
            break
    return torch.frombuffer(text, dtype=torch.uint8)


def source(text: Tensor, phase: int, steps: int, seed: int) -> Iterator[Batch]:
    """The batches of a phase: each lane reads on in the text, in an alphabet of the phase's own."""
    generator = torch.Generator().manual_seed(1_000_003 * seed + phase)
    alphabet = torch.randperm(256, generator=generator).to(torch.uint8)
    begin = torch.randint(0, len(text), (ROWS,), generator=generator)
    within = torch.arange(ROW_BYTES)
    for step in range(steps):
        rows = alphabet[text[(begin[:, None] + step * ROW_BYTES + within) % len(text)].long()]
        yield Batch(
            bytes=rows,
            mask=torch.ones_like(rows, dtype=torch.bool),
            lane=torch.arange(ROWS),
            reset=torch.full((ROWS,), step == 0),
            source=torch.full((ROWS,), phase),
        )


def learn(brain: Synapse, batches: list[Batch], follow: Follow | None = None) -> Tensor:
    """Prequential loss of each step, nats per byte."""
    if follow is None:
        return torch.tensor([brain.learn(batch).loss for batch in batches], dtype=torch.float64)
    losses = []
    with recorded_activations(brain.learner.layers) as activations:
        for batch in batches:
            losses.append(brain.learn(batch).loss)
            brain.counters["renewed"] += follow(activations)
    return torch.tensor(losses, dtype=torch.float64)


def smoothed(curve: Tensor) -> Tensor:
    """Mean over the last steps, at each step as many as there are."""
    total = curve.cumsum(0)
    before = torch.cat([total.new_zeros(SMOOTHED_STEPS), total])[: len(curve)]
    return (total - before) / torch.arange(1, len(curve) + 1).clamp(max=SMOOTHED_STEPS)


def steps_to(threshold: float, curve: Tensor) -> int:
    """Steps until the smoothed loss has come down to the threshold; all of them when it never does.

    The first `SMOOTHED_STEPS` are too few to tell.
    """
    reached = (smoothed(curve)[SMOOTHED_STEPS:] <= threshold).nonzero()
    return SMOOTHED_STEPS + 1 + int(reached[0]) if len(reached) else len(curve)


def health(brain: Synapse, batch: Batch) -> dict[str, float]:
    """Dormant share, effective rank over width, weight norm and renewed units at the end of a life."""
    renewed = brain.counters["renewed"]
    with recorded_activations(brain.learner.layers) as activations:
        brain.learn(batch)
    units = [activity.flatten(0, -2).float() for activity in activations.values()]
    weights = [weight for name, weight in brain.state().model.items() if "bigram" not in name]
    return {
        "dormant_share": statistics.fmean(dormant_share(activity) for activity in units),
        "effective_rank": statistics.fmean(
            effective_rank(activity) / min(activity.shape) for activity in units
        ),
        "weight_norm": weight_norm(weights),
        "renewed": float(renewed),
    }
