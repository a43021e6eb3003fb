"""`gantlet apply`: what a model makes of a person's own pictures (`pictures`, `classes`), sounds, clips and text.

`sounds`, `clips` and `sentences` are their modules; `translator` and `hearer` are models as functions.
"""
