"""What a single-file checkpoint (`.pt`) holds: only torch can read one, so a process of its own does.

`python -m daemon.supervisor.single_file FILE` prints it as JSON; the supervisor itself never imports torch.
"""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from daemon.errors import CheckpointError
from daemon.system.own_modules import command_of, environment

READ_WITHIN_SECONDS = 300.0


def describe(path: Path) -> dict[str, Any]:
    """Step, samples and config of a `.pt` file; config is None in one of another program.

    Raises:
        CheckpointError: it cannot be read.
    """
    command = [*command_of("daemon.supervisor.single_file"), str(path)]
    try:
        reading = subprocess.run(  # noqa: S603 - our own module, and a path that is there
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=READ_WITHIN_SECONDS,
            check=False,
            env=environment(),
        )
        answer: dict[str, Any] = json.loads(reading.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise CheckpointError(f"{path} could not be read; choose another: synapsed checkpoints") from error
    if "error" in answer:
        raise CheckpointError(answer["error"])
    return answer


def main(path: Path) -> None:
    """Print what `describe` reads; runs in the process of its own."""
    portable = importlib.import_module("daemon.checkpoint.portable")
    try:
        checkpoint = portable.load_pt(path)
    except CheckpointError as error:
        sys.stdout.write(json.dumps({"error": str(error)}) + "\n")
        return
    config = checkpoint.state.get("config")
    manifest = checkpoint.manifest
    sys.stdout.write(
        json.dumps({"step": manifest.step, "samples": manifest.samples, "config": config}) + "\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
