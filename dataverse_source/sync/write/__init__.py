"""Writes one table: batches, deleted rows, histories; asks the destination what is loaded."""
