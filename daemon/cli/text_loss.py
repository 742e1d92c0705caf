"""`synapsed evaluate --data`: the loss of a text of one's own."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from daemon.cli.printing import say
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.home import Home


def score_text(home: Home, checkpoint: str, data: Path, *, split: str, as_json: bool) -> None:
    """Print what a split of a text costs, of the network alone and with its exact memory."""
    from daemon.cli.output import print_json
    from daemon.system.paths import as_path

    module = importlib.import_module("daemon.trainer.offline.scoring")
    found: dict[str, Any] = module.evaluate_text(home, checkpoint, as_path(data), split=split)
    if as_json:
        print_json(found)
        return
    part = "" if split == "all" else f", {split} split from byte {found['begin']:,} on"
    what = f"{found['checkpoint']}; {found['packed']}" if found["packed"] else found["checkpoint"]
    say(
        one_line(
            f"BPC {found['bpc']:.4f} over {found['num_bytes']:,} bytes of {found['data']}{part}, each once, in "
            f"{found['num_resets']} rows ({what})"
        )
    )
    if found["mixed_bpc"] is not None:
        say(f"BPC {found['mixed_bpc']:.4f} with its exact memory")
    for name, bpc in found["compressors"].items():
        say(f"BPC {bpc:.4f} by {name}, of these bytes alone")
