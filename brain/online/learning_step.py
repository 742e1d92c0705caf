"""One step: read the batch, score it, learn from it, carry the state on, report.

Shapes: B rows of a batch, T bytes of a row, S symbols of a row, N scored units, d width of the reported state.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch

from brain.blocks.loss import cap_logits, symbol_nats
from brain.blocks.span import per_row
from brain.memory.hippocampus.bit_paths import path_probability
from brain.online.evidence import gather_states
from brain.online.remembering import MixedRows
from brain.plasticity.activations import EVIDENCE_PREFIX, evenly, recorded_activations
from brain.ports import Batch, StepReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from torch import Tensor

    from brain.codecs.codec import Symbols
    from brain.online.learner import Learner
    from brain.online.sequence_network import Auxiliary, Pass
    from brain.online.teaching import SoftTargets


def take_step(
    learner: Learner,
    counters: dict[str, Any],
    batch: Batch,
    *,
    rate_factor: float,
    asleep: bool,
    show_units: bool,
) -> StepReport:
    """Score the batch, then learn from it; if loss or gradient is not finite only `skipped` changes.

    Args:
        learner: what learns.
        counters: of the brain; changed in place.
        batch: what is read.
        rate_factor: share of the learning rate.
        asleep: every row learns from the stable average, too, and no unit is renewed.
        show_units: report the activations of hidden units in any case, not only when plasticity looks at them.
    """
    network, device = learner.network, learner.device
    rows, mask, lane, reset = (t.to(device) for t in (batch.bytes, batch.mask, batch.lane, batch.reset))
    symbols, carry = learner.lanes.encode(rows, mask, lane, reset)
    targets = _targets(learner, counters, symbols, lane, asleep=asleep)
    taken = learner.lanes.take(lane, reset, symbols)
    looks = show_units or learner.plasticity.looks_at(counters["step"])
    observing: AbstractContextManager[dict[str, Tensor]] = (
        recorded_activations(learner.layers) if looks else nullcontext({})
    )
    with observing as activations:
        done = network(symbols, taken.span, taken.state)
        auxiliary = network.auxiliary(done, symbols.read, learner.dtype)
    nats, best, guess = symbol_nats(done.logits, symbols.ids, network.logit_cap)
    nats = nats.masked_fill(~symbols.valid, 0.0)
    total = total_loss(nats, symbols, auxiliary)
    if targets is not None:
        total = total + targets.loss(done.logits, symbols, network.logit_cap)
    total.backward()  # type: ignore[no-untyped-call]
    units = {
        site: evenly(activity, network.read_by(learner.sites[site], done, symbols.read))
        for site, activity in activations.items()
    }
    norm = learner.optimizer.gather()
    applied = math.isfinite(total.item()) and math.isfinite(norm.item())
    rate = _update(learner, counters, units, rate_factor, asleep=asleep, applied=applied)
    learns = counters["rate_scale"] > 0
    memory = None if asleep or not applied else _remember(learner, batch, done, learn=learns)
    if applied:
        learner.lanes.put(lane, mask, taken.span, done.update, carry)
    counters["step" if applied else "skipped"] += 1
    row_nats = nats.detach().flatten(1).sum(dim=1).cpu()
    count = symbols.num_bytes.flatten(1).sum(dim=1).cpu()
    live, alive = batch.lane.cpu() >= 0, lane >= 0
    scored = symbols.valid & per_row(alive, symbols.valid)
    return StepReport(
        loss=_mean(row_nats[live], count[live]),
        replay_loss=None if bool(live.all()) else _mean(row_nats[~live], count[~live]),
        num_bytes=int(count[live].sum()),
        row_loss=row_nats / count.masked_fill(count == 0, 1).where(count > 0, torch.nan),
        grad_norm=norm.item(),
        learning_rate=rate,
        applied=applied,
        row_mixed_loss=None if memory is None else memory.nats,
        row_reliance=None if memory is None else memory.share,
        metrics={f"{name}_loss": loss.value.item() for name, loss in auxiliary.losses.items()}
        | ({} if memory is None else {"mixed_bpc": memory.bpc}),
        evidence={"confidence": best[scored], "correct": (guess == symbols.ids)[scored]}
        | _states(symbols.read & alive[:, None], done, auxiliary)
        | {f"{EVIDENCE_PREFIX}{site}": activity for site, activity in units.items()},
    )


def total_loss(nats: Tensor, symbols: Symbols, auxiliary: Auxiliary) -> Tensor:
    """Mean nats per byte, from those of each unit (0 on padding), and every auxiliary loss by its weight; a scalar."""
    total = nats.sum() / symbols.num_bytes.sum().clamp(min=1)
    for further in auxiliary.losses.values():
        total = total + further.weight * further.value
    return total


def _targets(
    learner: Learner, counters: Mapping[str, Any], symbols: Symbols, lane: Tensor, *, asleep: bool
) -> SoftTargets | None:
    """What the averages teach in this step."""
    if asleep:
        return learner.teacher.stable(symbols)
    every = learner.averages.config.consistency_every_steps
    due = learner.averages and every and counters["averaged"] and counters["step"] % every == 0
    replayed = (lane < 0).nonzero().squeeze(1)
    return learner.teacher.surest(symbols, replayed) if due and len(replayed) else None


def _update(
    learner: Learner,
    counters: dict[str, Any],
    units: Mapping[str, Tensor],
    rate_factor: float,
    *,
    asleep: bool,
    applied: bool,
) -> float:
    """Move the weights by the gathered gradients, and what follows them; the learning rate of this step."""
    scale = counters["rate_scale"] * rate_factor
    rate = learner.optimizer.rate(counters["step"], scale)
    if applied and scale:
        learner.optimizer.step(counters["step"], scale)
        counters["averaged"] = learner.averages.follow(counters["averaged"], asleep=asleep)
        if not asleep:
            counters["renewed"] += learner.plasticity.follow(counters["step"], units, rate)
    else:
        learner.optimizer.clear()
    return rate


@torch.no_grad()
def _remember(learner: Learner, batch: Batch, done: Pass, *, learn: bool) -> MixedRows | None:
    """What live rows cost with the hippocampus, before it learned from them; None without one.

    It learns the bytes in the order of the rows, so its state follows from the batch alone.
    """
    memory, live = learner.hippocampus, (batch.lane >= 0).nonzero().squeeze(1)
    if memory is None or not len(live):
        return None
    rows, mask = batch.bytes[live], batch.mask[live]
    logits = cap_logits(done.logits.detach()[live.to(learner.device)], learner.network.logit_cap)
    network = path_probability(logits.softmax(dim=-1), rows.to(learner.device))
    mixed = memory.read(
        rows,
        mask,
        batch.lane[live],
        batch.reset[live],
        network,
        learn=learn,
        source=batch.source[live],
        step=batch.step,
    )
    return MixedRows.of(mixed, mask, live, rows=len(batch.lane))


@torch.no_grad()
def _states(read: Tensor, done: Pass, auxiliary: Auxiliary) -> dict[str, Tensor]:
    """States for the self-prediction error, where a self model predicts them; `read` (B, S) is True on live rows."""
    if auxiliary.predicted_states is None:
        return {}
    return gather_states(read, done.states.detach(), auxiliary.predicted_states.detach())


def _mean(nats: Tensor, count: Tensor) -> float:
    return (nats.sum() / count.sum()).item() if bool(count.any()) else math.nan
