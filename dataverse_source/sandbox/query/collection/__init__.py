"""Queries over the rows of one table."""
