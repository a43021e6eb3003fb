"""Losses as formulas: pure functions of tensors. High logits mean real; real comes before fake."""
