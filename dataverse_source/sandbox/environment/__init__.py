"""What the environment as a whole knows: users, clock, switches."""
