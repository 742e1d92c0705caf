"""Alembic's way in: for the daemon, which hands over its connection, and for the `alembic` command."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection, create_engine

from daemon.store.schema import begin_whole
from daemon.store.tables import metadata


def migrate(connection: Connection) -> None:
    """Run the wanted revisions in one transaction on a live connection; the caller commits."""
    begin_whole(connection)
    # Batch mode: SQLite cannot alter most things in place, so a changed table is copied and renamed.
    context.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, compare_type=True
    )
    with context.begin_transaction():
        context.run_migrations()


def print_sql(url: str) -> None:
    """Write the statements instead of running them (`--sql`)."""
    context.configure(url=url, target_metadata=metadata, literal_binds=True, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    migrate(handed_over)
else:
    chosen = context.get_x_argument(as_dictionary=True).get("url") or context.config.get_main_option(
        "sqlalchemy.url"
    )
    if not chosen:
        raise SystemExit("No database: say which with -x url=sqlite:///path/to/synapsed.db")
    if context.is_offline_mode():
        print_sql(chosen)
    else:
        with create_engine(chosen).connect() as opened:
            migrate(opened)
            opened.commit()
