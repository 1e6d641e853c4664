"""Settings: their names, values, files, and what is wrong with them."""
