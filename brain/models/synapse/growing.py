"""How a SYNAPSE brain grows: the operators of brain.growth on its tensors, by way of its own restart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.averaging.averages import PREFIX as AVERAGE_PREFIX
from brain.blocks.byte_loss import byte_nats
from brain.blocks.span import Span
from brain.growth.operators import Growth, inherit, recycle, widen
from brain.growth.plan import BY_HAND, WHOLE_PARTS, Birth, GrowthPlan
from brain.growth.signals import SiteProbe, probe_sites
from brain.models.synapse.network import SynapseNetwork
from brain.plasticity.lasting import START_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.models.synapse.model import Synapse
    from brain.ports import Batch, BrainState

PROBED_ROWS = 32


def grow(brain: Synapse, plan: GrowthPlan) -> Growth:
    """Build the grown architecture in place of the old one, and load all that the brain had and was born."""
    # What the optimizer and the lanes hold is about to be let go: the references in `before` keep it.
    before = brain.state()
    grown = brain.spec.grown(plan)
    growth = _born(brain, plan, before.model)
    brain.rebuild(grown.to_json())
    if plan.operator in WHOLE_PARTS:
        growth = Growth(born=_begun(brain, plan, before.model))
    after = inherit(before, brain.state(), growth, plan)
    brain.load(replace(after, learning={**after.learning, **_followers(before, growth, plan, after)}))
    brain.plasticity.forget(plan.site, torch.tensor(plan.chosen, dtype=torch.int64))
    return growth


def next_column(brain: Synapse) -> Birth:
    """The column that can be born beside all that is there, which is then frozen but for the self model."""
    name, width, units = brain.spec.next_column
    plan = GrowthPlan(
        operator="column", site=name, units=units, width=width, trigger=BY_HAND, reason="as if it were born"
    )
    with torch.device("meta"):  # built without memory, to be counted
        grown = SynapseNetwork(brain.spec.grown(plan))
    learning = {name for name, weight in grown.named_parameters() if weight.requires_grad}
    return Birth(
        name=name,
        units=units,
        width=width,
        parameters=sum(weight.numel() for weight in grown.columns[-1].parameters()),
        freezes=sum(
            weight.numel()
            for name, weight in brain.network.named_parameters()
            if weight.requires_grad and name not in learning
        ),
    )


def probe(brain: Synapse, batch: Batch, generator: torch.Generator) -> dict[str, SiteProbe]:
    """Signals of every site that is not frozen on the live rows of a batch, read from a reset state in float32."""
    live = (batch.lane >= 0).nonzero().squeeze(1)[:PROBED_ROWS]
    rows, mask = batch.bytes[live].to(brain.device), batch.mask[live].to(brain.device)
    span = Span.beginning(*rows.shape, device=brain.device, dtype=torch.float32)

    def loss() -> Tensor:
        done = brain.network(rows, span, None, valid=mask)
        nats, _, _ = byte_nats(done.logits, rows, brain.spec.config.logit_cap)
        mean = nats.masked_fill(~mask, 0.0).sum() / mask.sum().clamp(min=1)
        states = done.states.detach()
        apart = (brain.network.self_model(states[:, :-1]) - states[:, 1:]).square().mean()
        total: Tensor = mean + brain.spec.config.self_model_weight * apart
        return total

    return probe_sites(brain.network.growth_modules(), loss, generator)


def _born(brain: Synapse, plan: GrowthPlan, weights: Mapping[str, Tensor]) -> Growth:
    """What a widening or a renewal changes; a whole part is known only once it is there."""
    if plan.operator in WHOLE_PARTS:
        return Growth()
    site = brain.network.unit_tensors(plan.site)
    if plan.operator == "widen":
        return widen(
            weights,
            site,
            plan.units,
            newborns=plan.newborns,
            pair_scale=plan.pair_scale,
            seed=plan.seed,
        )
    chosen = torch.tensor(plan.chosen, dtype=torch.int64, device=brain.device)
    return Growth(axes=site.axes, renewed=recycle(weights, site, chosen, seed=plan.seed))


def _followers(before: BrainState, growth: Growth, plan: GrowthPlan, after: BrainState) -> dict[str, Tensor]:
    """Slow and first weights of which only a part is new: slices of renewed units, or a whole part."""
    followed = {}
    for name, tensor in after.learning.items():
        if not name.startswith((AVERAGE_PREFIX, START_PREFIX)):
            continue
        weight = name.rpartition("|")[2]
        if weight in growth.axes and weight in growth.renewed and name in before.learning:
            axis = growth.axes[weight]
            units = torch.tensor(plan.chosen, dtype=torch.int64, device=tensor.device)
            born = growth.renewed[weight].index_select(axis, units)
            followed[name] = before.learning[name].index_copy(axis, units, born)
        elif weight in growth.born and weight not in growth.axes:
            followed[name] = growth.born[weight]
    return followed


def _begun(brain: Synapse, plan: GrowthPlan, before: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a part that was not there before, as it begins; what it says is nought."""
    fresh = type(brain)(
        brain.spec, optimizer=brain.optimizer.config, lanes=1, device=brain.device, seed=plan.seed
    )
    return {name: tensor.clone() for name, tensor in fresh.state().model.items() if name not in before}
