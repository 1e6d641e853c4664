"""Files of rows: which are wanted, their download, and the place where they are stored."""
