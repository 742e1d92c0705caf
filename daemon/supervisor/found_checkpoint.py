"""A checkpoint that is about to be resumed: its run, and the configuration it was trained with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.checkpoint.manifest import STATE
from daemon.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.checkpoint.catalogue import Catalogue


@dataclass(frozen=True, kw_only=True)
class FoundCheckpoint:
    """A checkpoint to resume.

    Attributes:
        path: where loading begins: a damaged newer one, if any, so that it is set aside.
        run: the run it belongs to; None for a file from elsewhere.
        newest: no later sound checkpoint of that run is here.
        config: the configuration it was trained with.
    """

    name: str
    path: Path
    run: str | None
    step: int
    samples: int
    newest: bool
    config: dict[str, Any]


def stored_config(path: Path, catalogue: Catalogue) -> dict[str, Any]:
    """The configuration a checkpoint was trained with.

    Raises:
        DefectError: its file is damaged.
        UsageError: it carries none.
    """
    try:
        config = json.loads((path / STATE).read_bytes())["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        catalogue.verify(path)
        raise UsageError(
            f"the checkpoint {path.name} carries no configuration; choose another: synapsed checkpoints"
        ) from error
    if not isinstance(config, dict):
        raise UsageError(
            f"the checkpoint {path.name} carries no configuration; choose another: synapsed checkpoints"
        )
    return config
