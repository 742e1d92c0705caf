"""Growing a layer of a byte learner: its outputs, the loss afterwards, and whether its new units learn.

A small language learner (eight bytes in, the next one out) reads the standard library's sources with Adam
(1e-3, 0.9, 0.999). Its one hidden layer grows from 16 to 20 and from 256 to 282 units; then it and a twin
that did not grow read the very same batches for 100 steps. It grows after 100 steps, at the end of warm-up; the
long form grows it after 50, 500 and 2,000 too.

Peers grow the same learner with plain matrix products, as they would elsewhere: a product of another length may
be summed in another order, so that even zeros in the new columns move a logit by a few units in its last place.
"""

from __future__ import annotations

import itertools
import math
import statistics
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.result import Result, Spread, judged
from brain.blocks.linear import initialize
from brain.blocks.mlp import MLP
from brain.blocks.norm import rms_norm
from brain.growth.config import GrowthConfig
from brain.growth.operators import Growth, inherit, widen
from brain.growth.plan import GrowthPlan, Newborns
from brain.growth.signals import calibrated_scale, probe_sites
from brain.growth.site import Site
from brain.optim.config import OptimizerConfig
from brain.optim.online_optimizer import OnlineOptimizer
from brain.optim.parameter_groups import groups_by_shape
from brain.ports import BrainState
from brain.tensors import copy_named

if TYPE_CHECKING:
    from collections.abc import Callable

CONTEXT, EMBEDDING, ROWS, PROBE_ROWS = 8, 16, 256, 1024
STEPS_AFTER, LAST_STEPS = 100, 10
STEPS_BEFORE, STEPS_LONG = (100,), (50, 100, 500, 2000)
SIZES = ((16, 4), (256, 26))
ADAM = OptimizerConfig(learning_rate=1e-3, betas=(0.9, 0.999))
SITE = Site(units=0, incoming=("mlp.into.weight",), outgoing=("mlp.out.weight",))
DELTA_MAX, SPIKE_PERCENT_MAX, GRADIENT_MIN = 2e-6, 0.3, 0.5


