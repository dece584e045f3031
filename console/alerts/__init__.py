"""Alerts: what has been wrong for long enough to tell somebody, and how they are told."""
