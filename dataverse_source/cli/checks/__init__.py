"""What ``dataverse-source check`` examines."""
