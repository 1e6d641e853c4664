"""From the bytes of a page to Arrow batches, with one schema a table."""
