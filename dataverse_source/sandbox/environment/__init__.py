"""The environment as a whole: organization, users, rights, clock."""
