"""What is kept of growth reads as it was stored, and forgets what a roll-back undid."""

from __future__ import annotations

from typing import Any

import pytest

from daemon.trainer.growth.growth_state import GrowthState

SIGNALS = {"self_model": {"utilisation": 0.5}}


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"pending": None},
        {"signals": SIGNALS, "best_error": 2.5, "risen_step": None},
        {"signals": {}, "born": {"self_model": 4}, "last_growth_step": 4, "pending": {"site": "self_model"}},
    ],
)
def test_what_older_checkpoints_kept_is_read(kept: dict[str, Any]) -> None:
    history = [{"step": 4, "site": "self_model"}]
    state = GrowthState.restored({"growth": kept, "growth_history": history})
    again = state.state()
    assert again["growth_history"] == history
    assert {name: again["growth"][name] for name in kept} == kept
    assert GrowthState.restored(again) == state


def test_going_back_behind_a_growth_forgets_it() -> None:
    first, second = {"step": 4, "site": "self_model"}, {"step": 8, "site": "blocks.0.mlp"}
    state = GrowthState(
        born={"self_model": 4, "blocks.0.mlp": 8}, last_growth_step=8, pending={}, history=[first, second]
    )
    before = GrowthState(signals=SIGNALS, born={"self_model": 4}, last_growth_step=4, history=[first])
    kept = before.state()
    assert state.go_back_to({"loop": kept, "growth_history": kept["growth_history"]}) == [second]
    assert state == before
    assert state.go_back_to({"loop": kept, "growth_history": kept["growth_history"]}) == []
