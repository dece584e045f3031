"""A GPU and its models in every detail."""
