"""Receipts: what a run was told to forget, kept beside its journal. Imports no torch.

A receipt is written before the journal knows of the order, and says how far it has come: ordered, taken (a checkpoint
holds the run without it), erased (so does the disk). It holds a text while an older checkpoint is kept
from which the text could come back; after that, only its hash.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError
from brain.memory.selection import Selection, SourceSpan
from daemon.errors import CheckpointError
from daemon.system.durable import rewrite_wiped, sync_directory, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from daemon.checkpoint.manifest import Manifest

logger = logging.getLogger(__name__)

FORMAT = 1
FOLDER = "forgotten"
ORDERED, TAKEN, ERASED = "ordered", "taken", "erased"


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One order to forget.

    Attributes:
        run: whose it is.
        number: of its journal entry.
        step: from which on it holds.
        time: when it was ordered, ISO 8601 UTC.
        kind: text, source or since.
        asked: what was asked for, for people: the name of a source, a time, of a text its length.
        text: the passage; None for other kinds, and once nothing is kept from which it would come back.
        sha256: of the text as it was given; empty for other kinds.
        sources: number, first step and step behind the last at which it meant that source.
        since: the first step that is forgotten.
        state: ordered, taken or erased.
        saved: number of the first checkpoint without it; 0 before there is one.
        checkpoint: its name.
        counts: what was found, by store.
        reported: whether an event reported it.
    """

    run: str
    number: int
    step: int
    time: str
    kind: str
    asked: str
    text: bytes | None = None
    sha256: str = ""
    sources: tuple[tuple[int, int, int | None], ...] = ()
    since: int | None = None
    state: str = ORDERED
    saved: int = 0
    checkpoint: str = ""
    counts: Mapping[str, Any] = field(default_factory=dict)
    reported: bool = False

    @property
    def what(self) -> str:
        """What was asked for, within a sentence."""
        return {"text": f"a text of {self.asked}", "source": f"source {self.asked}"}.get(
            self.kind, f"all since {self.asked}"
        )

    @property
    def order(self) -> dict[str, Any]:
        """What stands in the journal: not the text."""
        return {"receipt": self.number, "run": self.run, "what": self.what, "sha256": self.sha256}

    @property
    def selection(self) -> Selection:
        """What it means; all there is, where its text is not known any more."""
        if self.kind == "text":
            return Selection(text=self.text) if self.text is not None else Selection(since=0)
        if self.kind == "source":
            return Selection(
                sources=tuple(
                    SourceSpan(index=index, from_step=first, before_step=behind)
                    for index, first, behind in self.sources
                )
            )
        return Selection(since=self.since)

    def lacked_by(self, manifest: Manifest) -> bool:
        """Whether a checkpoint of its run was saved before it was forgotten, and may hold it."""
        return manifest.sequence < self.saved and not self.absent_from(manifest) if self.saved else False

    def absent_from(self, manifest: Manifest) -> bool:
        """Whether a checkpoint of its run cannot hold it: none of it can have been read by then.

        Which step a text was first read at is no proof: replay does not keep every row.
        """
        if self.since is not None and manifest.step < self.since:
            return True
        if self.sources and manifest.step < min(first for _, first, _ in self.sources):
            return True
        return manifest.step == manifest.samples == manifest.journal == 0

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text."""
        text = None if self.text is None else base64.b64encode(self.text).decode("ascii")
        return {"format": FORMAT, **dataclasses.asdict(self), "text": text}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Receipt:
        """The inverse of `to_json`.

        Raises:
            ValueError, LookupError, TypeError: it is none.
        """
        fields = {name: value for name, value in record.items() if name != "format"}
        if record["format"] != FORMAT:
            raise ValueError(f"form {record['format']!r} of a later synapsed")
        if fields["text"] is not None:
            fields["text"] = base64.b64decode(fields["text"])
        fields["sources"] = tuple((int(one), int(two), three) for one, two, three in fields["sources"])
        return cls(**fields)


class Receipts:
    """The receipts of a run, in its replay folder. One process writes them; it must hold the run's lock."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def all(self) -> list[Receipt]:
        """Every receipt that can be read, in the order of their numbers.

        Raises:
            CheckpointError: one cannot be read: what was to be forgotten could come back.
        """
        found = []
        paths = sorted(self._folder.glob("receipt-*.json")) if self._folder.is_dir() else []
        for path in paths:
            try:
                receipt = Receipt.from_json(json.loads(path.read_bytes()))
                _ = receipt.selection
            except (OSError, ValueError, LookupError, TypeError, SettingsError) as error:
                raise CheckpointError(
                    f"The receipt {path} of what was forgotten cannot be read ({error}). Restore it; "
                    "if you delete it, what was forgotten may come back"
                ) from error
            found.append(receipt)
        return found

    def get(self, number: int) -> Receipt | None:
        """The receipt of that number."""
        return next((one for one in self.all() if one.number == number), None)

    def put(self, receipt: Receipt) -> None:
        """Write a receipt, or what has come of it since.

        Raises:
            OSError: disk full; what stood there stands.
        """
        if not self._folder.is_dir():
            self._folder.mkdir(mode=0o700, parents=True)
            sync_directory(self._folder.parent)
        path, data = self._path(receipt), json.dumps(receipt.to_json(), indent=1).encode("ascii")
        (rewrite_wiped if path.exists() else write_whole)(path, data)
        path.chmod(0o600)  # its folder lets nobody else in anyway

    def drop(self, receipt: Receipt) -> None:
        """Delete the receipt of an order that never came into the journal."""
        self._path(receipt).unlink(missing_ok=True)

    def lacking(self, manifest: Manifest) -> list[Receipt]:
        """Those that a checkpoint of the run was saved before."""
        return [one for one in self.all() if one.lacked_by(manifest)]

    def seal(self, manifests: Iterable[Manifest]) -> None:
        """Erase the texts that no kept checkpoint of the run, of these, could bring back.

        Raises:
            OSError: disk full; call it again.
        """
        kept = list(manifests)
        for receipt in self.all():
            done = receipt.state == ERASED and receipt.text is not None
            if done and not any(receipt.lacked_by(manifest) for manifest in kept):
                self.put(dataclasses.replace(receipt, text=None))

    def _path(self, receipt: Receipt) -> Path:
        return self._folder / f"receipt-{receipt.number:012d}.json"
