"""Routes requests, and the limits, faults and functions of the Web API."""
