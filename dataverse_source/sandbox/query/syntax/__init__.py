"""Parsers of OData options and literals."""
