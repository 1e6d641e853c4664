"""A local Dataverse: HTTPS, sign-in, metadata, rows, queries and change tracking."""
