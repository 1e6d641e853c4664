"""When the next request may go: service protection limits, shared by all threads."""
