"""Imported last by a fork server: what it has loaded stays, and no child of it looks through all that for garbage."""

from __future__ import annotations

import gc

gc.collect()
gc.freeze()
