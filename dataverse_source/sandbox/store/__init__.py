"""Rows in SQLite: values, version numbers, cascades, audit, made-up rows."""