class ByteLearner(nn.Module):
    """Logits (B, 256) of the next byte from the last eight, int64 (B, 8)."""

    def __init__(self, hidden: int, *, born_hidden: int | None = None) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.empty(256, EMBEDDING))
        self.mlp = MLP(CONTEXT * EMBEDDING, hidden=hidden, born_hidden=born_hidden, out_size=256)

    def initialize(self, generator: torch.Generator) -> None:
        """Draw the embedding."""
        with torch.no_grad():
            self.embedding.normal_(generator=generator)

    def forward(self, context: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """The logits, in the precision `dtype`."""
        y: Tensor = self.mlp(rms_norm(self.embedding[context].flatten(1), dtype))
        return y


@dataclass
class Learner:
    """A network with its optimizer, and how many steps it has taken."""

    network: ByteLearner
    optimizer: OnlineOptimizer
    step: int = 0

    @classmethod
    def new(cls, hidden: int, *, seed: int = 0, born_hidden: int | None = None) -> Learner:
        """A learner of `hidden` units; where only `born_hidden` were born with it, each counts its own steps."""
        network = ByteLearner(hidden, born_hidden=born_hidden)
        initialize(network, torch.Generator().manual_seed(seed))
        axes = None if born_hidden is None else SITE.axes
        return cls(network, OnlineOptimizer(network, ADAM, groups_by_shape(network), unit_axes=axes))

    def state(self) -> BrainState:
        """A copy of weights and moments."""
        return BrainState(
            model={name: tensor.detach().clone() for name, tensor in self.network.state_dict().items()},
            learning={name: tensor.clone() for name, tensor in self.optimizer.tensors().items()},
            counters={"step": self.step},
            spec={},
        )

    def load(self, state: BrainState, *, moments: bool = True) -> Learner:
        """Take over a state, or its weights alone."""
        copy_named([("model", state.model, self.network.state_dict())])
        if moments:
            copy_named([("learning", state.learning, self.optimizer.tensors())])
        self.step = int(state.counters["step"])
        return self

    def learn(self, context: Tensor, following: Tensor) -> None:
        """Gather the gradient of a batch."""
        loss = functional.cross_entropy(self.network(context), following)
        loss.backward()  # type: ignore[no-untyped-call]

    def update(self) -> None:
        """Take one step along it."""
        self.optimizer.gather()
        self.optimizer.step(self.step, 1.0)
        self.step += 1


class Text:
    """Batches of the standard library's sources, and held-out rows; the same for the same step and seed."""

    def __init__(self) -> None:
        folder = Path(sysconfig.get_path("stdlib"))
        content = b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))
        self.bytes = torch.frombuffer(bytearray(content), dtype=torch.uint8).long()
        self.split = len(self.bytes) * 9 // 10

    def batch(self, step: int, seed: int) -> tuple[Tensor, Tensor]:
        """Contexts and the byte that follows each."""
        return self._rows(0, self.split, ROWS, seed * 1_000_000 + step)

    def held_out(self) -> tuple[Tensor, Tensor]:
        """The same of text that is never learned."""
        return self._rows(self.split, len(self.bytes), PROBE_ROWS, 7)

    def _rows(self, first: int, end: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        start = torch.randint(first, end - CONTEXT, (count,), generator=generator)
        window = self.bytes[start[:, None] + torch.arange(CONTEXT + 1)]
        return window[:, :CONTEXT], window[:, CONTEXT]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One growth.

    Attributes:
        delta: largest change of a logit at birth.
        delta_bf16: the same in bfloat16, whose unit in the last place of the largest logit is `ulp_bf16`.
        spike_percent: held-out loss over the twin's, at its worst from birth to the last step.
        end_percent: the same after the last step.
        gradient: of a new unit's incoming weights over an old one's, at the end.
        outgoing_gradient: the same of outgoing weights.
    """

    delta: float
    delta_bf16: float
    ulp_bf16: float
    spike_percent: float
    end_percent: float
    gradient: float
    outgoing_gradient: float


def run(*, long: bool) -> list[Result]:
    """All three criteria for both sizes, with Net2Net, a reset optimizer and zero outgoing weights as peers."""
    text, seeds = Text(), range(10, 15)
    results = []
    for (hidden, born), steps_before in itertools.product(SIZES, STEPS_LONG if long else STEPS_BEFORE):
        outcomes: dict[str, list[Outcome]] = {name: [] for name in GROWERS}
        for seed in seeds:
            learner = Learner.new(hidden, seed=seed)
            for step in range(steps_before):
                learner.learn(*text.batch(step, seed))
                learner.update()
            twin = _follow(Learner.new(hidden).load(learner.state()), text, seed).losses
            for name, grower in GROWERS.items():
                outcomes[name].append(_outcome(learner, grower(learner, born, text), twin, text, seed))
        after = "" if steps_before in STEPS_BEFORE else f"_after_{steps_before}"
        results += _judged(f"growth_exactness.{hidden}_to_{hidden + born}{after}", outcomes, long=long)
    return results


def ours(learner: Learner, born: int, text: Text) -> Learner:
    """Grow as a brain does: strength of pairs measured on the last batch, moments and steps kept."""
    network = learner.network
    context, following = text.batch(learner.step - 1, 0)
    probe = probe_sites(
        {"mlp": network.mlp},
        lambda: functional.cross_entropy(network(context), following),
        torch.Generator().manual_seed(1),
    )["mlp"]
    scale = calibrated_scale(GrowthConfig().newborn_gradient, probe)
    return _inherited(learner, born, newborns="pairs", pair_scale=scale, elders=network.mlp.hidden)


def zero_outgoing(learner: Learner, born: int, _text: Text) -> Learner:
    """Outgoing weights of new units begin at zero; moments and steps are kept."""
    return _inherited(
        learner, born, newborns="zero", pair_scale=0.0, elders=learner.network.mlp.hidden + born
    )


def _inherited(learner: Learner, born: int, *, newborns: Newborns, pair_scale: float, elders: int) -> Learner:
    """The learner with `born` units more; its first `elders` are summed by themselves."""
    before = learner.state()
    plan = GrowthPlan(operator="widen", site="mlp", units=born, trigger="", reason="")
    growth = widen(before.model, SITE, born, newborns=newborns, pair_scale=pair_scale, seed=1)
    grown = Learner.new(learner.network.mlp.hidden + born, born_hidden=elders)
    return grown.load(inherit(before, grown.state(), growth, plan))


def net2net(learner: Learner, born: int, _text: Text) -> Learner:
    """Net2WiderNet (Chen et al. 2016): copies of random units share their outgoing weights, with a little noise.

    Moments of the old units are kept, a copy takes its original's; one step count for all, as in torch's Adam.
    """
    generator = torch.Generator().manual_seed(1)
    before, hidden = learner.state(), learner.network.mlp.hidden
    source = torch.cat([torch.arange(hidden), torch.randint(0, hidden, (born,), generator=generator)])
    shares = torch.bincount(source, minlength=hidden)[source].float()
    model, learning = dict(before.model), dict(before.learning)
    for name, axis in SITE.axes.items():
        for key in ("exp_avg", "exp_avg_sq"):
            learning[f"{name}|{key}"] = learning[f"{name}|{key}"].index_select(axis, source)
        model[name] = model[name].index_select(axis, source)
    model["mlp.out.weight"] = model["mlp.out.weight"] / shares
    into = model["mlp.into.weight"].clone()
    noise = torch.randn(born, into.shape[1], generator=generator)
    into[hidden:] += 1e-2 * into.std() * noise  # without noise copies never part
    model["mlp.into.weight"] = into
    state = BrainState(model=model, learning=learning, counters=before.counters, spec={})
    return Learner.new(hidden + born).load(state)


def state_reset(learner: Learner, born: int, _text: Text) -> Learner:
    """Outgoing weights of new units begin at zero, and the optimizer starts over, as where it is rebuilt."""
    before = learner.state()
    growth: Growth = widen(before.model, SITE, born, newborns="zero", pair_scale=0.0, seed=1)
    state = BrainState(model=growth.follow(before.model), learning={}, counters=before.counters, spec={})
    return Learner.new(learner.network.mlp.hidden + born).load(state, moments=False)


GROWERS: dict[str, Callable[[Learner, int, Text], Learner]] = {
    "ours": ours,
    "zero outgoing": zero_outgoing,
    "Net2Net": net2net,
    "state reset": state_reset,
}


@dataclass(frozen=True)
class Course:
    """Held-out loss after each step; of the last steps a new unit's gradient over an old one's, in and out."""

    losses: list[float]
    incoming: list[float]
    outgoing: list[float]


def _follow(learner: Learner, text: Text, seed: int, elders: int | None = None) -> Course:
    """Learn for another `STEPS_AFTER` steps; units behind the first `elders` are new."""
    course = Course([], [], [])
    for after in range(STEPS_AFTER):
        learner.learn(*text.batch(learner.step, seed))
        if elders is not None and after >= STEPS_AFTER - LAST_STEPS:
            into, out = learner.network.mlp.into.weight.grad, learner.network.mlp.out.weight.grad
            assert into is not None
            assert out is not None
            course.incoming.append(_new_over_old(into.norm(dim=1), elders))
            course.outgoing.append(_new_over_old(out.norm(dim=0), elders))
        learner.update()
        course.losses.append(_held_out_loss(learner, text))
    return course


@torch.no_grad()
def _delta(before: Learner, grown: Learner, text: Text, dtype: torch.dtype) -> tuple[float, float]:
    """Largest change of a logit, and the unit in the last place of the largest logit."""
    context, _ = text.held_out()
    outputs = before.network(context, dtype).float()
    delta = (grown.network(context, dtype).float() - outputs).abs().max()
    return float(delta), 2.0 ** math.floor(math.log2(float(outputs.abs().max()))) * torch.finfo(dtype).eps


def _outcome(before: Learner, grown: Learner, twin: list[float], text: Text, seed: int) -> Outcome:
    delta, _ = _delta(before, grown, text, torch.float32)
    delta_bf16, ulp_bf16 = _delta(before, grown, text, torch.bfloat16)
    at_birth = _held_out_loss(grown, text) / _held_out_loss(before, text) - 1.0
    course = _follow(grown, text, seed, elders=before.network.mlp.hidden)
    above = [own / other - 1.0 for own, other in zip(course.losses, twin, strict=True)]
    return Outcome(
        delta=delta,
        delta_bf16=delta_bf16,
        ulp_bf16=ulp_bf16,
        spike_percent=100.0 * max(at_birth, *above),
        end_percent=100.0 * above[-1],
        gradient=statistics.mean(course.incoming),
        outgoing_gradient=statistics.mean(course.outgoing),
    )


def _judged(name: str, outcomes: dict[str, list[Outcome]], *, long: bool) -> list[Result]:
    own = outcomes["ours"]
    # Largest over seeds for what must not happen, mean for what is to be expected.
    delta = {who: max(one.delta for one in all_) for who, all_ in outcomes.items()}
    spike = {who: statistics.mean(one.spike_percent for one in all_) for who, all_ in outcomes.items()}
    gradient = {who: statistics.mean(one.gradient for one in all_) for who, all_ in outcomes.items()}
    end = {who: statistics.mean(one.end_percent for one in all_) for who, all_ in outcomes.items()}
    peers = [who for who in outcomes if who != "ours"]
    size = name.partition(".")[2].partition("_after")[0].replace("_to_", " → ") + " units"
    return [
        judged(
            f"{name}.delta",
            measures=f"{size}: largest change of a logit at birth, fp32",
            ours=delta["ours"],
            peers={who: delta[who] for who in peers},
            unit="logit",
            at_most=DELTA_MAX,
            long=long,
            details={
                "by_seed": [one.delta for one in own],
                "plain product of the new shape alone": delta["zero outgoing"],
                "bf16": max(one.delta_bf16 for one in own),
                "bf16 bound: one unit in the last place of the largest logit": min(
                    one.ulp_bf16 for one in own
                ),
            },
        ),
        judged(
            f"{name}.spike",
            measures=f"{size}: held-out loss over that of a twin that did not grow, at its worst in 100 steps",
            ours=spike["ours"],
            peers={who: spike[who] for who in peers},
            unit="%",
            at_most=SPIKE_PERCENT_MAX,
            long=long,
            details={
                "by_seed": [one.spike_percent for one in own],
                "after_100_steps": end,
            },
            spread=Spread.over("seeds", [one.spike_percent for one in own]),
        ),
        judged(
            f"{name}.gradient",
            measures=f"{size}: gradient of a new unit's incoming weights over an old one's, steps 91 to 100",
            ours=gradient["ours"],
            peers={who: gradient[who] for who in peers},
            unit="× old unit",
            at_least=GRADIENT_MIN,
            long=long,
            details={
                "by_seed": [one.gradient for one in own],
                "outgoing": statistics.mean(one.outgoing_gradient for one in own),
            },
            spread=Spread.over("seeds", [one.gradient for one in own]),
        ),
    ]


def _new_over_old(norms: Tensor, elders: int) -> float:
    return float(norms[elders:].mean() / norms[:elders].mean())


@torch.no_grad()
def _held_out_loss(learner: Learner, text: Text) -> float:
    context, following = text.held_out()
    return float(functional.cross_entropy(learner.network(context), following))
