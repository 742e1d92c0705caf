"""Where a daemon listens, and the address that others can use."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from types import SimpleNamespace

import psutil
import pytest

from daemon.supervisor.listening import bind, on_every_address, reachable_address


class NoWayOut(socket.socket):
    """A machine without a default route."""

    def connect(self, address: object) -> None:
        raise OSError(101, "Network is unreachable")


def own(*addresses: str) -> dict[str, list[SimpleNamespace]]:
    families = {4: socket.AF_INET, 6: socket.AF_INET6}
    return {
        "eth0": [
            SimpleNamespace(
                address=address, family=families[ipaddress.ip_address(address.partition("%")[0]).version]
            )
            for address in addresses
        ]
    }


@pytest.mark.parametrize(("host", "everywhere"), [("0.0.0.0", True), ("0", True), ("127.0.0.1", False)])
def test_all_addresses_are_reported_however_they_are_spelt(host: str, everywhere: bool) -> None:
    with contextlib.closing(bind(host, 0)) as sock:
        assert on_every_address(sock) is everywhere


@pytest.mark.parametrize(
    ("addresses", "reachable"),
    [
        (("127.0.0.1", "::1"), None),
        (("127.0.0.1", "169.254.1.1", "fe80::1%eth0"), None),
        (("::1", "2001:db8::5", "127.0.0.1", "192.168.1.20"), "192.168.1.20"),
        (("::1", "2001:db8::5"), "2001:db8::5"),
    ],
)
def test_without_a_way_out_an_address_of_its_own_is_taken(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...], reachable: str | None
) -> None:
    monkeypatch.setattr(socket, "socket", NoWayOut)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: own(*addresses))
    assert reachable_address() == reachable
