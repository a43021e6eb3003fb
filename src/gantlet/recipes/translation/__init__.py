"""Recipes that turn pictures into pictures."""
