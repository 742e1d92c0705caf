"""SYNAPSED_* variables: which are settings of a run, which are the home's, which are nobody's.

Whoever runs a program sets variables too: Kubernetes and Docker name a service's addresses after it. What is no
setting is reported and has no effect.
"""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from brain.nearest_name import did_you_mean
from daemon.config.keep import PREFIX as KEEP_PREFIX
from daemon.config.keep import KeepConfig
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PREFIX = "SYNAPSED_"
# Names with the prefix that are no settings of a run.
RESERVED = ("PRESET", "HOME", "TOKEN", "DATABASE_URL", "HOST", "PORT", "PUBLIC_URL")
TEST_PREFIX = f"{PREFIX}TEST_"
SERVICE = re.compile(
    r"([A-Z0-9_]+_)?(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
ADDRESS = re.compile(r"(tcp|udp|sctp)://")


def settings_in(environ: Mapping[str, str], tables: Sequence[str] = ()) -> dict[str, str]:
    """Variable → dotted name of the setting it would be, in the order of the alphabet.

    `tables` hold entries of any name, which keeps its underscores.
    """
    return {
        variable: _dotted(variable.removeprefix(PREFIX).lower(), tables)
        for variable in sorted(environ)
        if variable.startswith(PREFIX)
        and not variable.startswith((TEST_PREFIX, KEEP_PREFIX))
        and variable.removeprefix(PREFIX) not in RESERVED
        and not is_service_variable(variable, environ[variable])
    }


def _dotted(name: str, tables: Sequence[str]) -> str:
    for table in tables:
        if name.startswith(prefix := table.replace(".", "__") + "__"):
            return f"{table}.{name.removeprefix(prefix)}"
    return name.replace("__", ".")


def is_service_variable(variable: str, value: str) -> bool:
    """Whether it is one that Kubernetes or Docker makes of a service called `synapsed` or `synapsed-…`.

    >>> is_service_variable("SYNAPSED_PORT", "tcp://10.0.0.1:80"), is_service_variable("SYNAPSED_PORT", "8765")
    (True, False)
    """
    name = variable.removeprefix(PREFIX)
    if SERVICE.fullmatch(name):
        return True
    return (name == "PORT" or name.endswith("_PORT")) and ADDRESS.match(value) is not None


def is_setting(dotted: str, names: Iterable[str], tables: Sequence[str]) -> bool:
    """Whether a dotted name is a setting, a table of settings, or an entry of a setting that is a table itself."""
    if dotted.startswith(tuple(f"{table}." for table in tables)):
        return True
    return any(name == dotted or name.startswith(f"{dotted}.") for name in names)


def foreign(environ: Mapping[str, str], names: Sequence[str], tables: Sequence[str]) -> list[str]:
    """A line for each variable that has no effect, with the nearest one that has.

    Args:
        environ: the environment.
        names: dotted names of all settings.
        tables: those of them that hold entries of any name.
    """
    settings = settings_in(environ, tables)
    unknown = [variable for variable, dotted in settings.items() if not is_setting(dotted, names, tables)]
    keep = {KEEP_PREFIX + field.name.upper() for field in dataclasses.fields(KeepConfig)}
    unknown += sorted(name for name in environ if name.startswith(KEEP_PREFIX) and name not in keep)
    known = [
        *(name.upper().replace(".", "__") for name in names),
        *RESERVED,
        *sorted(name.removeprefix(PREFIX) for name in keep),
    ]
    return [
        f"{one_line(variable)} is not a setting and has no effect"
        + did_you_mean(variable.removeprefix(PREFIX), known, shown=PREFIX.__add__, cutoff=0.75)
        for variable in unknown
    ]
