"""Layers: modules that know nothing of losses, data or training."""
