"""PDF: the text of each page, read by PDFium in a process of its own, whose crash costs this document alone.

python -m daemon.streams.documents.pdf FILE
"""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.streams.errors import UndecodableError
from daemon.system.own_modules import command_of, environment

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_SECONDS = 600.0
MAX_MEMORY_BYTES = 2 << 30
REFUSED = 3  # exit code: the last line on standard error says why
_CHUNK_BYTES = 1 << 16
_REASONS = {"password": "it is locked by a password", "data format": "it is damaged"}


def pages(path: Path) -> Iterator[str]:
    """The text of all pages, in pieces.

    Raises:
        UndecodableError: locked, damaged, or too long to read.
    """
    command = [*command_of(__name__), os.fspath(path)]
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    ) as reader:
        assert reader.stdout is not None
        assert reader.stderr is not None
        late = threading.Timer(MAX_SECONDS, reader.kill)
        late.daemon = True
        late.start()
        try:
            while chunk := reader.stdout.read(_CHUNK_BYTES):
                yield decoder.decode(chunk)
            complaint = reader.stderr.read(_CHUNK_BYTES).decode(errors="replace").strip()
            code = reader.wait()
        finally:
            is_late = not late.is_alive()
            late.cancel()
            reader.kill()
    if code == REFUSED:
        raise UndecodableError(complaint.splitlines()[-1])
    if code != 0:
        why = f"it takes longer than {MAX_SECONDS:g} s" if is_late else f"its reader failed with {code}"
        raise UndecodableError(why)


def main(path: Path) -> int:
    """Print the text of a PDF; in the child process."""
    _limit_memory()
    import pypdfium2  # noqa: PLC0415

    out = sys.stdout.buffer
    try:
        with pypdfium2.PdfDocument(path) as document:
            for page in document:
                text = page.get_textpage().get_text_range()
                # PDFium marks a hyphen at the end of a line: the word continues in the next.
                out.write(
                    text.replace("\x02\r\n", "").replace("\ufffe\r\n", "").encode("utf-8", "replace")
                    + b"\n\n"
                )
                page.close()
    except pypdfium2.PdfiumError as error:
        words = str(error).lower()
        sys.stderr.write(next((reason for part, reason in _REASONS.items() if part in words), words) + "\n")
        return REFUSED
    out.flush()
    return 0


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource  # noqa: PLC0415

        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
