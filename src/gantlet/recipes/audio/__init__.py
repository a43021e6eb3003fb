"""Recipes of sound: new sounds, waves from spectrograms, speech without its noise."""
