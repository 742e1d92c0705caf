"""What can be found wrong before anything starts, so that a mistake is one line and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from daemon.home import Home
    from daemon.supervisor.requests import ResumeRequest, StartRequest


def check_request(request: StartRequest | ResumeRequest | None, home: Home) -> None:
    """Refuse a checkpoint that is not there, and data without any text; what takes long is left to the daemon.

    Raises:
        NotFoundError: no checkpoint has that name.
        NoCheckpointError: there is none to resume.
        UsageError: the path leads to no checkpoint, or nothing can be read from the data.
    """
    from daemon.supervisor.requests import ResumeRequest

    if isinstance(request, ResumeRequest):
        _check_checkpoint(request.checkpoint, home)
        _check_text(request.overrides.get("stream.data", ()), (), home, may_fill=True)
    elif request is not None:
        stream = request.config.stream
        _check_text(stream.data, stream.source, home, may_fill=stream.at_end == "wait")


def _check_checkpoint(text: str, home: Home) -> None:
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import LATEST, newest_run, refuse_packed, resolve

    catalogue = Catalogue(home.checkpoints)
    if text == LATEST:  # its bytes are hashed once, by the daemon
        newest_run(catalogue)
    else:
        refuse_packed(resolve(catalogue, text))


def _check_text(
    data: Sequence[str], tables: Sequence[Mapping[str, Any]], home: Home, *, may_fill: bool
) -> None:
    if data or tables:  # else the reader of data need not be imported
        from daemon.streams.sources import require_text

        require_text(data, tables, home=home.root, may_fill=may_fill)
