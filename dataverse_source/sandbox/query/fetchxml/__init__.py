"""FetchXML and saved views."""
