"""Augmentations of batches of pictures [N, C, H, W] in [-1, 1]: random per picture, differentiable twice.

Random numbers come from torch's own generator on the pictures' device, which the engine keys before every update.
"""
