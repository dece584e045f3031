"""The autopilot at work: it looks, proposes, and where it may, acts as an operator would."""
