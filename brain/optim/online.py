"""The optimizer of an endless learner: warm-up, then a constant rate, with state keyed by parameter name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from brain.blocks.table import RowTable, TouchedRows
from brain.optim.fused import FusedAdamW, FusedMuon
from brain.optim.row_adam import RowAdam
from brain.optim.unit_steps import UnitAdamW, UnitMuon, UnitOptimizer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from brain.optim.config import OptimizerConfig


class OnlineOptimizer:
    """AdamW over a network, or Muon for its hidden matrices and AdamW for the rest; row tables take RowAdam.

    Args:
        network: every parameter that requires a gradient is learned; of the others no moments are kept.
        config: rates and moments.
        hidden_matrices: names of the matrices Muon may take.
        unit_axes: the axis of units of each parameter whose units count their own steps, because some of them
            were born or may be renewed later than others; the fused optimizers take the rest.
        clip_apart: what the names of parameters begin with whose gradients are clipped by a norm of their own, so
            that they have no say in how far the others move.

    `tensors` names every moment `<parameter>|<moment>`; all exist from the start, so the set of names is
    constant.
    """

    def __init__(
        self,
        network: nn.Module,
        config: OptimizerConfig,
        hidden_matrices: frozenset[str],
        *,
        unit_axes: Mapping[str, int] | None = None,
        clip_apart: tuple[str, ...] = (),
    ) -> None:
        self.config = config
        self._clip_apart = clip_apart
        self._norms: dict[str, Tensor] = {}
        self.tables = {
            f"{name}.weight": module
            for name, module in network.named_modules()
            if isinstance(module, RowTable) and module.weight.requires_grad
        }
        self.rows = {name: RowAdam(table.weight.data, config) for name, table in self.tables.items()}
        learned = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.dense = {name: p for name, p in learned.items() if name not in self.tables}
        self._touched: dict[str, TouchedRows] = {}
        chosen = hidden_matrices if config.kind == "muon" else frozenset[str]()
        self.units: dict[str, UnitOptimizer] = {
            name: (UnitMuon if name in chosen else UnitAdamW)(self.dense[name], axis, config)
            for name, axis in (unit_axes or {}).items()
        }
        whole = {name: p for name, p in self.dense.items() if name not in self.units}
        matrices = {name: p for name, p in whole.items() if name in chosen}
        vectors = {name: p for name, p in whole.items() if name not in chosen}
        self._adamw = FusedAdamW(vectors, config)
        self._muon = FusedMuon(matrices, config) if matrices else None

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
        self._adamw.step(self.config.learning_rate * (warmth * scale))
        if self._muon is not None:
            self._muon.step(self.config.muon_learning_rate * (warmth * scale))
        for unit_optimizer in self.units.values():
            unit_optimizer.step(warmth, scale)
        for name, touched in self._touched.items():
            self.rows[name].step(touched, rate)
        self.clear()
        return rate

    def clear(self) -> None:
        """Drop all gradients, those not gathered yet too."""
        self._touched, self._norms = {}, {}
        for table in self.tables.values():
            table.take_touched()
        for p in self.dense.values():
            p.grad = None

    @torch.no_grad()
    def renew(self, name: str, units: Tensor) -> None:
        """Let units (int64) of a parameter with `unit_axes` begin anew: moments and steps at nought."""
        own = self.units[name]
        for moment in own.state.values():
            moment.index_fill_(own.axis, units, 0.0)

    def tensors(self) -> dict[str, Tensor]:
        """References to every moment, as `<parameter name>|<moment>`."""
        named = {
            f"{name}|{key}": value for name, rows in self.rows.items() for key, value in rows.state.items()
        }
        named |= {
            f"{name}|{key}": value for name, own in self.units.items() for key, value in own.state.items()
        }
        named |= self._adamw.tensors()
        return named | (self._muon.tensors() if self._muon is not None else {})

    def _leaves(self) -> dict[str, list[Any]]:
        """What has a gradient, by the part it is clipped with; "" is all that is not clipped apart."""
        leaves = self.dense | {name: touched.leaf for name, touched in self._touched.items()}
        parts: dict[str, list[Any]] = {}
        for name, leaf in leaves.items():
            if leaf.grad is not None:
                part = next((prefix for prefix in self._clip_apart if name.startswith(prefix)), "")
                parts.setdefault(part, []).append(leaf)
        return parts
