"""Filling rare classes with samples of a GAN, and finding out whether that helped: stages that resume."""

from gantlet.augmenting.command import Augmented, augment
from gantlet.augmenting.report import AugmentReport, augment_report

__all__ = ["AugmentReport", "Augmented", "augment", "augment_report"]
