"""Carrying a plan out: journal first, then the host; gates after each start; a way back for everything."""
