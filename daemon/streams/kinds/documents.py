"""Documents of any form: the text of PDF, EPUB, HTML and mail, and plain text as it stands."""

from __future__ import annotations

from dataclasses import dataclass

from daemon.errors import UsageError
from daemon.streams.documents.libraries import INSTALL, missing_libraries
from daemon.streams.kinds import sources
from daemon.streams.kinds.files import FilesConfig


@sources.register("documents", builds="daemon.streams.kinds.files:FilesCorpus")
@dataclass(frozen=True, kw_only=True)
class DocumentsConfig(FilesConfig):
    """Text taken out of PDF, EPUB, HTML and mail (mbox, maildir, .eml); other files of text are read as they stand.

    Attributes:
        path: file or folder.
        name: what the source is called, in weights and reports; empty: as its path.
    """

    @property
    def converts(self) -> bool:
        """That is what it is for."""
        return True

    def check(self, *, may_fill: bool) -> None:  # noqa: ARG002 (any file may hold text)
        """What takes the text out must be installed.

        Raises:
            UsageError: it is not.
        """
        if missing := missing_libraries():
            raise UsageError(f"a source of documents needs {' and '.join(missing)}: {INSTALL}")
