"""Recipes of text: new sentences, and sentences in another style."""
