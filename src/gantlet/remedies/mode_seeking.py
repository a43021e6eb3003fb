"""Mode seeking: Mode Seeking GANs for Diverse Image Synthesis (Mao et al., 2019), arXiv:1903.05628."""

from __future__ import annotations

from gantlet.recipe import Losses, Recipe
from gantlet.remedies.surgery import Moment, after, first


def mode_seeking(
    recipe: Recipe,
    *,
    weight: float = 1.0,  # lambda_ms (section 4)
) -> Recipe:
    """G is paid for making pictures of different latents different.

    Symptom: mode collapse, above all within a class or for one input: z is ignored. One more pass of G per update.
    """

    def seek(moment: Moment) -> Losses:
        z, *rest = moment.asked("G").inputs
        other = z.roll(1, 0)  # another sample's z, the own label
        pictures = first(moment.asked("G").output).float()
        distance = (first(moment.nets.G(other, *rest)).float() - pictures).abs().mean()
        ratio = distance / (other - z).abs().mean()
        return {**moment.terms, "mode_seeking": weight / (ratio + 1e-5)}  # authors' code: the inverse is minimised

    return after(recipe, "G", seek)
