"""Pages: order, paging cookies, next links."""
