"""Two models beside each other."""
