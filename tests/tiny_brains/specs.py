"""Tiny brains that are none of this project's: patches of four bytes, a tokenizer, foreign modules over a base."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from brain.codecs.byte_codec import ByteCodec
from brain.online.network_spec import BasedSpec, NetworkSpec
from brain.online.online_brain import OnlineBrain
from brain.registry import Entry, brains
from tests.tiny_brains.codecs import PatchCodec, TokenCodec
from tests.tiny_brains.network import TinyNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from brain.codecs.codec import Codec
    from brain.growth.plan import GrowthPlan
    from brain.online.sequence_network import SequenceNetwork


@dataclass(frozen=True, kw_only=True)
class TinyConfig:
    """A tiny recurrent brain of torch's own modules."""

    hidden_size: int = 12
    feed_size: int = 8
    base: bool = False


@dataclass(frozen=True, kw_only=True)
class TinySpec(NetworkSpec):
    config: TinyConfig = field(default_factory=TinyConfig)
    hidden: int = 8
    grown_by: int = 0
    frozen_by_hand: tuple[str, ...] = ()

    kind: ClassVar[str]

    @classmethod
    def initial(cls, config: TinyConfig) -> TinySpec:
        return cls(config=config, hidden=config.feed_size)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TinySpec:
        return cls(
            config=TinyConfig(**stored["config"]),
            hidden=stored["hidden"],
            grown_by=stored["grown_by"],
            frozen_by_hand=tuple(stored.get("frozen", ())),
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "config": asdict(self.config),
            "hidden": self.hidden,
            "grown_by": self.grown_by,
            "frozen": list(self.frozen_by_hand),
        }

    def network(self) -> TinyNetwork:
        return TinyNetwork(self)

    def with_frozen(self, names: tuple[str, ...]) -> TinySpec:
        return replace(self, frozen_by_hand=names)

    def grown(self, plan: GrowthPlan) -> TinySpec:
        if plan.operator != "widen":
            return self
        return replace(self, hidden=self.hidden + plan.units, grown_by=self.grown_by + plan.units)

    def widened(self) -> frozenset[str]:
        return frozenset({"feed"} if self.grown_by else ())


class PatchSpec(TinySpec):
    kind = "tiny-patches"

    def codec(self) -> Codec:
        return PatchCodec()


class TokenSpec(TinySpec):
    kind = "tiny-tokens"

    def codec(self) -> Codec:
        return TokenCodec()


class ForeignSpec(TinySpec, BasedSpec):
    kind = "tiny-foreign"

    def codec(self) -> Codec:
        return ByteCodec()

    def load_base(self, network: SequenceNetwork) -> None:
        generator = torch.Generator().manual_seed(77)
        with torch.no_grad():
            for name in sorted(network.base):
                network.get_parameter(name).normal_(0.0, 0.3, generator=generator)

    def base_source(self) -> tuple[str, str]:
        return "tiny/base", "1"


class PatchBrain(OnlineBrain[PatchSpec]):
    """Reads patches of four bytes."""

    architecture = PatchSpec


class TokenBrain(OnlineBrain[TokenSpec]):
    """Reads tokens of a vocabulary of 300."""

    architecture = TokenSpec


class ForeignBrain(OnlineBrain[ForeignSpec]):
    """Reads bytes with torch's own modules, over weights that never change."""

    architecture = ForeignSpec


TINY_BRAINS: dict[str, dict[str, Any]] = {
    "tiny-patches": {},
    "tiny-tokens": {},
    "tiny-foreign": {"base": True},
}


@contextmanager
def registered() -> Iterator[None]:
    """The tiny brains can be built by name meanwhile."""
    brains.names()
    here = "tests.tiny_brains.specs"
    entries = {
        "tiny-patches": Entry(name="tiny-patches", config=TinyConfig, builds=f"{here}:PatchBrain"),
        "tiny-tokens": Entry(name="tiny-tokens", config=TinyConfig, builds=f"{here}:TokenBrain"),
        "tiny-foreign": Entry(name="tiny-foreign", config=TinyConfig, builds=f"{here}:ForeignBrain"),
    }
    brains._entries.update(entries)
    try:
        yield
    finally:
        for name in entries:
            del brains._entries[name]
