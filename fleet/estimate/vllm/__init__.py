"""vLLM: one module per quantity; `starting` puts them together in the order the engine does."""
