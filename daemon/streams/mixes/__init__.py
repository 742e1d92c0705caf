"""Mixes, one file each: how a lane chooses its next source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from brain.registry import Registry

if TYPE_CHECKING:
    from daemon.streams.mixes.mix import Mix

mixes: Registry[Mix] = Registry("mix", ("daemon.streams.mixes",))
