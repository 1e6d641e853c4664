"""Answers about tables and columns."""
