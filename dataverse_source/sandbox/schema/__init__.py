"""Tables and columns of the environment, and where they come from."""
