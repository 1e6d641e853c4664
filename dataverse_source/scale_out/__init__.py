"""Several processes or machines: the parts of one table, and buckets of tables."""
