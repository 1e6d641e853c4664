"""Rows in SQLite: values, versions, and what follows from a change."""
