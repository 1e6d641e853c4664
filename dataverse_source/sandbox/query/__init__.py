"""Reads of rows: OData, FetchXML, change tracking."""
