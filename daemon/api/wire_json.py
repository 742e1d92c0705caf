"""JSON as this API writes it: compact, UTF-8, without NaN."""

from __future__ import annotations

import json
import math
from typing import Any

from starlette.responses import JSONResponse


def dumps(value: Any) -> str:
    """JSON text; a number that is not finite becomes null."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        return json.dumps(plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def plain(value: Any) -> Any:
    """The same tree with null for every number that is not finite.

    >>> plain({"a": [1.0, float("nan")]})
    {'a': [1.0, None]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [plain(below) for below in value]
    return value


class Json(JSONResponse):
    """A JSON answer written by `dumps`."""

    def render(self, content: Any) -> bytes:
        """The body."""
        return dumps(content).encode("utf-8", "replace")
