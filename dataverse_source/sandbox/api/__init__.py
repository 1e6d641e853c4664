"""From request to answer: routing, functions, service protection limits, faults, latency."""
