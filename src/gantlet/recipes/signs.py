"""Signs of trouble in a two-player game, read from the statistics that `image_gan` reports, with the knob to turn."""

from __future__ import annotations

from collections.abc import Mapping

Statistics = Mapping[str, float]


def collapse(statistics: Statistics) -> str | None:
    """Samples of one batch differ far less than pictures of the data do."""
    diversity = statistics.get("G/diversity")
    if diversity is None or diversity > 0.25:
        return None
    return (
        f"The samples look alike (their spread is {diversity:.0%} of the data's): mode collapse. "
        "Lower G's learning rate, raise D's (or --d-updates), try --remedy minibatch_std, packing or mode_seeking, "
        "or use a recipe with spectral norm or a gradient penalty."
    )


def all_knowing_discriminator(statistics: Statistics) -> str | None:
    """D tells every real from every fake with certainty, so G learns nothing from a saturated loss."""
    accuracy, gradient = statistics.get("D/accuracy"), statistics.get("G/gradient_norm")
    if accuracy is None or gradient is None or accuracy < 0.999 or gradient > 1e-3:
        return None
    return (
        f"D is all-knowing (right on {accuracy:.1%}) and G's gradient is nearly gone ({gradient:.1g}). "
        "Lower D's learning rate, try --remedy instance_noise or label_smoothing, or use a recipe with a gradient "
        "penalty or a hinge or Wasserstein loss."
    )


def dead_discriminator(statistics: Statistics) -> str | None:
    """D's logits no longer depend on its input."""
    spread = statistics.get("D/logit_spread")
    if spread is None or spread > 1e-4:
        return None
    return (
        f"D is dead: its logits hardly vary (spread {spread:.1g}), so G gets no direction. "
        "Raise D's learning rate, loosen its weight clipping or penalty, or start again with another seed."
    )


def learnt_by_heart(statistics: Statistics) -> str | None:
    """D judges held-out pictures half-way to fakes; only `--remedy holdout` (or one that brings it) measures this."""
    overfitting = statistics.get("D/overfitting")
    if overfitting is None or overfitting < 0.5:
        return None
    return (
        f"D learns the pictures by heart: held-out ones look {overfitting:.0%} as fake to it as the fakes do. "
        "Stop here or go back to the best checkpoint; then try --remedy ada, diffaugment or apa, or more pictures."
    )


IMAGE_GAN = (collapse, all_knowing_discriminator, dead_discriminator)
