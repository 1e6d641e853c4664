"""The report of a pipeline as one HTML file; needs the extra ``report``."""
