"""The optimizer of an endless learner: warm-up, then a constant rate, with state keyed by parameter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from brain.optim.parameter_groups import owned_parameters
from brain.optim.row_adam import RowAdam
from brain.optim.torch_optimizers import FusedAdamW, FusedMuon
from brain.optim.unit_steps import UnitAdamW, UnitMuon, UnitOptimizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor, nn

    from brain.blocks.row_table import RowTable, TouchedRows
    from brain.optim.config import OptimizerConfig
    from brain.optim.parameter_groups import ParamGroup


class OnlineOptimizer:
    """AdamW over a network, or Muon for its hidden matrices and AdamW for the rest; row tables take RowAdam.

    Args:
        network: what learns.
        config: rates and moments.
        groups: each parameter in one of them; of frozen groups no moments are kept.
        unit_axes: the axis of units of each parameter whose units count their own steps, because some of them
            were born or may be renewed later than others; the fused optimizers take the rest.

    `tensors` names every moment `<parameter>|<moment>`; all exist from the start, so the set of names is
    constant.
    """

    def __init__(
        self,
        network: nn.Module,
        config: OptimizerConfig,
        groups: Sequence[ParamGroup],
        *,
        unit_axes: Mapping[str, int] | None = None,
    ) -> None:
        self.config = config
        self._group = {name: group for group in groups if not group.frozen for name in group.parameters}
        self._norms: dict[str, Tensor] = {}
        owned = [one for one in owned_parameters(network) if one.name in self._group]
        learned = {one.name: one.weight for one in owned}
        self.tables = {
            one.name: cast("RowTable", one.module) for one in owned if self._group[one.name].rule == "rows"
        }
        self.rows = {name: RowAdam(table.weight.data, config) for name, table in self.tables.items()}
        self.dense = {name: p for name, p in learned.items() if name not in self.tables}
        self._touched: dict[str, TouchedRows] = {}
        self.units: dict[str, UnitOptimizer] = {
            name: (UnitMuon if self._by_muon(name) else UnitAdamW)(self.dense[name], axis, config)
            for name, axis in (unit_axes or {}).items()
        }
        self._fused = self._fuse({name: p for name, p in self.dense.items() if name not in self.units})

    def _by_muon(self, name: str) -> bool:
        return self.config.kind == "muon" and self._group[name].rule == "matrix"

    def _fuse(self, parameters: Mapping[str, nn.Parameter]) -> list[tuple[FusedAdamW | FusedMuon, float]]:
        """One fused optimizer, with its base rate, for all that learns by one rule at one rate."""
        alike: dict[tuple[bool, float], dict[str, nn.Parameter]] = {}
        for name, parameter in parameters.items():
            alike.setdefault((self._by_muon(name), self._group[name].rate_scale), {})[name] = parameter
        return [
            (FusedMuon(own, self.config), self.config.muon_learning_rate * scale)
            if muon
            else (FusedAdamW(own, self.config), self.config.learning_rate * scale)
            for (muon, scale), own in alike.items()
        ]

    def rate(self, step: int, scale: float) -> float:
        """AdamW's rate at optimizer step `step` (from 0): linear warm-up to a constant that never ends."""
        return self.config.learning_rate * self._warmth(step) * scale

    def _warmth(self, step: int) -> float:
        return min(1.0, (step + 1) / max(self.config.warmup_steps, 1))

    def gather(self) -> Tensor:
        """Collect the gradients since the last step; returns their total norm before clipping, a scalar."""
        taken = {name: table.take_touched() for name, table in self.tables.items()}
        self._touched = {name: touched for name, touched in taken.items() if touched is not None}
        self._norms = {
            part: get_total_norm([leaf.grad for leaf in leaves]) for part, leaves in self._leaves().items()
        }
        return get_total_norm(list(self._norms.values()))

    def step(self, step: int, scale: float) -> float:
        """Clip what was gathered to `clip_norm` and update every weight that has a gradient; returns AdamW's rate."""
        for clipped, leaves in self._leaves().items():
            clip_grads_with_norm_(leaves, self.config.clip_norm, self._norms[clipped])
        warmth, rate = self._warmth(step), self.rate(step, scale)
        for fused, base in self._fused:
            fused.step(base * (warmth * scale))
        for name, own in self.units.items():
            own.step(warmth, scale * self._group[name].rate_scale)
        for name, touched in self._touched.items():
            self.rows[name].step(touched, rate * self._group[name].rate_scale)
        self.clear()
        return rate

    def clear(self) -> None:
        """Drop all gradients, those not gathered yet too."""
        self._touched, self._norms = {}, {}
        for table in self.tables.values():
            table.take_touched()
        for p in self.dense.values():
            p.grad = None

    def unit_moments(self, name: str) -> tuple[Tensor, ...]:
        """Live moments and steps of a parameter with `unit_axes`, to be zeroed unit by unit."""
        return tuple(self.units[name].state.values())

    def tensors(self) -> dict[str, Tensor]:
        """References to every moment, as `<parameter name>|<moment>`."""
        named = {
            f"{name}|{key}": value for name, rows in self.rows.items() for key, value in rows.state.items()
        }
        named |= {
            f"{name}|{key}": value for name, own in self.units.items() for key, value in own.state.items()
        }
        for fused, _ in self._fused:
            named |= fused.tensors()
        return named

    def _leaves(self) -> dict[str, list[Any]]:
        """What has a gradient, by the group it is clipped with; "" is all that is not clipped apart."""
        leaves = self.dense | {name: touched.leaf for name, touched in self._touched.items()}
        parts: dict[str, list[Any]] = {}
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                group = self._group[name]
                parts.setdefault(group.name if group.clip_apart else "", []).append(leaf)
        return parts
