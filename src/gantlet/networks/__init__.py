"""Networks: one architecture, one file. Generators map (z, y) to pictures, discriminators (x, y) to logits [N]."""
