"""HTTP over TLS: requests, answers, batches."""
