"""Tables that describe the loaded tables."""
