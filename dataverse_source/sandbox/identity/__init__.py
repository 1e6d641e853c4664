"""The identity provider: applications, assertions, tokens."""
