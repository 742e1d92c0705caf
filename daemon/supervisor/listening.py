"""The port: bound before anything else, so that a taken one is a clear error."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
import sys

from daemon.errors import PortTakenError, UsageError

ELSEWHERE = "192.0.2.1"  # set apart for documentation (RFC 5737): some address that is not here
TAKEN = frozenset({errno.EADDRINUSE, getattr(errno, "WSAEADDRINUSE", errno.EADDRINUSE)})


def bind(host: str, port: int) -> socket.socket:
    """A listening socket on the port; port 0 takes a free one.

    Raises:
        PortTakenError: something else listens there.
        UsageError: the host is not an address of this machine, or the port cannot be had.
    """
    if not 0 <= port <= 65535:  # getaddrinfo would take it modulo 65536
        raise UsageError(f"port {port}: a number from 0 to 65535 is expected")
    try:
        family, kind, protocol, address = _resolved(host, port)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"cannot listen on {host}: {getattr(error, 'strerror', None) or error}; try --host 127.0.0.1"
        ) from error
    sock = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            # A port in TIME_WAIT is free; one that is listened on stays taken.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(256)
    except OSError as error:
        sock.close()
        if error.errno in TAKEN:
            raise PortTakenError(
                f"port {port} on {host} is in use; choose another with --port, "
                "or take a free one with --port 0"
            ) from error
        raise UsageError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another --host or --port"
        ) from error
    sock.setblocking(False)
    return sock


def check_host(host: str, *, allow_remote: bool) -> None:
    """Refuse an address other machines reach, unless that is wanted.

    Raises:
        UsageError: with what it would mean; or when it is not an address of this machine.
    """
    if is_loopback(host) or allow_remote:  # whether they can be bound, `bind` checks
        return
    try:
        family, kind, protocol, address = _resolved(host, 0)
        with socket.socket(family, kind, protocol) as sock:
            sock.bind(address)
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host} is not an address of this machine; try --host 127.0.0.1") from error
    raise UsageError(
        f"--host {host} lets other machines in: whoever has the token can steer the daemon and read what "
        "it learns, and the connection is not encrypted; add --allow-remote if you want that"
    )


def _resolved(
    host: str, port: int
) -> tuple[socket.AddressFamily, socket.SocketKind, int, tuple[str | int | bytes, ...]]:
    """Family, kind, protocol and address of a socket that is to listen there."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, address = found[0]
    return family, kind, protocol, address


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def on_every_address(sock: socket.socket) -> bool:
    """Whether a socket listens on all addresses of the machine, however that was spelt."""
    return ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_unspecified


def machine_names() -> set[str]:
    """Names and addresses other machines may call this one by."""
    return {socket.gethostname(), socket.getfqdn(), *_own_addresses()}


def reachable_address() -> str | None:
    """The address by which other machines most likely reach this one; None without a network."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((ELSEWHERE, 9))  # sends nothing: the system only chooses a way out
        address = str(sock.getsockname()[0])
        if not ipaddress.ip_address(address).is_loopback:
            return address
    parsed = [ipaddress.ip_address(address) for address in _own_addresses()]
    found = [address for address in parsed if not (address.is_loopback or address.is_link_local)]
    return str(min(found, key=lambda address: (address.version, int(address)))) if found else None


def _own_addresses() -> set[str]:
    import psutil  # noqa: PLC0415

    return {
        one.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for one in addresses
        if one.family in (socket.AF_INET, socket.AF_INET6)
    }
