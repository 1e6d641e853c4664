"""``$expand``: rows of related tables."""
