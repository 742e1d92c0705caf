"""What the scripted daemon answers to an order to forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.fake_daemon.run import FakeRun
    from tests.fake_daemon.world import FakeDaemon

FIRST_STEP = 2500


def forgotten(daemon: FakeDaemon, run: FakeRun, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The result of an order, or of a dry run; an order leaves a checkpoint and an event."""
    kind = next(name for name in ("text", "source", "since") if wanted.get(name) is not None)
    asked = {"text": "a text of 14 bytes", "since": f"all since {wanted.get('since')}"}
    what, dry = asked.get(kind, f"source {wanted.get('source')}"), bool(wanted.get("dry_run"))
    own = [one for one in daemon.checkpoints if one["run"] == run.id]
    before = next((one for one in own if one["step"] <= FIRST_STEP), None)
    result = {
        "what": what,
        "kind": kind,
        "run": run.id,
        "receipt": None if dry else 7,
        "effective_step": run.step + 1,
        "sha256": "ab" * 32 if kind == "text" else None,
        "rows": 12,
        "row_bytes": 4096,
        "replayed_rows": 12,
        "first_step": FIRST_STEP,
        "memory_bytes": 3000,
        "memory_contexts": 9000,
        "memory_emptied": False,
        "sources_read_on": True,
        "checkpoint": None,
        "before": None if before is None else {"checkpoint": before["id"], "step": before["step"]},
        "older": [one["id"] for one in own],
        "not_reached": ["the weights, their averages and moments", "log files"],
        "others": [],
        "on_disk": None if dry else True,
        "why_not": None,
    }
    if dry:
        return result
    saved = daemon.save(run, reason="forgotten")
    daemon.note(run, "experience_forgotten", f"Forgot {what} (receipt 7): 12 remembered rows", receipt=7)
    return {**result, "probe_rows": 2, "pushed_texts": 1, "checkpoint": saved}
