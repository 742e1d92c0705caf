"""How a brain grows: the operators of brain.growth on its tensors, into a brain that is built afresh."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from brain.averaging.averages import PREFIX as AVERAGE_PREFIX
from brain.blocks.linear import initialize
from brain.blocks.loss import symbol_nats
from brain.blocks.span import Span
from brain.growth.operators import Growth, inherit, recycle, widen
from brain.growth.plan import WHOLE_PARTS, GrowthPlan
from brain.growth.signals import SiteProbe, probe_sites
from brain.online.learning_step import total_loss
from brain.plasticity.lasting_plasticity import START_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.online.learner import Learner
    from brain.online.network_spec import NetworkSpec
    from brain.online.online_brain import OnlineBrain
    from brain.ports import Batch, BrainState

PROBED_ROWS = 32


def grow(brain: OnlineBrain[Any], plan: GrowthPlan) -> Growth:
    """Build the grown architecture, load the old state and the new parts, and have the brain continue as that."""
    before = brain.state()
    grown = brain.grown_into(brain.spec.grown(plan), seed=0)
    if plan.operator in WHOLE_PARTS:
        growth = Growth(born=_new_parts(grown.spec, plan, before.model))
    else:
        growth = _new_units(brain.learner, plan, before.model)
    after = inherit(before, grown.state(), growth, plan)
    grown.load(replace(after, learning={**after.learning, **_followers(before, growth, plan, after)}))
    brain.become(grown)
    brain.plasticity.forget(plan.site, torch.tensor(plan.chosen, dtype=torch.int64))
    return growth


def probe(learner: Learner, batch: Batch, generator: torch.Generator) -> dict[str, SiteProbe]:
    """Signals of every site that is not frozen on the live rows of a batch, read from a reset state in float32."""
    live = (batch.lane >= 0).nonzero().squeeze(1)[:PROBED_ROWS]
    device = learner.device
    symbols, _ = learner.codec.encode(batch.bytes[live].to(device), batch.mask[live].to(device), None)
    span = Span.beginning(*symbols.ids.shape[:2], device=device, dtype=torch.float32)

    def loss() -> Tensor:
        done = learner.network(symbols, span, None)
        nats, _, _ = symbol_nats(done.logits, symbols.ids, learner.network.logit_cap)
        auxiliary = learner.network.auxiliary(done, symbols.read, torch.float32)
        return total_loss(nats.masked_fill(~symbols.valid, 0.0), symbols, auxiliary)

    return probe_sites(learner.layers, loss, generator)


def _new_units(learner: Learner, plan: GrowthPlan, weights: Mapping[str, Tensor]) -> Growth:
    """What a widening or a renewal changes."""
    site = learner.sites[plan.site]
    if plan.operator == "widen":
        return widen(
            weights,
            site,
            plan.units,
            newborns=plan.newborns,
            pair_scale=plan.pair_scale,
            seed=plan.seed,
        )
    chosen = torch.tensor(plan.chosen, dtype=torch.int64, device=weights[site.incoming[0]].device)
    return Growth(axes=site.axes, renewed=recycle(weights, site, chosen, seed=plan.seed))


def _new_parts(spec: NetworkSpec, plan: GrowthPlan, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a part that was not there before, as they begin; its output is zero."""
    device = next(iter(before.values())).device
    network = spec.network()
    initialize(network, torch.Generator().manual_seed(plan.seed))
    return {name: t.to(device) for name, t in network.state_dict().items() if name not in before}


def _followers(before: BrainState, growth: Growth, plan: GrowthPlan, after: BrainState) -> dict[str, Tensor]:
    """Averages and first weights of which only a part is new: slices of renewed units, or a whole part."""
    followed = {}
    for name, tensor in after.learning.items():
        if not name.startswith((AVERAGE_PREFIX, START_PREFIX)):
            continue
        weight = name.rpartition("|")[2]
        if weight in growth.axes and weight in growth.renewed and name in before.learning:
            axis = growth.axes[weight]
            units = torch.tensor(plan.chosen, dtype=torch.int64, device=tensor.device)
            fresh = growth.renewed[weight].index_select(axis, units)
            followed[name] = before.learning[name].index_copy(axis, units, fresh)
        elif weight in growth.born and weight not in growth.axes:
            followed[name] = growth.born[weight]
    return followed
