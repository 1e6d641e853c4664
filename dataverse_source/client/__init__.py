"""The one place that sends requests to Dataverse."""
