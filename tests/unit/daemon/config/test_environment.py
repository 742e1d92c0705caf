"""SYNAPSED_* variables: settings, the home's own, another program's, slips of the pen."""

from __future__ import annotations

import pytest

from daemon.config.environment import is_service_variable, settings_in
from daemon.config.loading import resolve_config, unknown_variables

SERVICE = {
    "SYNAPSED_SERVICE_HOST": "10.0.0.1",
    "SYNAPSED_SERVICE_PORT": "80",
    "SYNAPSED_SERVICE_PORT_HTTP": "80",
    "SYNAPSED_PORT": "tcp://10.0.0.1:80",
    "SYNAPSED_PORT_80_TCP": "tcp://10.0.0.1:80",
    "SYNAPSED_PORT_80_TCP_PROTO": "tcp",
    "SYNAPSED_PORT_80_TCP_PORT": "80",
    "SYNAPSED_PORT_80_TCP_ADDR": "10.0.0.1",
    "SYNAPSED_METRICS_SERVICE_HOST": "10.0.0.2",
    "SYNAPSED_METRICS_SERVICE_PORT": "9090",
    "SYNAPSED_METRICS_PORT": "udp://10.0.0.2:53",
    "SYNAPSED_METRICS_PORT_53_UDP_ADDR": "10.0.0.2",
}


def test_the_variables_of_a_service_are_nobodys_concern() -> None:
    assert settings_in(SERVICE) == {}
    assert unknown_variables(SERVICE) == []
    assert resolve_config(environ=SERVICE) == resolve_config(environ={})
    assert all(is_service_variable(name, value) for name, value in SERVICE.items())
    assert not is_service_variable("SYNAPSED_PORT", "8765")
    assert not is_service_variable("SYNAPSED_STREAM__ROWS", "8")


def test_the_homes_own_variables_are_known() -> None:
    names = (
        "HOME",
        "TOKEN",
        "DATABASE_URL",
        "HOST",
        "PORT",
        "PUBLIC_URL",
        "PRESET",
        "TEST_URL",
        "KEEP__CACHE_GIB",
    )
    environ = {f"SYNAPSED_{name}": "1" for name in names}
    assert settings_in(environ) == {}
    assert unknown_variables(environ) == []


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("SYNAPSED_STREM__ROWS", "; did you mean SYNAPSED_STREAM__ROWS?"),
        ("SYNAPSED_HOMME", "; did you mean SYNAPSED_HOME?"),
        ("SYNAPSED_KEEP__CACHES_GIB", "; did you mean SYNAPSED_KEEP__CACHE_GIB?"),
        ("SYNAPSED_VERSION", ""),
        ("SYNAPSED_", ""),
        ("SYNAPSED_STREAM__", "; did you mean SYNAPSED_STREAM__MIX?"),
        ("SYNAPSED_" + "A__" * 100, ""),
        ("SYNAPSED_STREAM__ROWS__X", "; did you mean SYNAPSED_STREAM__ROWS?"),
        ("SYNAPSED_A\x1b[31m", ""),
    ],
)
def test_what_is_no_setting_is_reported_and_has_no_effect(variable: str, nearest: str) -> None:
    (line,) = unknown_variables({variable: "17"})
    assert line.endswith(f"is not a setting and has no effect{nearest}")
    assert "\x1b" not in line
    assert resolve_config(environ={variable: "17"}) == resolve_config(environ={})


def test_tables_take_entries_of_any_name() -> None:
    environ = {"SYNAPSED_STREAM__WEIGHTS__BOOKS": "3.0", "SYNAPSED_STREAM__MIX": "weighted"}
    assert unknown_variables(environ) == []
    del environ["SYNAPSED_STREAM__MIX"]  # weights are of sources that there are
    assert resolve_config(environ=environ).stream.weights == {"books": 3.0}
