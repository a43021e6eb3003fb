"""bCR and zCR: Improved Consistency Regularization for GANs (Zhao et al., 2020), arXiv:2002.04724."""

from __future__ import annotations

from torch import Tensor

from gantlet.augment.diffaugment import flip, translation
from gantlet.augment.sampling import exact
from gantlet.errors import UserError
from gantlet.recipe import Losses, Recipe
from gantlet.remedies.surgery import Moment, after, first, reals, seen


def bcr(
    recipe: Recipe,
    *,
    real_weight: float = 10.0,  # lambda_real (section 4)
    fake_weight: float = 10.0,  # lambda_fake (section 4)
) -> Recipe:
    """D must judge a flipped and shifted picture as it judges the picture, real or fake.

    Symptom: D reacts to details that do not matter (where a thing stands, which way it looks); few pictures.
    """

    def consistent(moment: Moment) -> Losses:
        real, fake = reals(moment.batch), first(moment.asked("G").output)
        of_real = apart(moment.logits("real_logits"), moment.judge(changed(real)))
        of_fake = apart(moment.logits("fake_logits"), moment.judge(changed(fake)))
        return {**moment.terms, "consistency": real_weight * of_real + fake_weight * of_fake}

    return after(recipe, "D", consistent)


def changed(x: Tensor) -> Tensor:
    """Return T(x): mirrored or not, moved by up to an eighth of each side (4 pixels of 32, section 4)."""
    return translation(flip(exact(seen(x))))


def apart(logits: Tensor, others: Tensor) -> Tensor:
    """Return the mean squared difference of two judgements."""
    if logits.shape != others.shape:
        raise UserError("This remedy compares logits of D(x), and this recipe's D answers with something else.")
    return (logits - others).square().mean()


def zcr(
    recipe: Recipe,
    *,
    d_weight: float = 5.0,  # lambda_dis (section 4)
    g_weight: float = 0.5,  # lambda_gen (section 4)
    sigma: float = 0.03,  # of the noise on z; .07 for BigGAN (section 4)
) -> Recipe:
    """Near latents: D must judge their pictures alike, G must make them differ.

    Symptom: G ignores small changes of z, samples look alike. The pictures' distance is a mean over pixels.
    """

    def neighbours(moment: Moment) -> Tensor:
        z, *rest = moment.asked("G").inputs
        noise = moment.progress.normal("zcr", *z.shape[1:])
        noise = noise.repeat(len(z) // len(noise), *[1] * (z.dim() - 1))  # G's batch may be a multiple of D's
        return first(moment.nets.G(z + sigma * noise, *rest))

    def of_d(moment: Moment) -> Losses:
        distance = apart(moment.logits("fake_logits"), moment.judge(neighbours(moment)))
        return {**moment.terms, "consistency": d_weight * distance}

    def of_g(moment: Moment) -> Losses:
        difference = first(moment.asked("G").output).float() - neighbours(moment).float()
        return {**moment.terms, "variety": -g_weight * difference.square().mean()}

    return after(after(recipe, "D", of_d), "G", of_g)
