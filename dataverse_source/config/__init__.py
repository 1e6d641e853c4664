"""Settings: the table of them, their checks, and the files they are read from."""
