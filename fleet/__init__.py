"""The fleet and what can be done to it. No terminal code; importable by anyone."""
