"""The engine: one loop over players and phases, and what it needs. It has never heard of a GAN."""
