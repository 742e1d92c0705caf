"""Where the daemon answers: for its own machine, for other machines, and behind a reverse proxy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.public_url import PublicUrl


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Every address without a slash at the end.

    Attributes:
        url: on its own machine.
        remote_url: where other machines reach it, if that is another address.
        public: where a reverse proxy answers for it.
    """

    url: str
    remote_url: str | None = None
    public: PublicUrl | None = None

    def one_time_urls(self, issue_code: Callable[[], str]) -> dict[str, str]:
        """Each address with a code of its own, which lets one browser in."""
        urls = {"url": self.url, "remote_url": self.remote_url, "public_url": self.public}
        return {name: f"{url}/?token={issue_code()}" for name, url in urls.items() if url is not None}
