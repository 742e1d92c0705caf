"""Data for a brain that learns labels: tables given as plain paths, and the one that ships with synapsed."""

from __future__ import annotations

import dataclasses
import gzip
import zlib
from importlib import resources
from typing import TYPE_CHECKING, Any

from daemon.config.layers import origin_of
from daemon.errors import ConfigError
from daemon.streams.encodings import HEAD_BYTES, classify, detect
from daemon.streams.kinds.table import TableConfig
from daemon.streams.table_records import SUFFIXES, FormError, fields_in_words, form_of
from daemon.system.paths import as_path, as_text, is_file, reason, shown

if TYPE_CHECKING:
    from brain.registry import Entry
    from daemon.config.layers import Layer
    from daemon.config.tree import StreamConfig

# Usual names of the two fields, the likeliest first.
TEXTS = ("text", "utterance", "question", "query", "sentence", "prompt", "message")
GIVEN = (*SUFFIXES, ".json", ".json.gz")
LABELS = ("label", "intent", "category", "class", "tag", "kind", "target")


def with_tables(stream: StreamConfig, entry: Entry, layers: list[Layer]) -> StreamConfig:
    """Each table among `data` read as one, with its labels; without any data the table built into the brain's kind.

    Raises:
        ConfigError: the names of a table's fields do not show which is the text and which is the label.
    """
    if not (stream.data or stream.source) and entry.built_in_table is not None:
        return dataclasses.replace(stream, source=(_built_in(entry.built_in_table),))
    tables = [path for path in stream.data if path.lower().endswith(GIVEN) and is_file(as_path(path))]
    return dataclasses.replace(
        stream,
        data=tuple(path for path in stream.data if path not in tables),
        source=(*stream.source, *(_table(path, stream, layers) for path in tables)),
    )


def _built_in(name: str) -> dict[str, Any]:
    path = as_text(resources.files("presets") / name)  # type: ignore[arg-type]
    return _complete(path=path, label_field="intent", order="shuffled")


def _table(path: str, stream: StreamConfig, layers: list[Layer]) -> dict[str, Any]:
    """The table of a path, with the fields it must mean.

    Raises:
        ConfigError: it is not a table, or the names of its fields do not show which is which.
    """
    fields = _fields(path, origin_of(layers, ("stream", "data")))
    text, label = _named(fields, TEXTS), _named(fields, LABELS)
    if len(fields) == 2 and (text is None) != (label is None):  # then the other field is the other
        (other,) = set(fields) - {text or label}
        text, label = text or other, label or other
    if text is None or label is None:
        raise ConfigError(
            f"{shown(path)} has the fields {fields_in_words(fields)}; their names do not show "
            f"which is the text and which is the label{origin_of(layers, ('stream', 'data'))}; name them: --set "
            f"""'stream.source=[{{kind="table", path="{shown(path)}", text_field="…", label_field="…"}}]'""",
            path="stream.data",
        )
    order = "file" if stream.at_end == "wait" else "shuffled"  # tables are often sorted by label
    return _complete(path=path, text_field=text, label_field=label, order=order)


def _complete(**settings: Any) -> dict[str, Any]:
    """As a checked `[[stream.source]]` is stored, with every setting of its kind."""
    return {"kind": "table", **dataclasses.asdict(TableConfig(**settings))}


def _fields(path: str, origin: str) -> tuple[str, ...]:
    """The fields of a table, by its head.

    Raises:
        ConfigError: it cannot be read, is empty, or is not a table.
    """

    def refused(why: str) -> ConfigError:
        return ConfigError(f"{why}{origin}", path="stream.data")

    try:
        opened = gzip.open if path.lower().endswith(".gz") else open
        with opened(as_path(path), "rb") as file:
            head = file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        why = reason(error) if isinstance(error, OSError) and error.errno else "its gzip data is damaged"
        raise refused(f"cannot read {shown(path)}: {why}") from error
    if not head.strip():
        raise refused(
            f"{shown(path)} is empty; a table has a header line and records, or a JSON object a line"
        )
    if classify(head).skip is not None:
        raise refused(f"{shown(path)} is not text, so it cannot be a table of texts and labels")
    try:
        final = len(head) < HEAD_BYTES
        return form_of(_as_utf8(head), shown(path), form="auto", delimiter="", wanted=(), final=final).fields
    except FormError as error:
        raise refused(str(error)) from error


def _as_utf8(head: bytes) -> bytes:
    """The head as the stream will read it: without a mark in front, in UTF-8."""
    verdict = classify(head)
    encoding = detect(head) if verdict.encoding == "?" else verdict.encoding
    return head[verdict.start :] if encoding is None else head.decode(encoding, errors="ignore").encode()


def _named(fields: tuple[str, ...], usual: tuple[str, ...]) -> str | None:
    by_name = {field.casefold(): field for field in reversed(fields)}
    return next((by_name[name] for name in usual if name in by_name), None)
