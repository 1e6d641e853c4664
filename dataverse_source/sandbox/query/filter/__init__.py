"""``$filter`` and the functions in it."""
