"""The address by which others reach the daemon: a reverse proxy's, with TLS and a path of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from daemon.errors import UsageError

DEFAULT_PORTS = {"http": 80, "https": 443}
PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
# What the daemon serves at its root: a prefix of this name could not be told from it.
OWN = frozenset({"api", "static", "vendor", "docs", "login", "metrics", "openapi.json"})


@dataclass(frozen=True)
class PublicUrl:
    """Scheme, host and path prefix, and all that follows from them.

    Attributes:
        scheme: http or https.
        netloc: host, in lower case, with its port unless that is the scheme's own.
        prefix: path below which the daemon's own begins, without a slash at its end; empty for the root.
    """

    scheme: str
    netloc: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> PublicUrl:
        """Read `https://host[:port][/prefix]`.

        Raises:
            UsageError: it is none.

        >>> PublicUrl.parse("https://Me.example:443/brain/")
        PublicUrl(scheme='https', netloc='me.example', prefix='/brain')
        """
        usage = f"--public-url {text!r}: an address such as https://me.example/brain is expected"
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise UsageError(f"{usage} ({error})") from None
        if (
            parts.scheme not in DEFAULT_PORTS
            or not host
            or parts.query
            or parts.fragment
            or "@" in parts.netloc
        ):
            raise UsageError(usage)
        if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", host, re.ASCII):
            raise UsageError(f"{usage}; write other scripts' names in ASCII (xn--…)")
        prefix = parts.path.rstrip("/")
        segments = prefix.split("/")[1:]
        if not PREFIX.fullmatch(prefix) or {".", ".."} & set(segments):
            raise UsageError(f"{usage}; the path may have letters, digits and . _ ~ -")
        if segments and segments[0] in OWN:
            raise UsageError(
                f"--public-url {text!r}: /{segments[0]} is a path of the daemon's own; choose another"
            )
        shown = f"[{host}]" if ":" in host else host
        own_port = port is None or port == DEFAULT_PORTS[parts.scheme]
        return cls(parts.scheme, shown if own_port else f"{shown}:{port}", prefix)

    def __str__(self) -> str:
        return f"{self.origin}{self.prefix}"

    @property
    def origin(self) -> str:
        """As a browser writes it in `Origin`."""
        return f"{self.scheme}://{self.netloc}"

    @property
    def hosts(self) -> frozenset[str]:
        """Host headers a proxy may pass on: with and without the scheme's own port."""
        has_port = re.search(r":\d+$", self.netloc) is not None
        own = set() if has_port else {f"{self.netloc}:{DEFAULT_PORTS[self.scheme]}"}
        return frozenset({self.netloc, *own})

    @property
    def secure(self) -> bool:
        """Whether the way to the proxy is encrypted."""
        return self.scheme == "https"

    @property
    def sockets(self) -> str:
        """Origin of its websockets."""
        return f"{'wss' if self.secure else 'ws'}://{self.netloc}"
