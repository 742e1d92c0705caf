"""What commands print: one JSON document, or a table for a person."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import IO, Any, cast

from daemon.cli.printing import out, say
from daemon.system.escaping import one_line, shown_json
from daemon.system.standard_stream import Printer

MISSING = "–"
PIPED_WIDTH = 240


def print_json(value: Any, *, indent: int | None = 2, printer: Printer | None = None) -> None:
    """One JSON document on standard output; without indent, on one line. It reads back the same everywhere."""
    printer = printer or out()
    ascii_only = not printer.speaks_unicode
    printer.write(shown_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent, default=str)) + "\n")


def print_table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
    """Rows as a table of the named columns; the sentence `empty` when there are none."""
    rows = list(rows)
    if not rows:
        say(empty)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line(show(row.get(column)))) for column in columns))
    printer = out()
    # A pipe has no width of its own; a line must stay a line there.
    console = Console(file=cast("IO[str]", printer), width=None if printer.isatty() else PIPED_WIDTH)
    console.print(table)


def show(value: Any) -> str:
    """A value for a person.

    >>> show(None), show(0.25), show(15234), show(True), show(["a", "b"])
    ('–', '0.250', '15,234', 'yes', 'a, b')
    """
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(show(item) for item in value)
    return str(value)


def number(value: float | None, digits: int) -> str:
    """A number with fixed digits, and a dash for one that is not available.

    >>> number(0.4521, 3), number(None, 3), number(float("nan"), 2)
    ('0.452', '–', '–')
    """
    return MISSING if value is None or value != value else f"{value:.{digits}f}"  # noqa: PLR0124 (nan)


def duration(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> duration(154), duration(9252), duration(3.9), duration(172_800)
    ('2m 34s', '2h 34m 12s', '3s', '48h 0m 0s')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h {minutes}m {rest}s"
    return f"{minutes}m {rest}s" if minutes else f"{rest}s"


def size(num_bytes: float) -> str:
    """Bytes in the unit that suits them.

    >>> size(512), size(2048), size(5 * 2**30)
    ('512 B', '2.0 KiB', '5.0 GiB')
    """
    if num_bytes < 1024:
        return f"{num_bytes:.0f} B"
    for unit in ("KiB", "MiB", "GiB"):
        num_bytes /= 1024
        if num_bytes < 1024:
            return f"{num_bytes:.1f} {unit}"
    return f"{num_bytes / 1024:.1f} TiB"


def local_time(text: str | None) -> str | None:
    """An ISO 8601 time as the clock on the wall shows it."""
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S") if text else None
