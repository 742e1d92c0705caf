"""A column of the default brain learns beside what is frozen: older weights never move again, whatever comes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from brain.blocks.span import Span
from brain.capabilities import Columnar
from brain.errors import SettingsError
from brain.growth.apply import apply_growth
from brain.growth.config import GrowthConfig
from brain.growth.decision import deepen_by_hand, expert_by_hand, plan_by_hand, room_for
from brain.ports import Moment, Reading
from brain.vitals.config import (
    DormantShareConfig,
    EffectiveRankConfig,
    IntegrationConfig,
    PhiConfig,
    ProbeConfig,
    SelfPredictionErrorConfig,
)
from brain.vitals.module_watch import ModuleWatch
from brain.vitals.signs.dormant_share import DormantShareSign
from brain.vitals.signs.effective_rank import EffectiveRankSign
from brain.vitals.signs.integration import IntegrationSign
from brain.vitals.signs.phi import PhiSign
from brain.vitals.signs.self_prediction_error import SelfPredictionErrorSign
from tests.unit.brain.growth.growing_brain import batch, learned, make, next_logits, plan_for, resumed, stored
from tests.unit.brain.models.synapse.test_births import BUSY, LIMIT, bear, plan

if TYPE_CHECKING:
    from brain.models.synapse.synapse_brain import Synapse

COLUMN_SITES = [f"columns.0.blocks.{index}.{part}" for index in (0, 1) for part in ("mixer", "mlp")]
TRUNK_SITES = ["blocks.0.mixer", "blocks.0.mlp", "blocks.1.mlp"]
FROZEN = ("embedding", "bigram.", "blocks.", "head.")


def frozen_weights(brain: Synapse, prefixes: tuple[str, ...] = FROZEN) -> dict[str, torch.Tensor]:
    return {name: t.clone() for name, t in brain.state().model.items() if name.startswith(prefixes)}


def moved(brain: Synapse, before: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, weight in before.items() if not torch.equal(weight, brain.state().model[name])]


def test_a_column_is_half_as_wide_and_as_deep_and_its_sites_stand_behind_the_trunks() -> None:
    brain = make()
    assert isinstance(brain, Columnar)
    learned(brain, 0, 3)
    bear(brain, "column")
    sites = brain.sites()
    assert list(sites) == [*TRUNK_SITES, *COLUMN_SITES, "self_model"]
    assert [sites[name].units for name in COLUMN_SITES] == [8, 16, 8, 16]
    assert [name for name, site in sites.items() if site.frozen] == TRUNK_SITES
    assert [site.place for site in sites.values()] == [0, 1, 2, 4, 5, 6, 7, 9]
    assert [sites[name].parameters_per_unit for name in COLUMN_SITES] == [24, 16, 24, 16]
    assert brain.num_neurons() == sum(site.units for site in sites.values())
    weights = brain.state().model
    assert weights["columns.0.embedding"].shape == (257, 8)
    assert weights["columns.0.laterals.1.0.weight"].shape == (8, 16)
    assert weights["columns.0.head.weight"].shape == (256, 8)


@pytest.mark.parametrize("kind", ["adamw", "muon"])
def test_what_is_older_never_moves_again(kind: str) -> None:
    brain = make(kind, plasticity=BUSY)
    learned(brain, 0, 10)
    bear(brain, "expert")
    learned(brain, 10, 14)
    bear(brain, "column")
    older, self_model = frozen_weights(brain), frozen_weights(brain, ("self_model.",))
    assert len(older) == 17
    learned(brain, 14, 64)
    for seed in range(64, 68):
        brain.dream(batch(seed), rate_factor=0.5)
    assert moved(brain, older) == []
    assert brain.counters["renewed"] > 0
    assert set(moved(brain, self_model)) == set(self_model)
    # Across a resume ...
    other = resumed(brain, stored(brain))
    learned(other, 68, 90)
    assert moved(other, older) == []
    # ... and across a second column, which freezes the first.
    bear(other, "column")
    older |= frozen_weights(other, ("columns.0.",))
    learned(other, 90, 140)
    assert moved(other, older) == []
    assert len(frozen_weights(other, ("columns.1.laterals.",))) == 2 * 2


def test_a_roll_back_behind_the_birth_thaws_and_one_to_after_it_freezes() -> None:
    brain = make()
    learned(brain, 0, 4)
    before = stored(brain)
    bear(brain, "column")
    learned(brain, 4, 8)
    after = stored(brain)
    brain.rebuild(before.spec)
    brain.load(before)
    older = frozen_weights(brain)
    learned(brain, 8, 12)
    assert set(moved(brain, older)) == set(older)
    brain.rebuild(after.spec)
    brain.load(after)
    learned(brain, 12, 20)
    assert moved(brain, older) == []


def test_no_moments_are_kept_for_what_never_moves_and_nobody_can_thaw_it() -> None:
    brain = make(plasticity={"replacement_rate": 1e-5})
    learned(brain, 0, 4)
    bear(brain, "column")
    owners = {name.rpartition("|")[0] for name in brain.state().learning}
    assert not [name for name in owners if name.startswith(FROZEN)]
    known = {name for name in brain.state().learning if name.startswith("plasticity|")}
    assert not [name for name in known if name.startswith(tuple(f"plasticity|{part}" for part in FROZEN))]
    brain.freeze("", frozen=False)
    learning = {name for name, weight in brain.network.named_parameters() if weight.requires_grad}
    assert learning == {name for name in brain.state().model if name.startswith(("columns.", "self_model."))}
    brain.freeze("columns.0.blocks.0.")
    apply_growth(brain, plan_for(brain, "columns.0.blocks.1.mlp"), max_neurons=LIMIT)
    assert not brain.network.get_parameter("columns.0.blocks.0.mlp.into.weight").requires_grad
    assert not brain.network.get_parameter("head.weight").requires_grad


def test_the_sites_of_a_column_grow_like_any_other() -> None:
    brain = make()
    learned(brain, 0, 6)
    bear(brain, "column")
    learned(brain, 6, 18)
    before = next_logits(brain)
    for site in ("columns.0.blocks.1.mixer", "columns.0.blocks.0.mlp", "self_model"):
        apply_growth(brain, plan_for(brain, site), max_neurons=LIMIT)
    bear(brain, "expert", "columns.0.blocks.1.mlp")
    torch.testing.assert_close(next_logits(brain), before, rtol=0, atol=2e-6)
    assert brain.sites()["columns.0.blocks.1.experts.0"].units == 4
    learned(brain, 18, 22)
    assert brain.state().learning["carried|columns.0.blocks.1.mixer.hidden"].shape == (3, 10)


def test_frozen_sites_are_eligible_for_nothing() -> None:
    brain = make()
    bear(brain, "column")
    sites, limits = brain.sites(), GrowthConfig()
    assert room_for(sites, limits, "blocks.0.mlp") == (0, "frozen: an older column")
    words = r"blocks\.0\.mlp.*: frozen: an older column"
    with pytest.raises(SettingsError, match=words):
        plan_by_hand(sites, limits, "blocks.0.mlp", 0.5, seed=1)
    for by_hand in (deepen_by_hand, expert_by_hand):
        with pytest.raises(SettingsError, match=words):
            by_hand(sites, limits, "blocks.0.mlp", seed=1)
    with pytest.raises(SettingsError, match="a column stays as deep as it was born"):
        deepen_by_hand(sites, limits, "columns.0.blocks.0.mlp", seed=1)
    behind = replace(plan_for(brain, "columns.0.blocks.0.mlp"), operator="deepen")
    with pytest.raises(SettingsError, match="a column stays as deep as it was born"):
        apply_growth(brain, behind, max_neurons=LIMIT)
    recycling = replace(behind, operator="recycle", site="blocks.0.mlp", chosen=(1,))
    with pytest.raises(SettingsError, match=r"blocks\.0\.mlp cannot grow: frozen: an older column"):
        apply_growth(brain, recycling, max_neurons=LIMIT)
    probed = brain.probe_sites(batch(3), torch.Generator().manual_seed(0))
    assert list(probed) == [name for name, site in sites.items() if not site.frozen]
    evidence = brain.learn(batch(0)).evidence
    assert {name.removeprefix("units|") for name in evidence if name.startswith("units|")} == set(probed)


def grown(*, second: bool = False) -> Synapse:
    brain = make()
    learned(brain, 0, 8)
    bear(brain, "column")
    learned(brain, 8, 24)
    if second:
        bear(brain, "column")
        learned(brain, 24, 40)
    return brain


def test_the_modules_of_a_column_are_watched_nudged_and_hear_the_trunk() -> None:
    brain = grown(second=True)
    trunk = tuple(f"blocks.{index}.{part}" for index in (0, 1) for part in ("mixer", "mlp"))
    columns = tuple(f"columns.{k}.{name}" for k in (0, 1) for name in trunk)
    assert brain.module_names == trunk + columns
    rows = batch(40).bytes
    clean = brain.observe(rows)
    assert tuple(clean) == brain.module_names
    assert {name: values.shape[-1] for name, values in clean.items()} == {
        **dict.fromkeys(trunk, 16), **dict.fromkeys(columns, 8),
    }  # fmt: skip

    def changed(source: str) -> set[str]:
        nudge = torch.zeros_like(clean[source])
        nudge[:, 10] = 0.5
        seen = brain.observe(rows, inject={source: nudge})
        assert all(torch.equal(seen[name][:, :10], clean[name][:, :10]) for name in seen)
        return {name for name in seen if not torch.equal(seen[name], clean[name])}

    # Both columns read the trunk, the second reads the first, and the trunk reads neither.
    assert changed("blocks.1.mlp") == {
        "blocks.1.mlp",
        *(f"columns.{k}.{n}" for k in (0, 1) for n in trunk[2:]),
    }
    assert changed("columns.0.blocks.0.mixer") == set(columns)
    assert changed("columns.1.blocks.0.mlp") == {f"columns.1.{n}" for n in trunk[1:]}


def test_vital_signs_that_look_into_modules_start_over_with_a_column_in_sight() -> None:
    brain = make()
    learned(brain, 0, 8)
    watch = ModuleWatch(ProbeConfig(rows=3, length=24, components=2), seed=0)
    signs = (
        PhiSign(PhiConfig(), watch=watch, seed=0),
        IntegrationSign(IntegrationConfig(), watch=watch, seed=0),
        DormantShareSign(DormantShareConfig()),
        EffectiveRankSign(EffectiveRankConfig(sites_per_tick=99)),
        SelfPredictionErrorSign(SelfPredictionErrorConfig()),
    )

    def look(first: int, end: int) -> list[Reading]:
        for step in range(first, end):
            moment = Moment(step=step, brain=brain, batch=batch(step), report=brain.learn(batch(step)))
            for sign in signs:
                sign.observe(moment)
            readings = [sign.measure(moment) for sign in signs]
        return readings

    look(8, 14)
    generation = watch.generation
    assert [name for basis in watch.bases for name in basis.names] == list(brain.module_names)
    bear(brain, "column")
    brain.learn(batch(14))
    readings = {reading.name: reading for reading in look(15, 31)}
    assert watch.generation > generation
    watched = {name for basis in watch.bases for name in basis.names}
    assert watched == set(brain.module_names)
    assert [
        reading.reason for reading in readings.values() if reading.value is None and not reading.reason
    ] == []
    assert readings["phi"].value is not None
    assert readings["dormant_share"].detail["units"] == 48 + 10  # of the column and the self model
    assert readings["effective_rank"].detail["units"] == 48 + 10


def test_severed_columns_hear_their_own_embedding_alone() -> None:
    brain = grown()
    rows = batch(40).bytes
    brain.sever()
    clean = brain.observe(rows)
    for source in ("blocks.0.mlp", "columns.0.blocks.0.mixer"):
        seen = brain.observe(rows, inject={source: torch.ones_like(clean[source])})
        assert {name for name in seen if not torch.equal(seen[name], clean[name])} == {source}


def test_nothing_flows_back_through_lateral_links() -> None:
    brain = make()
    learned(brain, 0, 8)
    bear(brain, "column")
    learned(brain, 8, 20)
    stream = torch.randn(2, 5, 16, requires_grad=True)
    last = torch.zeros(2, 5, dtype=torch.int64)
    span = Span.beginning(2, 5, device=torch.device("cpu"), dtype=torch.float32)
    done = brain.network.columns[0](last, [[stream, stream]], span, None, severed=False, watch=None)
    done.logits.sum().backward()
    assert stream.grad is None
    lateral = brain.network.get_parameter("columns.0.laterals.0.0.weight").grad
    assert lateral is not None
    assert bool(lateral.any())


def test_the_self_model_predicts_the_trunks_states_and_continues_learning() -> None:
    brain = make(self_model_size=32)
    again = replace(batch(0), reset=torch.ones(4, dtype=torch.bool))
    for _ in range(20):
        brain.learn(again)
    known = brain.learn(again)
    bear(brain, "column")
    first = brain.learn(again)
    assert first.evidence["state"].shape == known.evidence["state"].shape
    errors = [brain.learn(again).metrics["self_model_loss"] for _ in range(60)]
    assert errors[-1] < 0.9 * first.metrics["self_model_loss"]


def test_a_column_born_in_the_middle_of_a_text_begins_without_a_past() -> None:
    brain = make()
    learned(brain, 0, 8)
    assert brain.lanes.state["reader"]["position"].tolist() == [192, 192, 192]
    apply_growth(brain, plan(brain, "column"), max_neurons=LIMIT)
    carried = brain.state().learning
    assert not carried["carried|columns.0.blocks.0.mixer.hidden"].any()
    assert carried["carried|reader.position"].tolist() == [192, 192, 192]
    learned(brain, 8, 9)
    assert bool(brain.state().learning["carried|columns.0.blocks.0.mixer.hidden"].all())
