"""The packed file: exact there and back, and nothing that was damaged or is another's comes in."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file

from brain.packing import Packed
from daemon import whole_file
from daemon.checkpoint import ternary_file
from daemon.checkpoint.manifest import Manifest
from daemon.checkpoint.ternary_file import ABOUT, PackedBrain, load_packed, write_packed
from daemon.errors import CheckpointError, TornCheckpointError
from tests.unit.daemon.checkpoint.samples import flip_bit

if TYPE_CHECKING:
    from pathlib import Path


def brain() -> PackedBrain:
    layout: dict[str, dict[str, Any]] = {
        "w": {"form": "ternary", "shape": [1, 3], "existing": 2, "per_byte": 5}
    }
    tensors = {
        "w|signs": torch.tensor([200], dtype=torch.uint8),
        "w|row_scale": torch.tensor([[0.5]], dtype=torch.bfloat16),
        "w|column_scale": torch.tensor([[4.0]], dtype=torch.bfloat16),
        "head": torch.arange(6.0).view(2, 3),
    }
    manifest = Manifest(
        run_id="r-1",
        session=2,
        sequence=3,
        step=7,
        samples=70,
        created=5.0,
        timestamp="then",
        reason="auto",
        spec={},
    )
    spec = {"kind": "synapse", "config": {"ternary": True}}
    return PackedBrain(packed=Packed(tensors, layout), spec=spec, config={"seed": 3}, manifest=manifest)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "brain.safetensors"
    assert write_packed(brain(), target) == target.stat().st_size
    return target


def test_exact_there_and_back(path: Path) -> None:
    loaded = load_packed(path)
    assert loaded.model["w"].tolist() == [[0.5, -0.5, 0.0]]
    assert torch.equal(loaded.model["head"], torch.arange(6.0).view(2, 3))
    assert loaded.manifest.spec == {"kind": "synapse", "config": {"ternary": True}}
    assert (loaded.manifest.run_id, loaded.manifest.step, loaded.manifest.reason) == ("r-1", 7, "packed")
    assert loaded.state["config"] == {"seed": 3}
    assert loaded.packed is not None
    assert loaded.learning == {}


def test_every_flipped_bit_is_found(path: Path) -> None:
    whole = path.read_bytes()
    for place in range(8, len(whole), 13):
        flip_bit(path, 8 * place + place % 8)
        with pytest.raises(TornCheckpointError):
            load_packed(path)
        path.write_bytes(whole)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_torn_file_is_named(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(TornCheckpointError, match=r"brain\.safetensors .* is torn .* synapsed quantize CKPT"):
        load_packed(path)


@pytest.mark.parametrize("about", [None, "[]", "{}", "nothing", json.dumps({"format": "synapsed-packed-9"})])
def test_a_file_of_another_is_no_packed_brain(tmp_path: Path, about: str | None) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"w": torch.zeros(2)}, path, None if about is None else {ABOUT: about})
    with pytest.raises(TornCheckpointError, match="not a packed brain"):
        load_packed(path)


def test_a_later_format_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ternary_file, "FORMAT", "synapsed-packed-0")
    with pytest.raises(TornCheckpointError, match="of format synapsed-packed-1"):
        load_packed(path)


def test_what_cannot_be_written_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(whole_file, "sync_file", full)
    with pytest.raises(CheckpointError, match="no space left on device"):
        write_packed(brain(), tmp_path / "brain.safetensors")
    assert list(tmp_path.iterdir()) == []
