"""What a text costs that is read once, by the preset of each other language brain; the default one is in `prequential`.

As there: by the trainer's own loop, every byte scored before it is learned from, compressors beside it, one thread.
The long form reads a megabyte of enwik8, the short form a little.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.prequential import MEGABYTE, ONE_THREAD, SHORT_BYTES, judge
from benchmarks.texts import MissingTextError, take

if TYPE_CHECKING:
    from benchmarks.result import Result

PRESETS = ("mingru", "tars-demo")


def run(*, long: bool) -> list[Result]:
    """Two figures for each brain: with both memories, and by the network alone."""
    num_bytes = MEGABYTE if long else SHORT_BYTES
    try:
        text = take("enwik8", num_bytes)
    except MissingTextError:
        text = take("python", num_bytes)
    return [
        result
        for preset in PRESETS
        for result in judge(f"brains.{preset}", text, preset, ONE_THREAD, long=long)
    ]
