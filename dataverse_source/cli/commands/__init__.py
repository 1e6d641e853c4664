"""The commands of ``dataverse-source``, one module each."""
