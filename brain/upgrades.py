"""Stored settings and architectures outlive their names: a version each, and the steps from one to the next.

A step is a pure function from a dict to a dict. To rename or drop a setting, append a step to the list it belongs
to; what was stored before is brought up to date wherever it is read. What was stored without a version has version 1.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from brain.errors import NewerVersionError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

VERSION = "version"

Stored = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Step:
    """From one version to the next.

    Attributes:
        what: what changes, in a few words.
        apply: gives the newer form; it may change the dict it is given, which is a copy.
    """

    what: str
    apply: Callable[[Stored], Stored]


@dataclass(frozen=True, kw_only=True)
class Upgrades:
    """The versions of one stored form.

    Attributes:
        form: what is stored, for messages.
        steps: in order; the first leads from version 1 to version 2.
    """

    form: str
    steps: list[Step] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The version that is written today."""
        return 1 + len(self.steps)

    def stamped(self, settings: Mapping[str, Any]) -> Stored:
        """The form to store: with the version of today."""
        return {VERSION: self.newest, **settings}

    def brought_up(self, stored: Mapping[str, Any], *, origin: str) -> Stored:
        """What was stored, in the form of today and without its version; `stored` is left as it is.

        Args:
            stored: as `stamped` gave it, in this version or any before.
            origin: where it was found, for messages.

        Raises:
            NewerVersionError: a later synapsed stored it.
            SettingsError: its version is none, or it is not what that version was.
        """
        settings: Stored = copy.deepcopy(dict(stored))
        version = settings.pop(VERSION, 1)
        if type(version) is not int or version < 1:
            raise SettingsError(f"{self.form} of {origin} has no version but {version!r}; it is damaged")
        if version > self.newest:
            raise NewerVersionError(
                f"{self.form} of {origin} has version {version}; this synapsed reads up to {self.newest}. "
                "Upgrade synapsed, then try again"
            )
        for step in self.steps[version - 1 :]:
            try:
                settings = step.apply(settings)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise SettingsError(
                    f"{self.form} of {origin} is not what version {version} was ({step.what}: {error!r})"
                ) from error
        return settings


# Of BrainState.spec. The kind of brain is in the dict: a step changes what is its own and leaves the others.
SPEC = Upgrades(form="the architecture")
