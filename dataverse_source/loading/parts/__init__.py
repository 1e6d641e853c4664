"""One table's first read in parts, by many processes: plan, parts, finish."""
