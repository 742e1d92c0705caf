"""Alembic migrations, one file a schema change."""
