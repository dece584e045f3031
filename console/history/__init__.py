"""Recording what a session reads, and telling it again in words."""
