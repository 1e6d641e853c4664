"""The command line, ``dataverse-source``: one module per command."""
