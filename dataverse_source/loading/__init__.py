"""One run: connection, tables, load packages, recovery, report."""
