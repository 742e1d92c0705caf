"""Names for parts, without importing torch: each name leads to a config class and to the class it builds.

A part registers itself where its config is written::

    @brains.register("synapse", builds="brain.models.synapse.synapse_brain:Synapse")
    @dataclass(frozen=True, kw_only=True)
    class SynapseConfig: ...

Folders are discovered, so a new part is one new file; the class behind a name is imported when it is built.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from brain.errors import DuplicateNameError, UnknownNameError
from brain.nearest_name import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from brain.training_phase import Phase

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One registered part: its name, its config class and the dotted path of the class it builds."""

    name: str
    config: type
    builds: str

    @property
    def summary(self) -> str:
        """First line of the config's docstring, for lists."""
        return (self.config.__doc__ or "").strip().partition("\n")[0]

    @property
    def needs_labels(self) -> bool:
        """The part learns from labelled texts alone; its config says so: `needs_labels: ClassVar[bool] = True`."""
        return bool(getattr(self.config, "needs_labels", False))

    @property
    def answers(self) -> bool:
        """The part answers a prompt, where others continue it; its config says so: `answers: ClassVar[bool] = True`."""
        return bool(getattr(self.config, "answers", False))

    @property
    def built_in_table(self) -> str | None:
        """A labelled table that ships with synapsed, learned from where nothing else is asked for.

        Its config names the file: `built_in_table: ClassVar[str] = "intents.csv"`.
        """
        return getattr(self.config, "built_in_table", None)

    @property
    def training_steps(self) -> int | None:
        """Steps of a finite training where no end is asked for; None for one in passes over the data."""
        return getattr(self.config, "training_steps", None)

    @property
    def model_file(self) -> str | None:
        """Where a finished run leaves its brain as one file, under `models/`; None where it leaves none."""
        return getattr(self.config, "model_file", None)

    @property
    def shows_loss(self) -> bool:
        """The terminal shows loss and rate of a run, not vital signs: `shows_loss: ClassVar[bool] = True`."""
        return bool(getattr(self.config, "shows_loss", False))

    @property
    def can_grow(self) -> bool:
        """The part may grow; the config of one that never does says so: `can_grow: ClassVar[bool] = False`."""
        return bool(getattr(self.config, "can_grow", True))

    @property
    def observable(self) -> bool:
        """Φ and integration can watch its modules; of one without any: `observable: ClassVar[bool] = False`."""
        return bool(getattr(self.config, "observable", True))

    @property
    def phases(self) -> Mapping[int, Phase]:
        """Phases in which the part may be trained; its config lists them: `phases: ClassVar = {1: Phase(…)}`."""
        return dict(getattr(self.config, "phases", {}))

    def load(self) -> Any:
        """Import and return the class behind the name (this may import torch)."""
        module, _, attribute = self.builds.partition(":")
        return getattr(importlib.import_module(module), attribute)


@dataclass
class Registry(Generic[T]):
    """All parts of one kind, discovered from `folders`: packages, or single modules that register several parts."""

    kind: str
    folders: tuple[str, ...]
    submodule: str | None = None  # discover `<folder>.<part>.<submodule>` instead of `<folder>.<part>`
    _entries: dict[str, Entry] = field(default_factory=dict)
    _discovered: bool = False

    def register(self, name: str, *, builds: str) -> Callable[[type[T]], type[T]]:
        """Class decorator that puts a config class under `name`.

        Raises:
            DuplicateNameError: if another part has the name already.
        """

        def add(config: type[T]) -> type[T]:
            taken = self._entries.get(name)
            if taken is not None and taken.builds != builds:
                raise DuplicateNameError(
                    f"two {self.kind}s are called {name!r}: {taken.builds} and {builds}; rename one"
                )
            self._entries[name] = Entry(name=name, config=config, builds=builds)
            return config

        return add

    def get(self, name: str) -> Entry:
        """The part called `name`.

        Raises:
            UnknownNameError: with the nearest registered name.
        """
        self._discover()
        if name not in self._entries:
            known = sorted(self._entries)
            hint = did_you_mean(name, known, otherwise=f"known: {', '.join(known)}")
            raise UnknownNameError(f"no {self.kind} is called {name!r}{hint}")
        return self._entries[name]

    def names(self) -> list[str]:
        """Registered names, sorted."""
        return sorted(entry.name for entry in self)

    def __iter__(self) -> Iterator[Entry]:
        self._discover()
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True
        for folder in self.folders:
            package = importlib.import_module(folder)
            for module in pkgutil.iter_modules(getattr(package, "__path__", ())):
                if self.submodule is None:
                    importlib.import_module(f"{folder}.{module.name}")
                elif module.ispkg:
                    importlib.import_module(f"{folder}.{module.name}.{self.submodule}")


brains: Registry[Any] = Registry("brain", ("brain.models",), submodule="config")
