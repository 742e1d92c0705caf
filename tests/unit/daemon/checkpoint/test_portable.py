"""The single-file form: the seed's ten keys, exact, and nothing in it ever runs."""

from __future__ import annotations

import errno
import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from daemon import whole_file
from daemon.checkpoint import portable
from daemon.checkpoint.checkpoint_reader import LoadedCheckpoint, load
from daemon.checkpoint.portable import export_pt, load_pt
from daemon.errors import CheckpointError, TornCheckpointError
from tests.unit.daemon.checkpoint.samples import assert_same, assert_tensors, save_steps, tiny

ROWS = [
    {
        "bytes": torch.randint(0, 256, (5, 8), dtype=torch.uint8),
        "step": torch.arange(5),
        "loss": torch.rand(5),
    },
    {
        "bytes": torch.randint(0, 256, (2, 8), dtype=torch.uint8),
        "step": torch.arange(2),
        "loss": torch.rand(2),
    },
]


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedCheckpoint:
    [path] = save_steps(tmp_path / "checkpoints", [6])
    return load(path)


def test_exact_there_and_back(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    target = export_pt(loaded, tmp_path, replay_rows=ROWS)
    assert target == tmp_path / "continuous_1706123456.pt"
    back = load_pt(target)
    assert_same(back, tiny(6))
    assert back.manifest == loaded.manifest
    assert back.state == loaded.state
    assert back.missing == ()
    assert back.model["embed"] is back.model["head"]
    for got, meant in zip(back.replay_rows, ROWS, strict=True):
        assert_tensors(got, meant)
    again = export_pt(back, tmp_path / "again.pt")
    assert_same(load_pt(again), tiny(6))
    assert len(load_pt(again).replay_rows) == 2


TEN_KEYS = (
    "step_count", "total_samples_seen", "model_state_dict", "internal_state", "history_buffer",
    "metrics_history", "replay_buffer", "growth_history", "timestamp", "reason",
)  # fmt: skip


def test_ten_keys_for_any_program(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    content = torch.load(export_pt(loaded, tmp_path / "x.pt", replay_rows=ROWS), weights_only=True)
    assert set(TEN_KEYS) <= content.keys()
    assert content["step_count"] == 6
    assert content["total_samples_seen"] == 192
    assert content["reason"] == "auto"
    assert content["timestamp"] == "2024-01-24T19:10:56+00:00"
    assert torch.equal(content["internal_state"], torch.ones(6))
    assert content["internal_state"].data_ptr() == content["learning"]["carried|h"].data_ptr()
    assert isinstance(content["model_state_dict"]["bias"], torch.Tensor)
    for key in ("history_buffer", "metrics_history", "replay_buffer", "growth_history"):
        assert isinstance(content[key], list)
    assert content["replay_buffer"][1]["bytes"].shape == (2, 8)


def test_windows_of_vital_signs_are_the_history_buffer(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    learning = {**loaded.learning, "vitals|phi|window": torch.arange(3.0)}
    state = {**loaded.state, "loop": {"metrics_history": [{"bpc": 2.0}]}, "growth_history": [{"site": "mlp"}]}
    rich = LoadedCheckpoint(**{**vars(loaded), "learning": learning, "state": state})
    target = export_pt(rich, tmp_path / "x.pt")
    content = torch.load(target, weights_only=True)
    [window] = content["history_buffer"]
    assert content["metrics_history"] == [{"bpc": 2.0}]
    assert content["growth_history"] == [{"site": "mlp"}]
    assert window["name"] == "phi|window"
    assert_tensors(load_pt(target).learning, learning)


def test_a_file_of_another_program_reports_what_starts_over(tmp_path: Path) -> None:
    ten: dict[str, Any] = {
        "step_count": 15234, "total_samples_seen": 487488,
        "model_state_dict": {"w": torch.nn.Parameter(torch.ones(2))},
        "internal_state": torch.zeros(4), "history_buffer": [], "metrics_history": [{"phi": 0.4}],
        "replay_buffer": [], "growth_history": [1], "timestamp": "2026-02-19T14:30:56", "reason": "auto",
    }  # fmt: skip
    torch.save(ten, tmp_path / "seed.pt")
    back = load_pt(tmp_path / "seed.pt")
    assert (back.manifest.step, back.manifest.samples) == (15234, 487488)
    assert_tensors(back.model, {"w": torch.ones(2)})
    assert not back.model["w"].requires_grad
    assert back.state == {"metrics_history": [{"phi": 0.4}], "growth_history": [1]}
    assert back.missing == (
        "optimizer moments and carried state start over", "random generators start from the seed",
        "stream position and configuration start over", "the replay memory starts empty",
        "the architecture is taken from the configuration",
    )  # fmt: skip


class Evil:
    """Would run when unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("owned",))


@pytest.mark.parametrize("protocol", [None, 2])
def test_a_hostile_file_is_refused_and_does_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int | None
) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"model_state_dict": {"w": torch.ones(2)}, "step_count": Evil()}
    if protocol is None:
        torch.save(content, "evil.pt")
    else:
        Path("evil.pt").write_bytes(pickle.dumps({"step_count": Evil()}, protocol))
    with pytest.raises(TornCheckpointError, match=r"run code|not a readable"):
        load_pt(Path("evil.pt"))
    assert not Path("owned").exists()


def test_the_hostile_error_reports_what_to_do(tmp_path: Path) -> None:
    torch.save({"x": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(TornCheckpointError, match=r"could run code when loaded.*Ask its maker"):
        load_pt(tmp_path / "evil.pt")


@pytest.mark.parametrize(
    "content",
    [
        [], 5, {1: 2}, {}, {"model_state_dict": {}, "step_count": -1}, {"model_state_dict": [1]},
        {"model_state_dict": {"w": 1}}, {"model_state_dict": {1: torch.ones(1)}}, {"format": portable.FORMAT},
        {"model_state_dict": {}, "step_count": "many"}, {"model_state_dict": {}, "manifest": {"step": 1}},
        {"model_state_dict": {}, "growth_history": 5}, {"model_state_dict": {}, "state": [1]},
        {"model_state_dict": {}, "step_count": float("inf")}, {"model_state_dict": {}, "step_count": 10**30},
    ],
    ids=repr,
)  # fmt: skip
def test_tensors_and_values_that_are_no_checkpoint(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pt")
    with pytest.raises(TornCheckpointError):
        load_pt(tmp_path / "x.pt")


def test_damage_is_found_or_harmless(loaded: LoadedCheckpoint, tmp_path: Path) -> None:
    whole = export_pt(loaded, tmp_path / "x.pt", replay_rows=ROWS).read_bytes()
    dice = random.Random(5)
    damaged = [whole[: dice.randrange(len(whole))] for _ in range(40)]
    damaged += [whole[:-4096] + bytes(4096), b"", b"PK\x03\x04", bytes(100), b"\x80\x02}q\x00."]
    for _ in range(400):
        flipped = bytearray(whole)
        flipped[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
        damaged.append(bytes(flipped))
    found = 0
    for content in damaged:
        (tmp_path / "bad.pt").write_bytes(content)
        try:
            assert_same(load_pt(tmp_path / "bad.pt"), tiny(6))  # padding and zip headers carry nothing
        except TornCheckpointError:
            found += 1
    assert found > 0.4 * len(damaged)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(TornCheckpointError, match="missing"):
        load_pt(tmp_path / "none.pt")


def test_a_full_disk_leaves_nothing(
    loaded: LoadedCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole_file, "sync_file", full)
    (tmp_path / "out").mkdir()
    with pytest.raises(CheckpointError, match="no space left"):
        export_pt(loaded, tmp_path / "out" / "x.pt")
    with pytest.raises(CheckpointError, match="there is no folder"):
        export_pt(loaded, tmp_path / "nowhere" / "x.pt")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_read_only_disk_is_one_line(
    loaded: LoadedCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *arguments: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(CheckpointError, match="read-only file system"):
        export_pt(loaded, tmp_path / "x.pt")
