"""The answer to an order to forget as lines for a terminal; the commands in them can be pasted."""

from __future__ import annotations

from typing import Any

from daemon.system.counting import counted

MOST_NAMES = 5


def lines_of(answer: dict[str, Any], home_flag: str = "") -> list[str]:
    """The answer of a trainer, or of a dry run, a line each."""
    return [
        *found(answer),
        *_receipt(answer),
        f"Not reached: {'; '.join(answer['not_reached'])}",
        *_elsewhere(answer),
        way_back(answer, home_flag),
        *_read_on(answer, home_flag),
    ]


def found(answer: dict[str, Any]) -> list[str]:
    """What would be forgotten, or was."""
    from daemon.cli.output import size

    dry, first = answer["receipt"] is None, answer.get("first_step")
    rows, num_bytes = answer.get("rows", 0), size(answer.get("row_bytes", 0))
    parts = [f"{counted(rows, 'row')} of replayed text ({num_bytes})", *_memory(answer)]
    if not dry:
        parts.append(f"{counted(answer.get('probe_rows', 0), 'row')} of frozen probes")
        parts.append(counted(answer.get("pushed_texts", 0), "pushed text"))
    since = "" if first is None else f"; first read at step {first:,}, as far back as its memories reach"
    return [f"{'Would forget' if dry else 'Forgot'} {answer['what']}: {', '.join(parts)}{since}"]


def _memory(answer: dict[str, Any]) -> list[str]:
    if "memory_bytes" not in answer:
        return []  # it has no exact memory
    if answer["memory_emptied"]:
        return ["the whole exact memory, which can no longer tell it from the rest"]
    num_bytes, contexts = answer["memory_bytes"], answer["memory_contexts"]
    of_it = f"{counted(num_bytes, 'byte')} of the exact memory"
    # Contexts belong to other text too: before, their number would not show how much is there of this one.
    if answer["receipt"] is None:
        return [of_it]
    whole = "those by what followed earlier as a whole, whatever text is in them"
    return [f"{of_it} ({counted(contexts, 'context')} emptied, {whole})"]


def _receipt(answer: dict[str, Any]) -> list[str]:
    if answer["receipt"] is None:
        return []
    of_text = f"; SHA-256 of the text {answer['sha256']}" if answer["sha256"] else ""
    lines = [
        f"Receipt {answer['receipt']} of {answer['run']}, in effect from step {answer['effective_step']:,}{of_text}"
    ]
    if not answer["on_disk"]:
        why = answer["why_not"] or "not saved yet"
        lines.append(
            f"Erased from memory but still on disk ({why}); erased there once a checkpoint can be saved"
        )
    return lines


def _elsewhere(answer: dict[str, Any]) -> list[str]:
    lines = []
    if older := answer["older"]:
        names = ", ".join(older[:MOST_NAMES]) + (" …" if len(older) > MOST_NAMES else "")
        lines.append(
            f"Older checkpoints may still hold it ({names}); whenever one is loaded, it is forgotten again"
        )
    if answer["others"]:
        names = ", ".join(answer["others"])
        lines.append(
            f"Runs that share its rows lose those and keep their own ({names}): forget it there too, with --run"
        )
    return lines


def way_back(answer: dict[str, Any], home_flag: str) -> str:
    """Which weights never learned it, or why none can be named."""
    if (before := answer["before"]) is not None:
        resume = f"synapsed resume {before['checkpoint']}{home_flag}"
        return (
            f"The weights of step {before['step']:,} are from before it was first read, as far as the memories tell; "
            f"to continue from there: {resume}"
        )
    if answer.get("first_step") is None:
        return "It is not known when it was first read, so no checkpoint from before can be named"
    return "No checkpoint from before it was first read is left; synapsed sleep replays only what remains"


def _read_on(answer: dict[str, Any], home_flag: str) -> list[str]:
    if answer["kind"] != "source":
        return ["If a source still contains it, it will be learned again: remove it there first"]
    if not answer.get("sources_read_on", True):
        return []
    others = f"synapsed resume latest{home_flag} --data OTHER"
    return [f"The source is still being read. To leave it out, stop the run and name the others: {others}"]
