"""A checkpoint written as one file continues exactly as the directory does, also in another home."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from daemon.home import Home
from daemon.trainer.offline.questions import evaluate, export, generate
from tests.integration.test_bit_exact import learn, remembered_hash, weights_hash

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pt_file_resumes_bit_exactly_in_another_home(home: Home, tmp_path: Path) -> None:
    with_memory: dict[str, Any] = {"brain__hippocampus_mib": 20}
    middle = learn(home, limits__steps=25, **with_memory)
    exported = export(home, middle.name, tmp_path)
    assert exported.name == f"{middle.name}.pt"
    whole = learn(home, limits__steps=20, session=2, checkpoint=middle, **with_memory)
    other = Home.open(tmp_path / "other", environ={})
    other.prepare()
    moved = learn(other, limits__steps=20, checkpoint=exported, **with_memory)
    forked = learn(
        home, run_id="r-fork", fork_of="r-test", limits__steps=20, checkpoint=middle, **with_memory
    )
    for end in (moved, forked):
        assert weights_hash(end) == weights_hash(whole)
        assert remembered_hash(end) == remembered_hash(whole)


def test_the_file_has_the_ten_keys_and_loads_without_running_anything(home: Home, tmp_path: Path) -> None:
    middle = learn(home, limits__steps=10)
    content = torch.load(export(home, "latest", tmp_path), weights_only=True)
    assert content["step_count"] == 10
    assert content["model_state_dict"]
    assert isinstance(content["internal_state"], torch.Tensor)
    assert len(content["replay_buffer"]) > 0
    assert content["reason"] == "final"
    assert middle.name in str(middle)


def test_a_checkpoint_can_be_asked_and_scored_with_nothing_running(home: Home) -> None:
    learn(home, limits__steps=30)
    printed = generate(home, "latest", "import ", max_bytes=12, temperature=0.8, top_p=0.9)
    assert printed["step"] == 30
    assert printed["bytes_generated"] >= 12
    scored = evaluate(home, "latest")
    assert 1.0 < scored["bpc"] < 9.0
    assert scored["by_source"].keys() == {"asyncio"}
    assert scored["num_bytes"] > 10_000
