"""What a person does in the latent space of a trained model: project pictures into it, find directions, walk."""

from gantlet.latents.directions import Directions, ganspace, sefa, traverse
from gantlet.latents.morphing import can_truncate, class_pairs, morph, truncation_sweep
from gantlet.latents.projection import Projection, project
from gantlet.latents.space import Space, space

__all__ = [
    "Directions",
    "Projection",
    "Space",
    "can_truncate",
    "class_pairs",
    "ganspace",
    "morph",
    "project",
    "sefa",
    "space",
    "traverse",
    "truncation_sweep",
]
