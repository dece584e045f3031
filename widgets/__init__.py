"""Reusable Textual widgets. They draw frozen values and send messages; they never reach for data themselves."""
