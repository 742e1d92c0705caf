"""The architecture of a language brain as data: all that must be known before its tensors load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Self

import torch

from brain.codecs.byte_codec import ByteCodec
from brain.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from brain.codecs.codec import Codec
    from brain.growth.plan import Birth, GrowthPlan
    from brain.online.sequence_network import SequenceNetwork

TERNARY = "ternary"  # the setting of a kind of brain that has the option
PRECISIONS = {"bf16": torch.bfloat16, "fp32": torch.float32}


class NetworkSpec(ABC):
    """What a brain's folder must offer: a config that becomes a network, and comes back from JSON.

    Attributes:
        frozen_by_hand: names of weights that a person keeps from learning; they keep their moments and averages.
    """

    frozen_by_hand: tuple[str, ...]

    @classmethod
    @abstractmethod
    def initial(cls, config: Any) -> Self:
        """A brain that has not grown."""

    @classmethod
    @abstractmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read `to_json` back.

        Raises:
            SpecMismatchError: when it is no spec of this kind of brain.
        """

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """JSON-able form, with the `kind` under which the brain is registered."""

    @abstractmethod
    def network(self) -> SequenceNetwork:
        """The network, its weights not drawn yet; what never learns asks for no gradient."""

    @abstractmethod
    def with_frozen(self, names: tuple[str, ...]) -> Self:
        """The same with other weights frozen by hand."""

    def trained_by(self, config: Any) -> Self:
        """The same architecture with what of another config changes no shape; by default nothing does."""
        del config
        return self

    @property
    def dtype(self) -> torch.dtype:
        """Precision of matrix products."""
        return torch.float32

    @property
    def ternary(self) -> bool:
        """Matrices between layers are used as −1, 0 or 1 times a scale: an option of a config that has it."""
        return bool(getattr(getattr(self, "config", None), TERNARY, False))

    def codec(self) -> Codec:
        """How bytes become its symbols."""
        return ByteCodec()

    @property
    def hippocampus_mib(self) -> int:
        """Room for an exact memory of contexts beside the network, 0 for none; its symbols are bytes then."""
        return 0

    def grown(self, plan: GrowthPlan) -> Self:
        """The architecture after `plan`.

        Raises:
            SettingsError: it cannot grow so.
        """
        raise SettingsError(f"{plan.site} cannot grow: this kind of brain keeps its size")

    def widened(self) -> frozenset[str]:
        """Sites whose units are not all of one age."""
        return frozenset()

    def next_column(self) -> Birth | None:
        """The column that can be born beside all that is there; None where none can."""
        return None


def ternary_form(stored: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """A spec as `to_json` gives it with the ternary option, and other settings on top.

    >>> ternary_form({"kind": "synapse", "config": {"hidden_size": 8}})
    {'kind': 'synapse', 'config': {'hidden_size': 8, 'ternary': True}}
    """
    return {**stored, "config": {**stored["config"], TERNARY: True, **settings}}


class BasedSpec(NetworkSpec):
    """A spec whose network stands on weights that come from elsewhere and never change, `SequenceNetwork.base`."""

    @abstractmethod
    def load_base(self, network: SequenceNetwork) -> None:
        """Read the weights of the base from where they come from; a newborn needs them, a restart does not.

        Raises:
            SettingsError: they are not there.
        """

    @abstractmethod
    def base_source(self) -> tuple[str, str]:
        """Identity and revision of the base."""
