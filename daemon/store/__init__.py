"""The database: tables, the one writer, rollups and queries."""
