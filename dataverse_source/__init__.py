"""A dlt source for Microsoft Dataverse (Dynamics 365)."""
