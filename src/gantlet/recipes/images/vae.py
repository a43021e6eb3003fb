"""VAE: Auto-Encoding Variational Bayes (Kingma & Welling, 2013), arXiv:1312.6114.

No game at all: one player, one loss. It is here as the row to compare GANs with, and because it encodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from gantlet.losses.likelihood import bernoulli_nll, kl_from_standard_normal
from gantlet.networks import vae as networks
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import normal, sampler
from gantlet.recipes.optimizers import adam

TINY = dict(channels=1, resolution=8, latent_dim=4, width=8, hidden=16, batch_size=8)
QUICK: dict[str, dict[str, object]] = {"vae": dict(), "vae_conv": dict()}  # both are small as they are


def posterior_draw(draws: Draws, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return z [N, latent_dim] drawn from q(z | x), differentiable in both arguments (Kingma & Welling 2013, 2.4)."""
    return mean.float() + (log_variance.float() / 2).exp() * draws.normal("posterior", mean.shape[1])


def encode_mean(nets: Nets, pictures: Tensor) -> Tensor:
    """Return the mean of q(z | x), [N, latent_dim]."""
    mean: Tensor = nets.E(pictures)[0]
    return mean


def posterior_collapse(statistics: Mapping[str, float]) -> str | None:
    """The latent says nothing about the picture: q(z | x) is the prior for every x."""
    nats = statistics.get("G/kl")
    if nats is None or nats > 0.05:
        return None
    return (
        f"The latent holds {nats:.2g} nats of the picture: posterior collapse, every reconstruction is the same. "
        "Lower the learning rate, lower --latent-dim, or give the decoder fewer units."
    )


def vae(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 20,  # size of z (pytorch/examples vae; the paper tries 2 to 200 on MNIST)
    hidden: int = 400,  # units of the one hidden layer of E and of G (pytorch/examples vae; the paper has 500)
    lr: float = 1e-3,  # Adam (pytorch/examples vae; the paper has Adagrad)
    batch_size: int = 128,  # pytorch/examples vae; the paper has 100
) -> Recipe:
    """Fully connected encoder and decoder, the variational bound with a Bernoulli likelihood, summed over pixels."""
    return bound(
        networks.mlp_encoder(channels, resolution, hidden, latent_dim),
        networks.mlp_decoder(latent_dim, channels, resolution, hidden),
        latent_dim,
        lr,
        batch_size,
    )


def vae_conv(
    *,
    channels: int = 1,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 28,  # side, or (height, width); filled from the data
    latent_dim: int = 32,  # size of z (ours)
    width: int = 32,  # feature maps of E's first convolution; the second has twice as many (ours)
    hidden: int = 256,  # units between convolutions and z (ours)
    lr: float = 1e-3,  # Adam (ours)
    batch_size: int = 128,  # ours
) -> Recipe:
    """The same bound with two convolutions each way."""
    return bound(
        networks.conv_encoder(channels, resolution, width, hidden, latent_dim),
        networks.conv_decoder(latent_dim, channels, resolution, width, hidden),
        latent_dim,
        lr,
        batch_size,
    )


def bound(E: networks.Encoder, G: networks.Decoder, latent_dim: int, lr: float, batch_size: int) -> Recipe:
    """Return the recipe that lowers -ELBO = E_q[-log p(x | z)] + KL(q(z | x) || N(0, I)) by one draw of z per picture.

    Pictures count as probabilities of white in [0, 1]. "G/likelihood" + "G/kl" is the bound in nats per picture.
    """

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        x = batch["image"]
        mean, log_variance = nets.E(x)
        logits = nets.G.logits(posterior_draw(progress, mean, log_variance))
        return {
            "likelihood": bernoulli_nll(logits, (x + 1) / 2).mean(),
            "kl": kl_from_standard_normal(mean, log_variance).mean(),
        }

    return Recipe(
        players={"G": Player(networks={"G": G, "E": E}, optimizer=adam(lr, (0.9, 0.999)))},
        phases=(Phase(player="G", loss=loss),),
        batch_size=batch_size,
        sample=sampler(normal, latent_dim),
        encode=encode_mean,
        signs=(posterior_collapse,),
    )
