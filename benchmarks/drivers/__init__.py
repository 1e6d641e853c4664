"""What each contender runs, in a process and an environment of its own."""
