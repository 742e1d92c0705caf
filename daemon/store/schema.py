"""Bringing a database to the tables of this program, up or down, by the revisions in migrations/versions.

Alembic is imported only when there is something to do, so a start with a database that is up to date stays
quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import Connection

import migrations
from daemon.errors import StoreError
from daemon.store.tables import HEAD

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(migrations.__file__).parent


def revision_of(connection: Connection) -> str | None:
    """The revision a database is at, None when it was never migrated."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def upgrade(connection: Connection, *, scripts: Path = SCRIPTS, to: str = "head") -> None:
    """Run the revisions that are missing; the caller commits.

    Raises:
        StoreError: when the database is newer than this program.
    """
    found = revision_of(connection)
    if found == HEAD and to == "head" and scripts == SCRIPTS:
        return
    known = revisions(scripts)
    if found is not None and found not in known:
        raise StoreError(
            f"The database {_place(connection)} is at revision {found}, newer than this synapsed, "
            f"which knows revisions up to {known[-1]}. Install the newer synapsed again, "
            "or start with another --home."
        )
    from alembic import command  # noqa: PLC0415 - slow to import, seldom needed

    command.upgrade(_config(connection, scripts), to)


def downgrade(connection: Connection, to: str, *, scripts: Path = SCRIPTS) -> None:
    """Run revisions backwards, to `to` or "base"; the caller commits."""
    from alembic import command  # noqa: PLC0415

    command.downgrade(_config(connection, scripts), to)


def begin_whole(connection: Connection) -> None:
    """On SQLite, begin a transaction that holds all that follows: a migration that is killed leaves nothing.

    Python's driver would begin none before a statement that changes the schema, and Alembic trusts it. Other
    databases need nothing.
    """
    if connection.dialect.name != "sqlite":
        return
    # A table that is copied and renamed is gone for a moment, and others refer to it; within a transaction
    # this cannot be changed. See `end_whole`.
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def end_whole(connection: Connection) -> None:
    """Commit, and check references between tables again."""
    connection.commit()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")
        connection.commit()


def revisions(scripts: Path = SCRIPTS) -> list[str]:
    """Every revision, oldest first."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    walked = ScriptDirectory(str(scripts)).walk_revisions()
    return [script.revision for script in walked][::-1]


def _config(connection: Connection, scripts: Path) -> Config:
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _place(connection: Connection) -> str:
    return connection.engine.url.render_as_string(hide_password=True).removeprefix("sqlite:///")
