"""Kinds of sources, one file each: what `[[stream.source]]` may hold. Imports neither torch nor numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from brain.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from daemon.streams.corpus import Corpus
    from daemon.streams.decoding import DecodedCache
    from daemon.streams.holdout import HoldOut
    from daemon.streams.sources import SourcePath


class SourceConfig(Protocol):
    """The settings of a kind: a frozen dataclass whose `path` is a file or folder."""

    @property
    def name(self) -> str:
        """What the source is called; empty: as its path."""

    @property
    def path(self) -> str:
        """File or folder."""

    @property
    def has_labels(self) -> bool:
        """Its documents end in a label: text, 0x1F, label."""

    @property
    def converts(self) -> bool:
        """Text is taken out of PDF, HTML and the like, which else is passed over or read as it stands."""

    def check(self, *, may_fill: bool) -> None:
        """A cheap look at what is there, before any process is started; what `may_fill` may be empty.

        Raises:
            UsageError: one line: what is wrong, where, and the nearest right thing.
        """


class MakesCorpus(Protocol):
    """How the class of a kind is built."""

    def __call__(
        self,
        source: SourcePath,
        *,
        split: HoldOut,
        cache: DecodedCache,
        skip: Callable[[str, str], None],
        grows: bool,
    ) -> Corpus:
        """The corpus of a source, not listed yet.

        Args:
            source: what is read; its `settings` are of the kind's config class.
            split: what is held out.
            cache: where packed documents and those in other encodings are decoded.
            skip: takes the name of a document that is passed over, or a part of it, and why.
            grows: documents are appended to, and what is appended is read.
        """


sources: Registry[SourceConfig] = Registry("kind of source", ("daemon.streams.kinds",))


def settings_of(table: Mapping[str, Any]) -> SourceConfig:
    """The settings of a checked `[[stream.source]]`."""
    own = {key: value for key, value in table.items() if key != "kind"}
    settings: SourceConfig = sources.get(table["kind"]).config(**own)
    return settings
