"""Rows as they are sent."""
