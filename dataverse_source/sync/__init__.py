"""The ways to keep a destination table in step with its Dataverse table, one file each."""
