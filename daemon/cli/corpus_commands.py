"""`synapsed corpus`: text to learn from, made from what others publish."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from daemon.cli.options import ForceOption, JsonOption, given_path
from daemon.cli.printing import err, say
from daemon.system.escaping import one_line

if TYPE_CHECKING:
    from daemon.streams.wiki_dump import Extracted

EVERY_PAGES = 10_000

corpus = typer.Typer(help="Make text to learn from.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.add_typer(corpus, name="corpus", rich_help_panel="Begin")


@corpus.callback()
def group() -> None:
    """Make text to learn from."""


@corpus.command()
def wiki(
    dump: Annotated[
        Path, typer.Argument(metavar="DUMP", parser=given_path, help="A MediaWiki dump, .xml.bz2 or .xml.")
    ],
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", parser=given_path, help="Where to write the text."),
    ],
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the articles of a wiki's dump as plain text; those of 100 characters and less are left out."""
    import importlib.util

    from daemon.cli.output import print_json, size
    from daemon.errors import UsageError
    from daemon.streams.wiki_dump import extract_articles
    from daemon.system.counting import counted
    from daemon.system.paths import as_path
    from daemon.whole_file import check_writable

    output = as_path(output)
    if importlib.util.find_spec("mwparserfromhell") is None:
        raise UsageError("reading a dump needs mwparserfromhell: pip install 'synapsed[wiki]'")
    check_writable(output, force=force, option="-o")

    def articles(done: Extracted) -> str:
        return counted(done.num_articles, "article")

    def on_page(done: Extracted) -> None:
        if done.num_pages % EVERY_PAGES == 0:
            err().say(f"{done.num_pages:,} pages, {articles(done)}, {size(done.num_bytes)}")

    done = extract_articles(as_path(dump), output, on_page=on_page)
    if as_json:
        print_json({"path": str(output), "num_articles": done.num_articles, "size_bytes": done.num_bytes})
        return
    say(one_line(f"Wrote {articles(done)} ({size(done.num_bytes)}) to {output}"))
    if not done.num_articles:
        err().say(
            f"synapsed: of {counted(done.num_pages, 'page')} none is an article of more than 100 characters"
        )
        return
    say(f"Learn from it: synapsed start --data {output}")
