"""The sources of a run taken together: none is given twice, and weights are of sources that there are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from daemon.config.layers import origin_of
from daemon.errors import ConfigError
from daemon.streams.sources import source_names
from daemon.streams.weights import check_weights
from daemon.system.paths import shown

if TYPE_CHECKING:
    from daemon.config.layers import Layer
    from daemon.config.tree import StreamConfig


def refuse_repeated(stream: StreamConfig, layers: list[Layer]) -> None:
    """Refuse a source that is another one again, whatever it is called; other fields of the same file are another.

    Raises:
        ConfigError: names both.
    """
    seen: dict[str, str] = {}
    plain = [
        (f"stream.data.{place}", {"kind": "files", "path": path}) for place, path in enumerate(stream.data)
    ]
    tables = [(f"stream.source.{place}", table) for place, table in enumerate(stream.source)]
    for setting, table in [*plain, *tables]:
        own = {key: value for key, value in table.items() if key != "name"}
        key = repr(sorted({**own, "path": os.path.realpath(own["path"])}.items()))
        if key in seen:
            raise ConfigError(
                f"{setting} is {shown(table['path'])}, which {seen[key]} is already; leave one out, or give it a "
                f"weight (stream.weights){origin_of(layers, tuple(setting.split('.')))}",
                path=setting,
            )
        seen[key] = setting


def check_named_weights(stream: StreamConfig, layers: list[Layer]) -> None:
    """Refuse a weight of no source, or weights that leave none to read.

    Raises:
        ConfigError: with the nearest name.
    """
    if stream.mix != "weighted":
        return  # the others have no use for weights
    try:
        check_weights(stream.weights, source_names(stream.data, stream.source))
    except ConfigError as error:
        raise ConfigError(f"{error}{origin_of(layers, ('stream', 'weights'))}", path=error.path) from None
