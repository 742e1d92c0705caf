"""`synapsed export --format hub`: the folder, and where it is sent."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.cli.hub_upload import hub_ready, repository, upload
from daemon.cli.printing import say
from daemon.errors import UsageError
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.home import Home


def export_to_hub(
    home: Home,
    checkpoint: str,
    output: Path | None,
    *,
    force: bool,
    repo: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write the folder of a checkpoint; with `repo` send it there, unless it is a dry run.

    Raises:
        UsageError: there is something at its place, or nothing to send it with.
        SynapsedError: there is no such checkpoint, it is damaged, or the folder cannot be written or sent.
    """
    from daemon.checkpoint.catalogue import Catalogue
    from daemon.checkpoint.resolve import resolve
    from daemon.cli.output import print_json, size
    from daemon.system.paths import shown, status_of

    client = None
    if repo is not None:
        repo = repository(repo)
        client = None if dry_run else hub_ready()
    target = output or Path.cwd() / f"{resolve(Catalogue(home.checkpoints), checkpoint).stem}-hub"
    if status_of(target) is not None and not force:
        raise UsageError(f"{shown(target)} is there already; replace its files with --force, or name another")
    module = importlib.import_module("daemon.trainer.offline.hub_folder")
    found: dict[str, Any] = module.export_folder(home, checkpoint, target)
    found["sent_to"] = upload(client, target, repo) if client is not None and repo is not None else None
    if as_json:
        print_json(found)
        return
    files = ", ".join(f"{name} ({size(num_bytes)})" for name, num_bytes in found["files"].items())
    say(one_line(f"Wrote {found['path']}: {files}"))
    if found["bpc"] is None:
        say(one_line(found["not_measured"] or "Nothing is held out, so its loss is not measured"))
    else:
        say(
            f"Held-out BPC {found['bpc']:.4f} read back from it, {found['before_bpc']:.4f} of the checkpoint, over "
            f"{found['num_bytes']:,} bytes"
        )
    if found["sent_to"] is not None:
        say(one_line(f"Sent: {found['sent_to']}"))
    elif repo is not None:
        say(f"Dry run: would be sent to {repo}, private")
    say(one_line(f"Let it write: synapsed generate {found['path']} --prompt 'The '"))
