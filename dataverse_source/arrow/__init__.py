"""Turns pages into Arrow tables, with one schema for each Dataverse table."""
