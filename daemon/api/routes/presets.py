"""What can be started: presets and brains."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter
from pydantic import TypeAdapter

from brain.registry import brains
from daemon.abilities import abilities_in
from daemon.api.list_pages import Cursor, Limit, page_of
from daemon.api.shapes import BrainItem, Page, PresetItem
from daemon.config.loading import list_presets
from daemon.config.setting_upgrades import config_to_dict

router = APIRouter(tags=["catalogue"])


@router.get("/presets", response_model=Page[PresetItem])
async def presets(cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Ready-made runs, each with its whole configuration."""
    infos = await asyncio.to_thread(list_presets)
    items: list[dict[str, object]] = [
        {"name": info.name, "summary": info.summary, "config": config_to_dict(info.config)} for info in infos
    ]
    return page_of(items, cursor, limit)


@router.get("/brains", response_model=Page[BrainItem])
async def list_brains(cursor: Cursor = None, limit: Limit = 50) -> Any:
    """Brains that can be built, with the JSON schema of their settings."""
    items: list[dict[str, object]] = [
        {
            "kind": entry.name,
            "summary": entry.summary,
            "abilities": abilities_in(entry),
            "settings": TypeAdapter(entry.config).json_schema(),
        }
        for entry in brains
    ]
    return page_of(items, cursor, limit)
