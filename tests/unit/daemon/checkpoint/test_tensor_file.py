"""What is written comes back to the bit, compressed or not; what is no such file is refused."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load

from daemon.checkpoint import tensor_file
from daemon.checkpoint.tensor_file import TensorFileError
from tests.unit.daemon.checkpoint.samples import assert_tensors

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

DTYPES = [
    torch.uint8,
    torch.int32,
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.bool,
    torch.complex128,
]


@st.composite
def tensors(draw: st.DrawFn) -> dict[str, Tensor]:
    """Some, of any dtype and shape, empty ones and scalars among them."""
    named = {}
    for name in draw(st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=4)):
        shape = draw(st.lists(st.integers(0, 5), max_size=3))
        generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
        named[name] = torch.randint(0, 3, shape, generator=generator).to(draw(st.sampled_from(DTYPES)))
    return named


@pytest.mark.parametrize("name", ["plain.safetensors", "small.safetensors.gz"])
@given(named=tensors())
def test_there_and_back(
    tmp_path_factory: pytest.TempPathFactory, name: str, named: dict[str, Tensor]
) -> None:
    path = tmp_path_factory.mktemp("tensors") / name
    content = tensor_file.chunks(named)
    path.write_bytes(b"".join(tensor_file.compressed(content) if path.suffix == ".gz" else content))
    assert_tensors(tensor_file.read(path), named)


def test_any_program_can_read_the_compressed_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_file, "PIECE_BYTES", 1000)
    named = {"counts": torch.arange(5000), "few": torch.zeros(100_000, dtype=torch.uint8)}
    written = b"".join(tensor_file.compressed(tensor_file.chunks(named)))
    assert_tensors(load(gzip.decompress(written)), named)
    assert len(written) < 20_000
    assert written == b"".join(tensor_file.compressed(tensor_file.chunks(named)))


def test_what_was_read_can_be_learned_from(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors.gz"
    path.write_bytes(b"".join(tensor_file.compressed(tensor_file.chunks({"w": torch.zeros(3)}))))
    read = tensor_file.read(path)
    read["w"].add_(1)
    assert read["w"].tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "content",
    [b"", b"no gzip", gzip.compress(b"", mtime=0), gzip.compress(b"no tensors", mtime=0),
     gzip.compress(bytes(100), mtime=0)[:-9], gzip.compress(bytes(100), mtime=0)[:-8] + bytes(8),
     gzip.compress(b"\x02" + bytes(7) + b"{}", mtime=0) + b"more"],
    ids=["empty", "no gzip", "nothing packed", "no tensors", "cut", "wrong sum", "more behind it"],
)  # fmt: skip
def test_what_is_no_file_of_tensors_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.safetensors.gz"
    path.write_bytes(content)
    with pytest.raises(TensorFileError):
        tensor_file.read(path)
