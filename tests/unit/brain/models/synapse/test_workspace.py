"""A SYNAPSE brain with a workspace: born as one without, grown without a change, cut where wires are cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from brain.growth.apply import apply_growth
from brain.growth.config import GrowthConfig
from brain.growth.decision import column_by_hand, expert_by_hand
from brain.growth.plan import BY_HAND, GrowthPlan
from brain.models.synapse.spec import SynapseSpec
from tests.unit.brain.growth.growing_brain import batch, learned, make, next_logits, plan_for, resumed, stored

SLOTS: dict[str, Any] = {"workspace_slots": 3, "workspace_size": 5, "layers": ["mingru", "attention", "ssd"]}
TEXT = batch(50)


def deeper(behind: str) -> GrowthPlan:
    return GrowthPlan(operator="deepen", site=behind, units=48, trigger=BY_HAND, reason="a test", seed=3)


def test_a_newborn_scores_as_one_without() -> None:
    one, other = make(**SLOTS), make(**SLOTS | {"workspace_slots": 0})
    assert torch.equal(one.score(TEXT.bytes, TEXT.mask), other.score(TEXT.bytes, TEXT.mask))
    weights = other.state().model
    for name, weight in one.state().model.items():
        assert "workspace" in name or "recall" in name or torch.equal(weight, weights[name])


def test_what_it_holds_is_used_and_all_of_it_learns() -> None:
    brain = make(**SLOTS)
    learned(brain, 0, 3)
    before = {name: weight.clone() for name, weight in brain.state().model.items()}
    learned(brain, 3, 6)
    own = [name for name in before if "workspace" in name or "recall" in name]
    assert len(own) == 5  # proposals, queries, firmness, and a matrix for each reader
    assert [name for name in own if torch.equal(before[name], brain.state().model[name])] == []
    carried = next_logits(brain)
    for slots in brain.lanes.state["workspace"].values():
        assert slots.any()
        slots.zero_()
    assert not torch.equal(next_logits(brain), carried)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("part", ["first block", "last block", "expert", "column"])
def test_growth_changes_no_bit_and_a_restart_goes_on(part: str, precision: str) -> None:
    brain = make("muon", precision=precision, **SLOTS)
    learned(brain, 0, 6)
    carried, scored = next_logits(brain), brain.score(TEXT.bytes, TEXT.mask)
    plans = {
        "first block": lambda: deeper("blocks.0.mlp"),
        "last block": lambda: deeper("blocks.2.mlp"),
        "expert": lambda: expert_by_hand(brain.sites(), GrowthConfig(), "blocks.0.mlp", seed=3),
        "column": lambda: column_by_hand(brain.sites(), GrowthConfig(), brain.next_column(), seed=3),
    }
    apply_growth(brain, plans[part](), max_neurons=10**6)
    assert torch.equal(next_logits(brain), carried)
    assert torch.equal(brain.score(TEXT.bytes, TEXT.mask), scored)
    again = resumed(brain, stored(brain))
    assert learned(brain, 6, 9) == learned(again, 6, 9)


@pytest.mark.parametrize("site", ["blocks.0.mixer", "blocks.1.mlp"])
def test_wider_sites_leave_what_is_written_as_it_was(site: str) -> None:
    brain = make(**SLOTS)
    learned(brain, 0, 6)
    before = next_logits(brain)
    apply_growth(brain, plan_for(brain, site), max_neurons=10**6)
    torch.testing.assert_close(next_logits(brain), before, rtol=1e-5, atol=1e-6)


def test_a_single_block_has_none_until_another_is_born() -> None:
    brain = make(**SLOTS | {"layers": ["mingru"]})
    assert not [name for name in brain.state().model if "workspace" in name]
    learned(brain, 0, 4)
    scored = brain.score(TEXT.bytes, TEXT.mask)
    apply_growth(brain, deeper("blocks.0.mlp"), max_neurons=10**6)
    assert torch.equal(brain.score(TEXT.bytes, TEXT.mask), scored)
    assert [name for name in brain.state().model if "workspace" in name]
    learned(brain, 4, 8)


def test_with_the_wires_cut_nothing_comes_through_the_workspace() -> None:
    brain = make(**SLOTS)
    learned(brain, 0, 12)
    rows, nudged = TEXT.bytes, "blocks.0.mlp"
    push = {nudged: torch.ones(*rows.shape, 16)}
    clean, after = brain.observe(rows), brain.observe(rows, inject=push)
    moved = [name for name in brain.module_names if not torch.equal(clean[name], after[name])]
    assert moved == [name for name in brain.module_names if name != "blocks.0.mixer"]
    brain.sever()
    clean, after = brain.observe(rows), brain.observe(rows, inject=push)
    assert [name for name in brain.module_names if not torch.equal(clean[name], after[name])] == [nudged]


def test_a_nudge_reaches_the_workspace() -> None:
    brain = make(**SLOTS)
    learned(brain, 0, 12)
    rows = TEXT.bytes
    push = {"blocks.0.mlp": torch.ones(*rows.shape, 16)}
    after = brain.observe(rows, inject=push)["blocks.1.mixer"]
    for weight in (block.recall.weight for block in brain.network.trunk() if block.recall is not None):
        weight.data.zero_()
    assert not torch.equal(brain.observe(rows, inject=push)["blocks.1.mixer"], after)


def test_it_is_frozen_with_the_trunk() -> None:
    brain = make(**SLOTS)
    learned(brain, 0, 4)
    plan = column_by_hand(brain.sites(), GrowthConfig(), brain.next_column(), seed=3)
    apply_growth(brain, plan, max_neurons=10**6)
    before = {name: w.clone() for name, w in brain.state().model.items() if "workspace" in name}
    learned(brain, 4, 8)
    assert before
    assert [name for name in before if not torch.equal(before[name], brain.state().model[name])] == []


def test_muon_takes_what_is_read_but_neither_proposals_nor_queries() -> None:
    groups = {name: group.rule for group in make(**SLOTS).network.param_groups() for name in group.parameters}
    assert groups["workspace.propose.weight"] == groups["workspace.query.weight"] == "vector"
    assert groups["blocks.1.recall.weight"] == "matrix"
    assert "blocks.0.recall.weight" not in groups


def test_a_spec_from_before_it_was_there_has_none() -> None:
    spec = make().state().spec
    for name in ("workspace_slots", "workspace_size"):
        del spec["config"][name]
    read = SynapseSpec.from_json(spec)
    assert read.config.workspace_slots == 0
    assert read.workspace_readers() == []
