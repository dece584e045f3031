"""The past: the fleet as it was recorded, and the moves to a time in it."""
