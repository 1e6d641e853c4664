"""Reads the rows of one table: queries, pages, parallel reads, prefetch."""
