"""Change tracking: delta links and what they answer."""
