"""One file of named tensors in the safetensors layout: written in one pass, read by safetensors itself.

Layout: 8 bytes little-endian header length, a JSON header (name → dtype, shape, offsets), the raw tensors.
Source: https://huggingface.co/docs/safetensors, format section.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as load_bytes
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
}
LEVEL = 2  # the next takes a third more time for a twentieth less room
PIECE_BYTES = 1 << 20  # compressed at once, without the interpreter
_ODD = "dtypes"  # header entry for what the layout has no name for: stored as its bytes


class TensorFileError(Exception):
    """The content is not a file of tensors."""


def chunks(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """The content of a file that holds `tensors` (contiguous, on the CPU), piece by piece, uncopied."""
    # Widest items first, so that each tensor lies on a multiple of its item size.
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
    header: dict[str, Any] = {}
    odd = {name: str(tensor.dtype) for name, tensor in ordered if tensor.dtype not in _DTYPES}
    if odd:
        header["__metadata__"] = {_ODD: json.dumps(odd, sort_keys=True)}
    offset = 0
    for name, tensor in ordered:
        shape = [*tensor.shape, tensor.element_size()] if name in odd else list(tensor.shape)
        end = offset + tensor.numel() * tensor.element_size()
        dtype = _DTYPES.get(tensor.dtype, "U8")
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw += b" " * (-len(raw) % 8)
    yield len(raw).to_bytes(8, "little")
    yield raw
    for _, tensor in ordered:
        if tensor.numel():
            yield memory_of(tensor)


def compressed(content: Iterable[bytes | memoryview]) -> Iterator[bytes]:
    """The content of a gzip file that holds `content`; the same for the same, whenever it is written."""
    stream = zlib.compressobj(LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in content:
        view = memoryview(piece).cast("B")
        for begin in range(0, len(view), PIECE_BYTES):
            yield stream.compress(view[begin : begin + PIECE_BYTES])
    yield stream.flush()


def read(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, in memory of their own; one whose name ends in `.gz` is decompressed.

    Raises:
        TensorFileError: the content is not a file of tensors.
        OSError: it cannot be read.
    """
    with path.open("rb"):  # an OSError here keeps its errno, which safetensors would hide
        pass
    try:
        tensors, metadata = _decompressed(path) if path.suffix == ".gz" else _mapped(path)
        for name, dtype in json.loads(metadata.get(_ODD, "{}")).items():
            tensors[name] = tensors[name].view(_odd_dtype(dtype)).squeeze(-1)
    except (SafetensorError, ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        raise TensorFileError(str(error).partition("\n")[0]) from error
    return tensors


def _mapped(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    with safe_open(path, framework="pt", device="cpu") as file:
        # Cloned: the mapping would keep the file open, and reading it later could fail.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - no mapping
        return tensors, file.metadata() or {}


def _decompressed(path: Path) -> tuple[dict[str, Tensor], Mapping[str, str]]:
    try:
        with gzip.open(path) as file:
            content = file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TensorFileError(str(error)) from error
    size = int.from_bytes(content[:8], "little")
    return load_bytes(content), json.loads(content[8 : 8 + size]).get("__metadata__", {})


def memory_of(tensor: Tensor) -> memoryview:
    """The bytes of a contiguous tensor on the CPU, shared with it."""
    # With new strides: a dimension of one may have any stride, which a view as bytes refuses.
    flat = tensor.detach().as_strided((tensor.numel(),), (1,))
    return memoryview(flat.view(torch.uint8).numpy())  # type: ignore[arg-type] # numpy's stubs hide its buffer


def _odd_dtype(name: str) -> torch.dtype:
    dtype = getattr(torch, name.removeprefix("torch."))
    if not isinstance(dtype, torch.dtype):
        raise TypeError(f"{name} is not a dtype")
    return dtype
