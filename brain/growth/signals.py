"""Looking at growth sites: one pass over a batch, forward and back to each site, and four numbers of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from brain.devices import widened
from brain.growth.history import SiteSignal
from brain.growth.operators import descended, deviation
from brain.plasticity.health import dormant_units, effective_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

USED_SHARE = 0.1  # of the mean unit's contribution: below, a unit counts as not in use
MAX_POSITIONS = 4096
NUM_CANDIDATES = 32
WEAKEST_PAIR = 0.02  # of an existing unit's outgoing strength: a pair so weak would hardly ever part


@dataclass(frozen=True, kw_only=True)
class SiteProbe:
    """A site over N positions of a batch.

    Attributes:
        activity: of its units, (N, H).
        outgoing: norm of each unit's outgoing weights, (H,).
        gradient: of the loss, at the site's output, (N, D).
        candidates: activity of units that might be born, (N, K).
        birth_gradient: norm of the gradient of a new unit's incoming weights, over that of an existing one's, if
            its outgoing weights were as strong as those of existing units.
    """

    activity: Tensor
    outgoing: Tensor
    gradient: Tensor
    candidates: Tensor
    birth_gradient: float = 1.0

    def dormant(self) -> list[int]:
        """Units that are hardly ever active."""
        strength = self.activity.abs().mean(dim=0)
        return dormant_units(strength).nonzero().flatten().tolist()


def probe_sites(
    modules: Mapping[str, nn.Module], loss: Callable[[], Tensor], generator: torch.Generator
) -> dict[str, SiteProbe]:
    """Watch the sites while `loss` is computed, then ask how it depends on the output of each; nothing changes.

    A site is an `MLP` or a `MinGRU` of brain.blocks: it takes its input first, ends in the matrix `out`, and
    knows its `candidates`.
    """
    inputs: dict[str, Tensor] = {}
    activity: dict[str, Tensor] = {}
    outputs: dict[str, Tensor] = {}

    def take_input(name: str) -> Callable[..., None]:
        return lambda _module, arguments: inputs.__setitem__(name, arguments[0].detach())

    def take_output(name: str) -> Callable[..., Tensor]:
        def take(_module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
            activity[name] = arguments[0].detach()
            # Behind frozen weights alone nothing asks for a gradient yet.
            outputs[name] = output if output.requires_grad else output.detach().requires_grad_()
            return outputs[name]

        return take

    handles = []
    for name, module in modules.items():
        handles.append(module.register_forward_pre_hook(take_input(name)))
        handles.append(module.get_submodule("out").register_forward_hook(take_output(name)))
    try:
        with torch.enable_grad():
            value = loss()
    finally:
        for handle in handles:
            handle.remove()
    gradients = torch.autograd.grad(value, [outputs[name] for name in modules])
    return {
        name: _read_site(module, inputs[name], activity[name], gradient, generator)
        for (name, module), gradient in zip(modules.items(), gradients, strict=True)
    }


def _read_site(
    module: nn.Module, x: Tensor, activity: Tensor, gradient: Tensor, generator: torch.Generator
) -> SiteProbe:
    """A probe of one site, with the activations and gradients of units that might be born."""
    feeds = [module.get_parameter(f"{part}.weight").detach() for part in module.feeds]  # type: ignore[union-attr]
    out = module.get_submodule("out").get_parameter("weight").detach()
    parents = torch.randint(0, out.shape[1], (NUM_CANDIDATES,), generator=generator)
    rows = [descended(weight, parents, generator).to(out.device) for weight in feeds]
    outward = torch.randn(out.shape[0], NUM_CANDIDATES, generator=generator).to(out) * deviation(out)
    candidates, newborn = _incoming_gradient(module, x, gradient, rows, outward)
    _, existing = _incoming_gradient(module, x, gradient, feeds, out)
    return SiteProbe(
        activity=_flat(activity),
        outgoing=out.norm(dim=0),
        gradient=_flat(gradient),
        candidates=_flat(candidates),
        birth_gradient=newborn / max(existing, 1e-300),
    )


def _incoming_gradient(
    module: nn.Module, x: Tensor, gradient: Tensor, rows: Sequence[Tensor], outward: Tensor
) -> tuple[Tensor, float]:
    """Activations for x of units with incoming `rows` (…, K), and the mean norm of the gradient of a unit's rows.

    `outward` (D, K) are their outgoing weights, `gradient` (…, D) that of the loss at the site's output.
    """
    leaves = [row.detach().requires_grad_() for row in rows]
    with torch.enable_grad():
        activations: Tensor = module.candidates(x, *leaves)  # type: ignore[operator]
        felt = (gradient * (activations.to(outward.dtype) @ outward.T)).sum()
    incoming = torch.cat([widened(part) for part in torch.autograd.grad(felt, leaves)], dim=1)
    return activations.detach(), float(incoming.norm(dim=1).mean())


def calibrated_scale(wanted: float, probe: SiteProbe) -> float:
    """Strength of a pair's outgoing weights that lets it begin with `wanted` of an existing unit's gradient.

    In that of existing units, which it never exceeds. The gradient of incoming weights is linear in the outgoing
    ones: stronger new units learn faster than existing ones and disturb them, weaker ones starve.
    """
    return min(max(wanted / max(probe.birth_gradient, 1e-12), WEAKEST_PAIR), 1.0)


@torch.no_grad()
def read_signal(probe: SiteProbe) -> SiteSignal:
    """The four numbers of a site; see `SiteSignal`."""
    contribution = probe.activity.abs().mean(dim=0) * probe.outgoing
    used = contribution >= USED_SHARE * contribution.mean()
    silent = float(contribution.sum()) == 0.0
    return SiteSignal(
        utilisation=0.0 if silent else int(used.sum()) / used.numel(),
        dormant_share=len(probe.dormant()) / probe.activity.shape[1],
        rank_share=effective_rank(probe.activity) / probe.activity.shape[1],
        unexpressed=unexpressed_gradient(probe),
    )


def unexpressed_gradient(probe: SiteProbe) -> float:
    """Root mean square outgoing gradient of candidates, of what no existing unit expresses, over that of those.

    Each candidate is scaled to the existing units' mean strength and loses what a linear mix of them gives.
    """
    existing, fresh, gradient = (widened(part) for part in (probe.activity, probe.candidates, probe.gradient))
    strength = existing.square().mean().sqrt()
    fresh = fresh * (strength / fresh.square().mean(dim=0).sqrt().clamp(min=1e-12))
    gram = existing.T @ existing
    ridge = 1e-6 * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(gram), device=gram.device)
    rest = fresh - existing @ torch.linalg.solve(gram + ridge.to(gram), existing.T @ fresh)
    old = (gradient.T @ existing).square().mean().sqrt()
    return float((gradient.T @ rest).square().mean().sqrt() / old.clamp(min=1e-300))


def _flat(values: Tensor) -> Tensor:
    """(…, D) as (N, D) float32, thinned evenly to at most `MAX_POSITIONS`."""
    flat = values.reshape(-1, values.shape[-1]).float()
    if len(flat) > MAX_POSITIONS:
        flat = flat[torch.arange(MAX_POSITIONS, device=flat.device) * len(flat) // MAX_POSITIONS]
    return flat
