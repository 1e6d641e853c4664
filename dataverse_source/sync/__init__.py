"""Syncs one table: its mode (changes, cursor, full), its state, what it reads and writes."""
