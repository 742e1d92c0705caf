"""Commands for access: token, open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from daemon.cli.options import HomeOption, JsonOption
from daemon.cli.printing import say

if TYPE_CHECKING:
    from daemon.home import Home


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    panel = "Access"
    app.command("open", rich_help_panel=panel)(open_page)
    app.command(rich_help_panel=panel)(token)


def token(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Print the home's token, for curl: -H "Authorization: Bearer $(synapsed token)"."""
    from daemon.cli.output import print_json
    from daemon.home import Home

    secret = Home.open(home, create=False).token()
    print_json({"token": secret}) if as_json else say(secret)


def open_page(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Open the running daemon's page in a browser, and print its one-time address.

    Also prints the address for other machines (--host 0.0.0.0) and that of a reverse proxy (--public-url).
    """
    import webbrowser

    from daemon.cli.output import print_json
    from daemon.home import Home

    urls = one_time_urls(Home.open(home, create=False))
    opened = webbrowser.open(urls["url"])
    print_json({**urls, "opened": opened}) if as_json else say("\n".join(urls.values()))


def one_time_url(home: Home) -> str:
    """The page's address with a code that lets one browser in."""
    return one_time_urls(home)["url"]


def one_time_urls(home: Home) -> dict[str, str]:
    """The same by `url`, by `remote_url` for other machines, by `public_url` where a reverse proxy answers for it."""
    from daemon.cli.client import DaemonClient

    with DaemonClient.connect(home) as daemon:
        urls: dict[str, str] = daemon.post("/one-time-urls")
    return urls
