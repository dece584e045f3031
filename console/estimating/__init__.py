"""`gpudeck estimate`: what it is asked about, where architectures are read from, and its answers in words."""
