"""The autopilot: what it sees, what it would have, what of that it proposes, and how much it may do. Pure."""
