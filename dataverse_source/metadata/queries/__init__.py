"""FetchXML queries and views: parsed, checked against metadata, typed, and paged."""
