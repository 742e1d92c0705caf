"""What thinking does in an AGIFORMER brain: loss, entropy and change by step, and the bytes that take longest.

Every byte is read once for each brain, from a reset state, with exits off; what exits do is measured in a further pass.

Shapes: B rows, T bytes of a row, S patches, d width of a latent.
"""

from __future__ import annotations

import itertools
import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from brain.blocks.loss import cap_logits
from brain.blocks.span import Span
from brain.codecs.codec import Symbols
from brain.errors import SettingsError
from brain.models.agiformer.network import AgiformerNetwork, PatchPass
from brain.vitals.twins import UNTRAINED, twin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from torch import Tensor

    from brain.online.online_brain import OnlineBrain

READ_WITH = (0, 1, 2, 3, 5, 8)
SETTLED_NATS = (
    0.01  # so near to what all steps expect, by Kullback and Leibler, a prediction counts as settled
)
LEAST_COUNT, MOST_BYTES = 20, 12


@dataclass
class _Sums:
    """Added up over bytes, or patches (Δz), by number of steps; by byte: how often, steps to settle, nats gained."""

    nats: Tensor
    entropy: Tensor
    moved: Tensor
    num_bytes: int = 0
    num_patches: int = 0
    by_byte: Tensor = field(default_factory=lambda: torch.zeros(256, 3, dtype=torch.float64))

    @classmethod
    def of(cls, num_steps: int) -> _Sums:
        """Nothing yet."""
        nats, entropy, moved = torch.zeros(3, num_steps + 1, dtype=torch.float64)
        return cls(nats, entropy, moved)


def inspect_thinking(brain: OnlineBrain[Any], batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, Any]:
    """JSON values of what thinking does on text that the brain did not learn.

    Args:
        brain: it is only looked at.
        batches: uint8 rows (B, T) and bool masks of their bytes.

    Returns:
        `thinking_steps` of the brain; `steps`: for each number of steps BPC, entropy (bits) and Δz, the share of its
        own length by which the last step moved the latent, each beside an untrained twin; `bytes`: those to come for
        which thinking settles last; `halting`: what exits do, None without.

    Raises:
        SettingsError: this brain does not think.
    """
    network = brain.network
    if not isinstance(network, AgiformerNetwork) or network.thinking is None:
        raise SettingsError("this brain takes no steps of thinking")
    own, most = network.thinking_steps, network.thinking.most
    asked = [steps for steps in READ_WITH if most is None or steps <= most]
    asked = sorted({*asked, own})
    found = _read(network, batches, asked[-1], settled_by=own)
    twin = twin_of(brain, UNTRAINED, seed=0)
    twin_network = getattr(twin, "network", None)
    assert isinstance(twin_network, AgiformerNetwork)
    untrained = _read(twin_network, batches, asked[-1], settled_by=own)
    return {
        "thinking_steps": own,
        "num_bytes": found.num_bytes,
        "steps": [
            {"steps": steps}
            | _of_step(found, steps)
            | {f"untrained_{k}": v for k, v in _of_step(untrained, steps).items()}
            for steps in asked
        ],
        "bytes": _longest(found),
        "halting": _halting(network, batches, found, own) if network.thinking.exit is not None else None,
    }


def _of_step(sums: _Sums, steps: int) -> dict[str, float | None]:
    bits = max(sums.num_bytes, 1) * math.log(2)
    moved = float(sums.moved[steps]) / max(sums.num_patches, 1)
    return {
        "bpc": float(sums.nats[steps]) / bits,
        "entropy": float(sums.entropy[steps]) / bits,
        "delta_z": moved if steps else None,
    }


def _longest(sums: _Sums) -> list[dict[str, Any]]:
    """Bytes to come for which predictions settle last, of those that come often enough."""
    count = sums.by_byte[:, 0]
    mean = sums.by_byte[:, 1:] / count.clamp(min=1).unsqueeze(1)
    often = (count >= LEAST_COUNT).nonzero().squeeze(1).tolist()
    often.sort(key=lambda byte: (-float(mean[byte, 0]), byte))
    return [
        {
            "byte": byte,
            "count": int(count[byte]),
            "steps": float(mean[byte, 0]),
            "gained_bits": float(mean[byte, 1]) / math.log(2),
        }
        for byte in often[:MOST_BYTES]
    ]


