"""Creates, updates and deletes rows over HTTP."""
