"""The first tables: runs, sessions, metrics with rollups, vital signs, events, checkpoints, the schedule."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite numbers rows by itself only for a column of exactly this type.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "runs",
        sa.Column("key", Key),
        sa.Column("id", sa.String(80), nullable=False),
        sa.Column("name", sa.Text()),
        sa.Column("preset", sa.Text()),
        sa.Column("brain", sa.String(80)),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("parent_run", sa.String(80)),
        sa.Column("parent_step", sa.BigInteger()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double()),
        sa.Column("ended_at", sa.Double()),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("training_seconds", sa.Double(), nullable=False),
        sa.Column("device", sa.String(40)),
        sa.Column("num_parameters", sa.BigInteger()),
        sa.Column("num_neurons", sa.BigInteger()),
        sa.Column("latest", sa.JSON(), nullable=False),
        sa.Column("readings", sa.JSON(), nullable=False),
        sa.Column("sample", sa.Text()),
        sa.Column("sources", sa.JSON(), nullable=False),
        sa.Column("checkpoint", sa.String(120)),
        sa.Column("rolled_to", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
    )
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_table(
        "sessions",
        sa.Column("key", Key),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double()),
        sa.Column("first_step", sa.BigInteger()),
        sa.Column("last_step", sa.BigInteger()),
        sa.Column("resumed_from", sa.String(120)),
        sa.Column("end_state", sa.String(16)),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("key", name="pk_sessions"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_sessions_run"),
        sa.UniqueConstraint("run", "number", name="uq_sessions_run_number"),
    )
    op.create_table(
        "metric_names",
        sa.Column("id", sa.Integer()),
        sa.Column("name", sa.String(120), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_metric_names"),
        sa.UniqueConstraint("name", name="uq_metric_names_name"),
    )
    op.create_table(
        "metrics",
        sa.Column("session", sa.BigInteger(), autoincrement=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("bpc", sa.Double()),
        sa.Column("replay_bpc", sa.Double()),
        sa.Column("grad_norm", sa.Double()),
        sa.Column("learning_rate", sa.Double()),
        sa.Column("step_seconds", sa.Double()),
        sa.PrimaryKeyConstraint("session", "step", name="pk_metrics"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "points",
        sa.Column("session", sa.BigInteger(), autoincrement=False),
        sa.Column("metric", sa.Integer(), autoincrement=False),
        sa.Column("step", sa.BigInteger(), autoincrement=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.PrimaryKeyConstraint("session", "metric", "step", name="pk_points"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollups",
        sa.Column("run", sa.BigInteger(), autoincrement=False),
        sa.Column("metric", sa.Integer(), autoincrement=False),
        sa.Column("level", sa.Integer(), autoincrement=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("min", sa.Double(), nullable=False),
        sa.Column("max", sa.Double(), nullable=False),
        sa.Column("mean", sa.Double(), nullable=False),
        sa.Column("last", sa.Double(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("run", "metric", "level", "start", name="pk_rollups"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "readings",
        sa.Column("key", Key),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("value", sa.Double()),
        sa.Column("raw", sa.Double()),
        sa.Column("uncertainty", sa.Double()),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(40), nullable=False),
        sa.Column("cost_ms", sa.Double(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_readings"),
    )
    op.create_index("ix_readings_run_name_step", "readings", ["run", "name", "step"])
    op.create_table(
        "events",
        sa.Column("seq", Key, autoincrement=False),
        sa.Column("run", sa.String(80)),
        sa.Column("session", sa.Integer()),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("step", sa.BigInteger()),
        sa.Column("time", sa.Double(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
    )
    op.create_index("ix_events_run_seq", "events", ["run", "seq"])
    op.create_index("ix_events_kind_seq", "events", ["kind", "seq"])
    op.create_table(
        "checkpoints",
        sa.Column("name", sa.String(120)),
        sa.Column("run", sa.String(80)),
        sa.Column("session", sa.Integer()),
        sa.Column("step", sa.BigInteger()),
        sa.Column("samples", sa.BigInteger()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("reason", sa.String(40)),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("bpc", sa.Double()),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("verified", sa.Boolean(), nullable=False),
        sa.Column("best", sa.Boolean(), nullable=False),
        sa.Column("path", sa.Text()),
        sa.Column("deleted_at", sa.Double()),
        sa.PrimaryKeyConstraint("name", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_created_at", "checkpoints", ["created_at"])
    op.create_index("ix_checkpoints_run_created_at", "checkpoints", ["run", "created_at"])
    op.create_table(
        "operations",
        sa.Column("id", sa.String(80)),
        sa.Column("run", sa.String(80)),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("result", sa.JSON()),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("finished_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_operations"),
    )
    op.create_index("ix_operations_created_at", "operations", ["created_at"])
    op.create_index("ix_operations_run_created_at", "operations", ["run", "created_at"])
    op.create_table(
        "answers",
        sa.Column("key", sa.String(200)),
        sa.Column("endpoint", sa.String(200)),
        sa.Column("body_hash", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", sa.JSON()),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", "endpoint", name="pk_answers"),
    )
    op.create_index("ix_answers_created_at", "answers", ["created_at"])
    op.create_table(
        "evaluations",
        sa.Column("key", Key),
        sa.Column("run", sa.String(80), nullable=False),
        sa.Column("session", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("bpc", sa.Double()),
        sa.Column("coverage", sa.Double()),
        sa.Column("age_steps", sa.Double()),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("time", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_evaluations"),
    )
    op.create_index("ix_evaluations_run_step", "evaluations", ["run", "step"])
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(80)),
        sa.Column("run", sa.String(80)),
        sa.Column("session", sa.Integer()),
        sa.Column("kind", sa.String(80), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("step", sa.BigInteger()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text()),
        sa.Column("remedy", sa.Text()),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("raised_at", sa.Double(), nullable=False),
        sa.Column("cleared_at", sa.Double()),
        sa.Column("acknowledged_at", sa.Double()),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
    )
    op.create_index("ix_alarms_raised_at", "alarms", ["raised_at"])
    op.create_index("ix_alarms_run_raised_at", "alarms", ["run", "raised_at"])
    op.create_table(
        "jobs",
        sa.Column("job", sa.String(80)),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("trigger", sa.JSON()),
        sa.Column("last_run", sa.Double()),
        sa.Column("last_outcome", sa.Text()),
        sa.PrimaryKeyConstraint("job", name="pk_jobs"),
    )
    op.create_table(
        "counters",
        sa.Column("name", sa.String(40)),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )


def downgrade() -> None:
    for table in (
        "counters",
        "jobs",
        "alarms",
        "evaluations",
        "answers",
        "operations",
        "checkpoints",
        "events",
        "readings",
        "rollups",
        "points",
        "metrics",
        "metric_names",
        "sessions",
        "runs",
    ):
        op.drop_table(table)
