"""Rules of growth, one file each. A rule is its own settings, and pure: it reads a history and proposes.

A file registers its rule with `@triggers.register(name, builds=…)` and gives it a field in `GrowthConfig`.
"""

from __future__ import annotations

from typing import Any

from brain.registry import Registry

triggers: Registry[Any] = Registry("growth trigger", ("brain.growth.triggers",))
