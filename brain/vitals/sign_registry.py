"""Names, labels and healthy bands of the vital signs, without torch.

A new sign is one new file, `brain/vitals/signs/<name>.py`, and its config in `brain.vitals.config`, where it
registers; the configs stand together because the supervisor lists and checks them without importing torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brain.registry import Registry

if TYPE_CHECKING:
    from brain.vitals.config import VitalsConfig

vitals: Registry[Any] = Registry("vital sign", ("brain.vitals.config",))


def describe_vitals(config: VitalsConfig | None = None) -> list[dict[str, Any]]:
    """What a list or a tile needs of each vital sign: what it is called and means, whether it is measured, its band."""
    bands = {} if config is None else config.bands
    return [
        {
            "name": entry.name,
            "label": vars(entry.config)["label"],
            "summary": entry.summary,
            "measured": config is None or config.enabled,
            "band": list(bands.get(entry.name, vars(entry.config)["band"])),
            "band_is": "project convention",
        }
        for entry in vitals
    ]
