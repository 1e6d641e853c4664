"""Reads rows: OData, FetchXML, change tracking."""
