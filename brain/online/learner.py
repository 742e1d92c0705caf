"""A network and all that learns with it, built for one architecture; growth builds another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from brain.averaging.averages import Averages
from brain.blocks.linear import initialize
from brain.memory.hippocampus.config import sizes_for
from brain.online.lanes import Lanes
from brain.online.teaching import Teacher
from brain.optim.online_optimizer import OnlineOptimizer
from brain.plasticity.lasting_plasticity import LastingPlasticity
from brain.ports import CARRIED

if TYPE_CHECKING:
    from torch import Tensor

    from brain.memory.hippocampus.exact_memory import Hippocampus
    from brain.online.network_spec import NetworkSpec
    from brain.optim.config import OptimizerConfig


class Learner:
    """The parts of an `OnlineBrain` that follow from its architecture.

    Args:
        spec: the architecture.
        optimizer: how it learns.
        lanes: how many streams it carries a state for.
        device: where its tensors live.
        seed: of its first weights.
    """

    def __init__(
        self, spec: NetworkSpec, *, optimizer: OptimizerConfig, lanes: int, device: torch.device, seed: int
    ) -> None:
        self.codec, self.dtype, self.device = spec.codec(), spec.dtype, device
        self.network = spec.network()
        for matrix in self.network.ternary_matrices().values() if spec.ternary else ():
            matrix.is_ternary = True
        initialize(self.network, torch.Generator().manual_seed(seed))
        self.network.to(device)
        self.sites = self.network.sites()
        self.layers = {
            name: self.network.get_submodule(name) for name, site in self.sites.items() if not site.frozen
        }
        living = {name: self.sites[name] for name in self.layers}
        counted = living if optimizer.plasticity.replacement_rate > 0 else spec.widened() & living.keys()
        self.groups = self.network.param_groups()
        self.optimizer = OnlineOptimizer(
            self.network,
            optimizer,
            self.groups,
            unit_axes={
                name: axis for site in living if site in counted for name, axis in living[site].axes.items()
            },
        )
        self.lanes = Lanes(self.network, self.codec, lanes, device=device, dtype=self.dtype)
        self.hippocampus = _hippocampus(spec, lanes)
        self.averages = Averages(self.network, optimizer.averaging, base=self.network.base)
        self.teacher = Teacher(self.network, self.averages, self.dtype)
        self.plasticity = LastingPlasticity(
            self.network,
            living,
            groups=self.groups,
            optimizer=self.optimizer,
            averages=self.averages,
            carried={name.removeprefix(CARRIED): t for name, t in self.lanes.tensors().items()},
            config=optimizer.plasticity,
            base=self.network.base,
        )
        self.num_neurons = sum(site.units for site in self.sites.values())

    def weights(self) -> dict[str, Tensor]:
        """References to weights and buffers, by name; but those of a base."""
        named = self.network.state_dict().items()
        return {name: p.detach() for name, p in named if name not in self.network.base}

    def base(self) -> dict[str, Tensor]:
        """References to weights that never change, by name."""
        return {name: self.network.get_parameter(name).detach() for name in sorted(self.network.base)}

    def tensors(self) -> dict[str, Tensor]:
        """References to all that learning keeps beside the weights, as `BrainState.learning` names it."""
        return (
            self.optimizer.tensors()
            | self.lanes.tensors()
            | self.averages.tensors()
            | self.plasticity.tensors()
            | ({} if self.hippocampus is None else self.hippocampus.tensors())
        )

    def tables(self) -> frozenset[str]:
        """Names of those that are large tables of low entropy."""
        return frozenset() if self.hippocampus is None else frozenset(self.hippocampus.tensors())

    def freeze(self, names: tuple[str, ...]) -> None:
        """Let exactly these, and what never learns, ask for no gradient."""
        still = set(names).union(*(group.parameters for group in self.groups if group.frozen))
        for name, weight in self.network.named_parameters():
            weight.requires_grad_(name not in still)


def _hippocampus(spec: NetworkSpec, lanes: int) -> Hippocampus | None:
    if not spec.hippocampus_mib:
        return None
    from brain.memory.hippocampus.exact_memory import Hippocampus  # noqa: PLC0415 - who has none does not load it

    return Hippocampus(sizes_for(spec.hippocampus_mib, lanes=lanes), lanes=lanes)
