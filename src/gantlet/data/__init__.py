"""Data sets: files into arrays and batches, in an order that seed and epoch decide."""

from gantlet.data.clips import Clips, open_clips
from gantlet.data.excerpts import Excerpts, open_excerpts
from gantlet.data.images import ImageData, open_images
from gantlet.data.inspect import Inspection, inspect
from gantlet.data.intensity import Intensity
from gantlet.data.known import NAMES
from gantlet.data.lines import Lines, open_lines
from gantlet.data.mixtures import Mixtures, open_mixtures
from gantlet.data.order import Order, balanced_weights
from gantlet.data.sides import Opening
from gantlet.data.sounds import Sounds, open_sounds
from gantlet.data.splits import NoSuchSplit
from gantlet.data.translation import Translation, open_translation

__all__ = [
    "NAMES",
    "Clips",
    "Excerpts",
    "ImageData",
    "Inspection",
    "Intensity",
    "Lines",
    "Mixtures",
    "NoSuchSplit",
    "Opening",
    "Order",
    "Sounds",
    "Translation",
    "balanced_weights",
    "inspect",
    "open_clips",
    "open_excerpts",
    "open_images",
    "open_lines",
    "open_mixtures",
    "open_sounds",
    "open_translation",
]
