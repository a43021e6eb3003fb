"""VAE/GAN: Autoencoding beyond pixels using a learned similarity metric (Larsen et al., 2016), arXiv:1512.09300.

Three players (Algorithm 1): E lowers KL + L_like, G lowers gamma L_like - L_GAN, D lowers L_GAN alone. L_like is a
Gaussian -log p(D_l(x) | z) on D's own features; L_GAN, D's cross-entropy, judges reconstructions and prior samples.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F

from gantlet.losses.adversarial import minimax, nonsaturating
from gantlet.losses.likelihood import gaussian_nll, kl_from_standard_normal
from gantlet.networks import vae_gan as networks
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import normal, report_diversity, report_game, sampler
from gantlet.recipes.images.vae import encode_mean, posterior_draw
from gantlet.recipes.optimizers import rmsprop
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(channels=1, resolution=8, latent_dim=4, width=4, e_hidden=8, d_hidden=8, batch_size=8)
QUICK: dict[str, dict[str, object]] = {
    # First guess: digits of MNIST are reconstructed sharply after 200 steps; not measured yet.
    "vae_gan": dict(latent_dim=32, width=8, e_hidden=128, d_hidden=64, gamma=1e-2, saturating=False)
}


def encoder_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
    """Return L_like + KL; the verdict of D is no concern of E."""
    x = batch["image"]
    mean, log_variance = nets.E(x)
    again = nets.G(posterior_draw(progress, mean, log_variance))
    real, reconstructed = nets.D.features(torch.cat([x, again])).chunk(2)
    return {
        "likelihood": gaussian_nll(reconstructed, real).mean(),
        "kl": kl_from_standard_normal(mean, log_variance).mean(),
    }


def vae_gan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    latent_dim: int = 128,  # size of z (authors' code)
    width: int = 32,  # feature maps of D's first layer; all others are multiples of it (Table 1)
    e_hidden: int = 2048,  # units of E's hidden layer (Table 1; 1024 in the authors' code)
    d_hidden: int = 512,  # units of D's hidden layer (Table 1)
    gamma: float = 1e-5,  # of L_like against L_GAN in G's loss (authors' code for CelebA; it depends on D's scale)
    saturating: bool = True,  # G lowers log(1 - D) (Algorithm 1); false: it raises log D (Goodfellow 2014)
    lr: float = 3e-4,  # RMSProp (section 4)
    batch_size: int = 64,  # section 4
    average_halflife: int = 10_000,  # of G's and E's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """A VAE whose likelihood is measured in the features of a discriminator that is trained along with it.

    Fragile, as it was: runs collapse when L_GAN wins early. The authors' code also pauses D or G when either is far
    ahead; that rule is not in the paper and not here.
    """
    game = minimax if saturating else nonsaturating

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        x = batch["image"]
        fake = nets.G(normal(progress, latent_dim))
        logits, features = nets.D(torch.cat([x, nets.G(posterior_draw(progress, *nets.E(x))), fake]))
        real, reconstructed, _ = features.chunk(3)
        real_logits, again_logits, fake_logits = logits.chunk(3)
        fooled = game.generator(real_logits, again_logits) + game.generator(real_logits, fake_logits)
        report_diversity(progress, x, fake)
        return {
            "likelihood": gamma * gaussian_nll(reconstructed, real).mean(),
            "adversarial": fooled.mean(),
        }

    def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        x = batch["image"]
        again, fake = nets.G(posterior_draw(progress, *nets.E(x))), nets.G(normal(progress, latent_dim))
        real_logits, again_logits, fake_logits = nets.D(torch.cat([x, again, fake]))[0].chunk(3)
        report_game(progress, real_logits, fake_logits)
        judged = game.discriminator(real_logits, fake_logits) + F.softplus(again_logits)  # - log(1 - D(x~))
        return {"adversarial": judged.mean()}

    E = networks.encoder(channels, resolution, width, e_hidden, latent_dim)
    G = networks.Generator(latent_dim, channels, resolution, width)
    D = networks.Discriminator(channels, resolution, width, d_hidden)
    return Recipe(
        players={
            "E": Player(networks={"E": E}, optimizer=rmsprop(lr), average_halflife=average_halflife),
            "G": Player(networks={"G": G}, optimizer=rmsprop(lr), average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=rmsprop(lr)),
        },
        phases=(
            Phase(player="E", loss=encoder_loss),
            Phase(player="G", loss=generator_loss),
            Phase(player="D", loss=discriminator_loss),
        ),
        batch_size=batch_size,
        sample=sampler(normal, latent_dim),
        encode=encode_mean,
        signs=IMAGE_GAN,
    )
