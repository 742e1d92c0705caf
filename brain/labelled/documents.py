"""Labelled documents out of rows of bytes: `text + 0x1F + label`, over as many rows of a lane as it takes.

Shapes: B rows of a batch, T bytes of a row, L lanes, D bytes kept of a document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from brain.ports import CARRIED

if TYPE_CHECKING:
    from brain.ports import Batch

SEPARATOR = b"\x1f"


@dataclass(frozen=True, kw_only=True)
class Document:
    """A document that has ended.

    Attributes:
        text: what is to be labelled.
        label: None where no separator was read.
        row: of the batch, in which its end was found.
        live: it was read in a lane, not replayed.
        num_bytes: of all of it, label included.
    """

    text: bytes
    label: str | None
    row: int
    live: bool
    num_bytes: int


@dataclass(frozen=True)
class Reading:
    """What a batch leads to: documents that ended, and what each lane that read has of one that did not."""

    documents: list[Document]
    begun: dict[int, bytes]


class Carry:
    """The beginning of each lane's document, (L, D) bytes and their number; part of the brain's carried state.

    A document that fills its row may continue in the next one, so it ends when the lane's next row is reset. Of one
    longer than D the first and the last bytes are kept: what it begins with, and its label.
    """

    def __init__(self, lanes: int, document_bytes: int) -> None:
        self.bytes = torch.zeros(lanes, document_bytes, dtype=torch.uint8)
        self.length = torch.zeros(lanes, dtype=torch.int64)

    def read(self, batch: Batch) -> Reading:
        """The documents of a batch; nothing is carried on before `keep`."""
        documents: list[Document] = []
        begun: dict[int, bytes] = {}
        lengths, width = batch.mask.sum(dim=1).tolist(), batch.bytes.shape[1]
        rows, lanes, resets = batch.bytes.cpu().numpy(), batch.lane.tolist(), batch.reset.tolist()
        carried = self.length.tolist()
        for row, (lane, length, reset) in enumerate(zip(lanes, lengths, resets, strict=True)):
            before = self._begun(lane) if lane >= 0 and carried[lane] else b""
            if reset and before:
                documents.append(document(before, row=row, live=True))
                before = b""
            whole = self._bounded(before + rows[row, :length].tobytes())
            if lane < 0 or length < width:
                if whole:
                    documents.append(document(whole, row=row, live=lane >= 0))
                whole = b""
            if lane >= 0:
                begun[lane] = whole
        return Reading(documents, begun)

    def keep(self, reading: Reading) -> None:
        """Carry on what a batch has begun."""
        carried = self.length.tolist()
        for lane, data in reading.begun.items():
            if not (data or carried[lane]):
                continue
            self.length[lane] = len(data)
            self.bytes[lane].zero_()
            self.bytes[lane, : len(data)] = torch.frombuffer(bytearray(data or b"\0"), dtype=torch.uint8)[
                : len(data)
            ]

    def clear(self) -> None:
        """Carry nothing on."""
        self.bytes.zero_()
        self.length.zero_()

    def tensors(self) -> dict[str, Tensor]:
        """Live tensors of the carried state."""
        return {f"{CARRIED}document": self.bytes, f"{CARRIED}document_bytes": self.length}

    def _begun(self, lane: int) -> bytes:
        return self.bytes[lane, : int(self.length[lane])].numpy().tobytes()

    def _bounded(self, data: bytes) -> bytes:
        most = self.bytes.shape[1]
        return data if len(data) <= most else data[: most // 2] + data[len(data) - (most - most // 2) :]


def document(data: bytes, *, row: int, live: bool) -> Document:
    r"""A document of these bytes; what stands behind its last separator is its label.

    >>> document(b"late again\x1fcomplaint", row=0, live=True).label
    'complaint'
    """
    text, separator, label = data.rpartition(SEPARATOR)
    if not separator or not label.strip():
        return Document(
            text=data.removesuffix(SEPARATOR), label=None, row=row, live=live, num_bytes=len(data)
        )
    named = label.decode("utf-8", "backslashreplace").strip()
    return Document(text=text, label=named, row=row, live=live, num_bytes=len(data))


def labelled(rows: Tensor, mask: Tensor) -> list[Document]:
    """The rows that have a label, each as a document."""
    data, lengths = rows.cpu().numpy(), mask.sum(dim=1).tolist()
    read = [document(data[row, :n].tobytes(), row=row, live=True) for row, n in enumerate(lengths)]
    return [one for one in read if one.label is not None]
