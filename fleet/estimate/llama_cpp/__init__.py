"""llama.cpp's server: one module per quantity; `starting.estimate` puts them together."""
