"""From what a person asks to be forgotten to a receipt of it, and what was found in words of the answer."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from brain.errors import SettingsError
from brain.memory.passages import PIECE
from brain.nearest_name import did_you_mean
from daemon.erasing_receipts import Receipt
from daemon.system.counting import counted
from daemon.trainer.errors import RefusalError

if TYPE_CHECKING:
    from brain.capabilities import Forgotten
    from brain.memory.replay_records import Recorded
    from daemon.orders import Forget
    from daemon.trainer.state.source_names import SourceNames


def receipt_of(order: Forget, *, run: str, number: int, step: int, time: str, names: SourceNames) -> Receipt:
    """The receipt of an order.

    Raises:
        RefusalError: it means nothing, or more than one thing.
    """
    common: dict[str, Any] = {"run": run, "number": number, "step": step, "time": time}
    given = [name for name in ("text", "source", "since_step") if getattr(order, name) is not None]
    if len(given) != 1:
        raise RefusalError("forget one thing at a time: a text, a source, or all since a step")
    if order.text is not None:
        whole, text = order.text.encode(), order.text.strip().encode()
        if len(text) < PIECE:
            raise RefusalError(
                f"a text of {len(text)} bytes would be found everywhere; give at least {PIECE}"
            )
        receipt = Receipt(
            **common,
            kind="text",
            asked=counted(len(text), "byte"),
            text=text,
            sha256=hashlib.sha256(whole).hexdigest(),
        )
    elif order.source is not None:
        if not (spans := names.spans(order.source)):
            hint = did_you_mean(order.source, names.ever, otherwise=f"it has read {', '.join(names.ever)}")
            raise RefusalError(f"no source is called {order.source!r}{hint}")
        receipt = Receipt(**common, kind="source", asked=order.source, sources=spans)
    else:
        since = order.since_step or 0
        asked = f"step {since:,}" if order.asked.strip().isdecimal() else order.asked or f"step {since:,}"
        if since >= step:
            raise RefusalError(f"nothing was read since {asked}: the run is at step {step:,}")
        receipt = Receipt(**common, kind="since", asked=asked, since=since)
    try:
        _ = receipt.selection
    except SettingsError as error:
        raise RefusalError(str(error)) from error
    return receipt


def counts_of(found: Recorded) -> dict[str, Any]:
    """What was found of replayed rows on disk."""
    return {"rows": found.num_rows, "row_bytes": found.num_bytes, "first_step": found.first_step}


def memory_counts(forgotten: Forgotten | None) -> dict[str, Any]:
    """What a brain gave up; nothing of one without an exact memory."""
    if forgotten is None:
        return {}
    return {
        "memory_bytes": forgotten.num_bytes,
        "memory_contexts": forgotten.num_contexts,
        "memory_emptied": forgotten.emptied,
    }
