"""The examples in the store's docstrings are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import daemon.store


@pytest.mark.parametrize("name", [module.name for module in pkgutil.iter_modules(daemon.store.__path__)])
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(f"daemon.store.{name}")).failed == 0