@torch.no_grad()
def _read(
    network: AgiformerNetwork, batches: Iterable[tuple[Tensor, Tensor]], num_steps: int, *, settled_by: int
) -> _Sums:
    """Read all of it with `num_steps` steps, looking at the latent behind each."""
    sums = _Sums.of(num_steps)
    with _thinking(network, num_steps, halts=False):
        for rows, mask in batches:
            done = _pass(network, rows, mask)
            log_probs = [
                cap_logits(network.decoded(done, steps), network.logit_cap).log_softmax(dim=-1)[mask]
                for steps in range(num_steps + 1)
            ]
            target = rows[mask].long()
            nats = torch.stack(
                [-each.gather(-1, target.unsqueeze(-1)).squeeze(-1) for each in log_probs]
            )  # (K + 1, N)
            sums.nats += nats.double().sum(dim=1).cpu()
            sums.entropy += torch.tensor(
                [-(each.exp() * each).sum().item() for each in log_probs], dtype=torch.float64
            )
            _add_movement(sums, done, mask)
            sums.num_bytes += len(target)
            each = torch.stack(
                [torch.ones_like(nats[0]), _settling(log_probs[: settled_by + 1]), nats[0] - nats[settled_by]]
            )
            sums.by_byte.index_add_(0, target.cpu(), each.T.double().cpu())
    return sums


def _add_movement(sums: _Sums, done: PatchPass, mask: Tensor) -> None:
    counted = done.grid.counted(mask.sum(dim=1))
    sums.num_patches += int(counted.sum())
    for steps in range(1, len(done.thoughts)):
        before, after = done.thoughts[steps - 1][counted], done.thoughts[steps][counted]
        share = (after - before).norm(dim=-1) / before.norm(dim=-1).clamp(min=1e-9)
        sums.moved[steps] += share.double().sum().cpu()


def _settling(log_probs: Sequence[Tensor]) -> Tensor:
    """Steps after which each of N predictions stays near what all steps expect; from log-probabilities (N, V)."""
    last = log_probs[-1]
    steps = torch.zeros(len(last), device=last.device)
    for number, each in enumerate(log_probs[:-1], start=1):
        apart = (last.exp() * (last - each)).sum(dim=-1)
        steps = torch.where(apart > SETTLED_NATS, float(number), steps)
    return steps


@torch.no_grad()
def _halting(
    network: AgiformerNetwork, batches: Iterable[tuple[Tensor, Tensor]], found: _Sums, own: int
) -> dict[str, float]:
    """Loss and steps where exits are obeyed, and what share that is of the gain and of the steps of all."""
    nats, steps = 0.0, 0.0
    with _thinking(network, own, halts=True):
        for rows, mask in batches:
            done = _pass(network, rows, mask)
            log_probs = cap_logits(done.logits, network.logit_cap).log_softmax(dim=-1)[mask]
            nats -= float(log_probs.gather(-1, rows[mask].long().unsqueeze(-1)).double().sum())
            counted = done.grid.counted(mask.sum(dim=1))
            steps += float(_steps_taken(done)[counted.cpu()].sum())
    gain = float(found.nats[0] - found.nats[own])
    taken = steps / max(found.num_patches, 1)
    return {
        "bpc": nats / max(found.num_bytes, 1) / math.log(2),
        "steps": taken,
        "share_of_steps": taken / own,
        "share_of_gain": (float(found.nats[0]) - nats) / gain if gain > 0 else math.nan,
    }


def _steps_taken(done: PatchPass) -> Tensor:
    """Steps of each patch (B, S) in a pass that obeyed its exits: one that has stopped moves no more."""
    steps = torch.zeros(done.thoughts[0].shape[:2], dtype=torch.float64)
    for before, after in itertools.pairwise(done.thoughts):
        steps += (after != before).any(dim=-1).cpu()
    return steps


def _pass(network: AgiformerNetwork, rows: Tensor, mask: Tensor) -> PatchPass:
    span = Span.beginning(*rows.shape, device=rows.device, dtype=network.spec.dtype)
    done = network(Symbols(ids=rows, valid=mask, num_bytes=mask.long()), span, None)
    assert isinstance(done, PatchPass)
    return done


@contextmanager
def _thinking(network: AgiformerNetwork, num_steps: int, *, halts: bool) -> Iterator[None]:
    """Have the network think for `num_steps`, with exits on or off."""
    thinking = network.thinking
    assert thinking is not None
    before = network.thinking_steps, thinking.halts
    network.thinking_steps, thinking.halts = num_steps, halts
    try:
        yield
    finally:
        network.thinking_steps, thinking.halts = before
