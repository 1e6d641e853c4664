"""What the destination gets of one table: batches, deleted rows, histories."""
