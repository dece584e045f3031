"""The facts of a model that decide its memory: `Architecture`, read from a config.json or the built-in catalogue."""
