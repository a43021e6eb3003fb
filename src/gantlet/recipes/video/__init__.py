"""Recipes for clips."""
