"""What a brain can do is asked of its protocols; a kind without a capability is not taken for one with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from brain.build import build_brain
from brain.capabilities import Packable, Thinking
from brain.optim.config import OptimizerConfig
from brain.packing import pack_within_share
from tests.contract.cases import LABELLED, TINY, batches

if TYPE_CHECKING:
    from brain.ports import Brain


def make(kind: str, **settings: Any) -> Brain:
    config = (TINY | LABELLED)[kind][0] | settings
    return build_brain(kind, config, optimizer=OptimizerConfig(), lanes=2, device=torch.device("cpu"), seed=0)


def test_a_brain_thinks_where_its_settings_ask_for_steps() -> None:
    for steps in (2, 0):
        brain = make("agiformer", hippocampus_mib=0, thinking_steps=steps)
        assert isinstance(brain, Thinking)
        assert brain.thinking_steps == steps
        assert (brain.most_thinking_steps == 0) == (steps == 0)
    assert not isinstance(make("mingru"), Thinking)


@pytest.mark.parametrize("kind", list(LABELLED))
def test_what_has_no_matrices_of_a_language_brain_is_not_packed(kind: str) -> None:
    assert not isinstance(make(kind), Packable)


def test_a_brain_packs_its_own_network_and_reads_alike_once_it_is_held() -> None:
    brain = make("mingru", ternary=True, precision="fp32")
    assert isinstance(brain, Packable)
    weights = dict(brain.state().model)
    packed, expected = (
        brain.pack(weights, per_byte=5),
        pack_within_share(brain.network, weights, per_byte=5),  # type: ignore[attr-defined]
    )
    assert packed.layout == expected.layout
    assert "ternary" in {form["form"] for form in packed.layout.values()}
    (batch,) = batches(1)
    before = brain.score(batch.bytes, batch.mask)
    brain.hold_ternary()
    assert torch.equal(brain.score(batch.bytes, batch.mask), before)
