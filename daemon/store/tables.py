"""Every table of the database, as SQLAlchemy Core. Migrations arrive at the same; a test compares the two.

runs ─┬─ sessions ─┬─ metrics    one wide row a step: the hot metrics
      │            └─ points     one narrow row a value: everything else
      ├─ rollups                 closed buckets of 100 and 10 000 steps over both
      ├─ readings, evaluations, forgetting, events, checkpoints, operations, alarms
      └─ metric_names, answers, jobs, counters stand beside

Times are unix seconds in the database and ISO 8601 UTC outside of it, except in series: there they stay
seconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from daemon.trainer_protocol import HOT_METRICS

# The newest revision under migrations/versions; a database that has it starts without importing Alembic.
HEAD = "0007"

# Steps of a rollup bucket, finest first; each level is summed from the one before it.
LEVELS = (100, 10_000)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows by itself only for a column of exactly this type.
Key = BigInteger().with_variant(Integer, "sqlite")


class UnixTime(TypeDecorator[str]):
    """A moment: kept as unix seconds, handed out as ISO 8601 UTC, taken as either or as a datetime."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> float | None:  # noqa: ARG002
        """What the database keeps."""
        return None if value is None else unix_seconds(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        """What a person or a page reads."""
        return None if value is None else datetime.fromtimestamp(value, UTC).isoformat()


def unix_seconds(moment: str | float | datetime) -> float:
    """Unix seconds of an ISO 8601 text (UTC where it names no zone), a datetime or a number.

    >>> unix_seconds("1970-01-01T00:01:00+00:00")
    60.0
    """
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(moment)


runs = Table(
    "runs",
    metadata,
    Column("key", Key, primary_key=True),
    Column("id", String(80), nullable=False),
    Column("name", Text),
    Column("preset", Text),
    Column("brain", String(80)),
    Column("config", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("degraded", Boolean, nullable=False),
    Column("reason", Text),
    Column("parent_run", String(80)),
    Column("parent_step", BigInteger),
    Column("created_at", UnixTime, nullable=False),
    Column("started_at", UnixTime),
    Column("ended_at", UnixTime),
    Column("session", Integer, nullable=False),  # number of the newest session, 0 before the first
    Column("step", BigInteger, nullable=False),
    Column("samples", BigInteger, nullable=False),
    Column("training_seconds", Double, nullable=False),
    Column("device", String(40)),
    Column("num_parameters", BigInteger),
    Column("num_neurons", BigInteger),
    Column("latest", JSON, nullable=False),  # metric → newest value
    Column("latest_steps", JSON),  # metric → step of that value
    Column("readings", JSON, nullable=False),  # vital sign → newest reading
    Column("sample", Text),
    Column("sample_step", BigInteger),
    Column("sample_time", UnixTime),
    Column("sources", JSON, nullable=False),
    Column("checkpoint", String(120)),
    Column("rolled_to", BigInteger, nullable=False),  # rollups are whole below this step, absent from it on
    UniqueConstraint("id"),
    Index(None, "state"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("key", Key, primary_key=True),
    Column("run", String(80), ForeignKey("runs.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("started_at", UnixTime, nullable=False),
    Column("ended_at", UnixTime),
    Column("first_step", BigInteger),  # from here on its rows supersede those of earlier sessions
    Column("last_step", BigInteger),
    Column("resumed_from", String(120)),
    Column("end_state", String(16)),
    Column("reason", Text),
    UniqueConstraint("run", "number"),
)

metric_names = Table(
    "metric_names",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(120), nullable=False),
    UniqueConstraint("name"),
)

metrics = Table(
    "metrics",
    metadata,
    # No foreign keys here and in points: the writer looks the session up, and a check a row would cost.
    Column("session", BigInteger, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    *(Column(name, Double) for name in HOT_METRICS),
    sqlite_with_rowid=False,
)

points = Table(
    "points",
    metadata,
    Column("session", BigInteger, primary_key=True, autoincrement=False),
    Column("metric", Integer, primary_key=True, autoincrement=False),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("time", Double, nullable=False),
    Column("value", Double),
    sqlite_with_rowid=False,
)

rollups = Table(
    "rollups",
    metadata,
    Column("run", BigInteger, primary_key=True, autoincrement=False),
    Column("metric", Integer, primary_key=True, autoincrement=False),
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),  # first step of the bucket
    Column("step", BigInteger, nullable=False),  # the step and time of `last`
    Column("time", Double, nullable=False),
    Column("min", Double, nullable=False),
    Column("max", Double, nullable=False),
    Column("mean", Double, nullable=False),
    Column("last", Double, nullable=False),
    Column("n", Integer, nullable=False),
    sqlite_with_rowid=False,
)

readings = Table(
    "readings",
    metadata,
    Column("key", Key, primary_key=True),
    Column("run", String(80), nullable=False),
    Column("session", Integer, nullable=False),
    Column("name", String(80), nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("time", UnixTime, nullable=False),
    Column("value", Double),  # null: not available, for `reason`
    Column("raw", Double),
    Column("uncertainty", Double),
    Column("samples", BigInteger, nullable=False),
    Column("version", String(40), nullable=False),
    Column("cost_ms", Double, nullable=False),
    Column("reason", Text),
    Column("detail", JSON, nullable=False),
    Index(None, "run", "name", "step"),
)

events = Table(
    "events",
    metadata,
    Column("seq", Key, primary_key=True, autoincrement=False),
    Column("run", String(80)),
    Column("session", Integer),
    Column("kind", String(80), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("step", BigInteger),
    Column("time", UnixTime, nullable=False),
    Column("message", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Index(None, "run", "seq"),
    Index(None, "kind", "seq"),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("run", String(80)),
    Column("session", Integer),
    Column("step", BigInteger),
    Column("samples", BigInteger),
    Column("created_at", UnixTime, nullable=False),
    Column("reason", String(40)),
    Column("size_bytes", BigInteger),
    Column("bpc", Double),
    Column("pinned", Boolean, nullable=False),
    Column("verified", Boolean, nullable=False),
    Column("best", Boolean, nullable=False),
    Column("path", Text),
    Column("deleted_at", UnixTime),
    Index(None, "run", "created_at"),
    Index(None, "created_at"),
)

operations = Table(
    "operations",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("run", String(80)),
    Column("action", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("result", JSON),
    Column("error", Text),
    Column("created_at", UnixTime, nullable=False),
    Column("finished_at", UnixTime),
    Index(None, "run", "created_at"),
    Index(None, "created_at"),
)

answers = Table(
    "answers",  # what a POST was answered, by its Idempotency-Key
    metadata,
    Column("key", String(200), primary_key=True),
    Column("endpoint", String(200), primary_key=True),  # method and path
    Column("body_hash", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("response", JSON),
    Column("created_at", UnixTime, nullable=False),
    Index(None, "created_at"),
)

evaluations = Table(
    "evaluations",
    metadata,
    Column("key", Key, primary_key=True),
    Column("run", String(80), nullable=False),
    Column("session", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("bpc", Double),
    Column("coverage", Double),  # share of the held-out set behind it
    Column("age_steps", Double),
    Column("step", BigInteger, nullable=False),
    Column("time", UnixTime, nullable=False),
    Column("accuracy", Double),  # of a brain that predicts labels, over `examples`; else null
    Column("examples", BigInteger),
    Column("mixed_bpc", Double),  # of network and exact memory together; null without one
    Index(None, "run", "step"),
)

forgetting = Table(
    "forgetting",  # the matrix: the frozen probe of each source over the steps, in bits per byte
    metadata,
    Column("key", Key, primary_key=True),
    Column("run", String(80), nullable=False),
    Column("session", Integer, nullable=False),
    Column("source", Text, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("time", UnixTime, nullable=False),
    Column("bpc", Double),
    Column("smooth", Double),
    Column("forgetting", Double),  # null: the source was not learned from yet
    Index(None, "run", "step"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", String(80), primary_key=True),
    Column("run", String(80)),
    Column("session", Integer),
    Column("kind", String(80), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("step", BigInteger),
    Column("message", Text, nullable=False),
    Column("cause", Text),
    Column("remedy", Text),
    Column("data", JSON, nullable=False),
    Column("raised_at", UnixTime, nullable=False),
    Column("cleared_at", UnixTime),
    Column("acknowledged_at", UnixTime),
    Index(None, "run", "raised_at"),
    Index(None, "raised_at"),
)

jobs = Table(
    "jobs",  # what a person changed in the schedule, and how each job went last
    metadata,
    Column("job", String(80), primary_key=True),
    Column("paused", Boolean, nullable=False),
    Column("trigger", JSON),  # {"every_seconds": …} or {"cron": …}; null: the job's own
    Column("last_run", UnixTime),
    Column("last_outcome", Text),
)

counters = Table(
    "counters",  # event_seq: first number never handed out; clean: 1 after an orderly close; begun_at: unix seconds
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
