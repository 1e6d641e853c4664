"""Tables, columns, choices and relationships: reading and caching their definitions."""
