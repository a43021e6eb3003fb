"""BigGAN: Large Scale GAN Training for High Fidelity Natural Image Synthesis (Brock et al., 2019), arXiv:1809.11096.

Sampling takes `truncation` (latents within this size: better pictures, fewer kinds) and `standing` (that many batches
of 64, whose statistics batch norm then takes instead of those of training; 100 in the paper), see truncation.py.
Collapse late in training is expected (section 4): the checkpoint marked best is the one to keep. The half-life of the
moving average, constant in the paper, is at most a twentieth of the samples seen here (engine/average.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

from gantlet.layers.grid import num_stages
from gantlet.layers.spectral_norm import spectral
from gantlet.losses.adversarial import hinge
from gantlet.losses.penalties import orthogonal_penalty
from gantlet.networks import biggan as networks
from gantlet.networks import biggan_deep as deep_networks
from gantlet.networks.initialisation import weight_and_bias
from gantlet.recipe import Batch, Losses, Nets, Phase, Progress, Recipe
from gantlet.recipes.image_gan import image_gan
from gantlet.recipes.optimizers import adam
from gantlet.recipes.truncation import truncating_sampler

TINY = dict(channels=1, resolution=8, num_classes=3, latent_dim=8, shared_dim=4, g_width=4, d_width=4, batch_size=8)
QUICK: dict[str, dict[str, object]] = {
    # docs/lab-log.md, 2026-11-21
    "biggan": dict(
        latent_dim=24, g_width=4, d_width=8, shared_dim=32, g_attention=0, d_attention=0, d_updates=1, g_lr=1e-3,
        d_lr=1e-3, beta2=0.99, batch_size=32, average_halflife=10_000,
    ),
    "biggan_deep": dict(
        latent_dim=24, g_width=8, d_width=8, shared_dim=32, g_attention=0, d_attention=0, d_updates=1, g_lr=1e-3,
        d_lr=1e-3, beta2=0.99, batch_size=32, average_halflife=10_000,
    ),
}  # fmt: skip
# Arguments, by recipe and name, of what was published beside the defaults, which are the paper's at 128 pixels.
# `average_halflife` is .9999 per step throughout: 6931 steps.
PRESETS: dict[str, dict[str, dict[str, object]]] = {
    "biggan": {
        "imagenet256": dict(resolution=256, num_classes=1000, g_attention=128),  # Table 5
        "imagenet512": dict(resolution=512, num_classes=1000),  # Table 6
        # BigGAN-PyTorch, launch_BigGAN_bs256x8.sh: 8 accumulations of 256. Its --adam_eps 1e-6 and --SN_eps 1e-6 are
        # not taken over: Adam's epsilon is PyTorch's 1e-8, that of the power iteration 1e-12.
        "imagenet128_pytorch": dict(
            num_classes=1000, d_updates=1, g_lr=1e-4, d_lr=4e-4, orthogonal_weight=0.0
        ),
        "cifar10_pytorch": dict(  # BigGAN-PyTorch, launch_cifar_ema.sh: 500 epochs
            resolution=32, num_classes=10, latent_dim=128, hierarchical=False, g_width=64, d_width=64, g_attention=0,
            d_attention=0, init_std=0.02, orthogonal_weight=0.0, d_updates=4, g_lr=2e-4, d_lr=2e-4, batch_size=50,
            average_halflife=346_560,
        ),
        "cifar10_studiogan": dict(  # PyTorch-StudioGAN, CIFAR10 BigGAN: 100,000 steps; attention at 16x16
            resolution=32, num_classes=10, latent_dim=80, g_attention=16, d_attention=16, orthogonal_weight=0.0,
            d_updates=5, g_lr=2e-4, d_lr=2e-4, beta1=0.5, batch_size=64, average_halflife=443_590,
        ),
    },
    "biggan_deep": {
        "imagenet256": dict(resolution=256, num_classes=1000, g_lr=2.5e-5, d_lr=2.5e-5),  # Table 8, appendix C
        "imagenet512": dict(resolution=512, num_classes=1000, g_lr=2.5e-5, d_lr=2.5e-5),  # Table 9, appendix C
    },
}  # fmt: skip


def biggan(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 128,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int
    | None = None,  # size of z; None for 20 per chunk: 120 at 128 pixels, 140 at 256, 160 at 512 (appendix B)
    shared_dim: int = 128,  # size of the class embedding that all norms share (appendix B)
    hierarchical: bool = True,  # chunks of z in every norm (appendix B); no: z at the bottom, class tables in the norms
    g_width: int = 96,  # ch of G: feature maps before its last layer (Table 1)
    d_width: int = 96,  # ch of D: feature maps of its first block (Table 1)
    g_attention: int = 64,  # short side at which G attends; 0 for nowhere (Table 4)
    d_attention: int = 64,  # short side at which D attends; 0 for nowhere (Table 4)
    init_std: float | None = None,  # of normal initial weights; None for orthogonal ones (section 3)
    orthogonal_weight: float = 1e-4,  # beta of Eq. 3, on G's weights but the embeddings (section 3.1)
    d_updates: int = 2,  # D's updates per one of G (appendix C)
    g_lr: float = 5e-5,  # Adam of G (appendix C)
    d_lr: float = 2e-4,  # Adam of D (appendix C)
    beta1: float = 0.0,  # appendix C
    beta2: float = 0.999,  # appendix C
    batch_size: int = 2048,  # Table 1
    average_halflife: int = 14_195_000,  # of G's moving average, in samples: .9999 per step of 2048 (appendix C)
) -> Recipe:
    """Hinge, projection, spectral norm and attention in both networks, latents in every norm, orthogonal filters."""
    if latent_dim is None:
        latent_dim = 20 * (num_stages(resolution) + 1)
    initialise = networks.orthogonal if init_std is None else networks.normal(init_std)
    G = networks.Generator(
        latent_dim, channels, resolution, g_width, num_classes, shared_dim, hierarchical, g_attention, initialise
    )
    D = networks.Discriminator(channels, resolution, d_width, num_classes, d_attention, initialise)
    game = image_gan(
        G=networks.spectral_layers(G),
        D=spectral(D),
        loss=hinge,
        latent_dim=latent_dim,
        d_updates=d_updates,
        g_optimizer=adam(g_lr, (beta1, beta2)),
        d_optimizer=adam(d_lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    return with_orthogonal_filters(replace(game, sample=truncating_sampler(latent_dim, num_classes)), orthogonal_weight)


def biggan_deep(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 128,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 128,  # size of z, which every norm reads whole (appendix B)
    shared_dim: int = 128,  # size of the class embedding that all norms share (appendix B)
    g_width: int = 128,  # ch of G: feature maps before its last layer (appendix B)
    d_width: int = 128,  # ch of D: feature maps of its first layer (appendix B)
    g_attention: int = 64,  # short side at which G attends; 0 for nowhere (appendix B)
    d_attention: int = 64,  # short side at which D attends; 0 for nowhere (appendix B)
    orthogonal_weight: float = 1e-4,  # beta of Eq. 3, on G's weights but the embeddings (section 3.1)
    d_updates: int = 2,  # D's updates per one of G (appendix C)
    g_lr: float = 5e-5,  # Adam of G at 128 pixels, 2.5e-5 above (appendix C)
    d_lr: float = 2e-4,  # Adam of D at 128 pixels, 2.5e-5 above (appendix C)
    beta1: float = 0.0,  # appendix C
    beta2: float = 0.999,  # appendix C
    batch_size: int = 2048,  # Table 1
    average_halflife: int = 14_195_000,  # of G's moving average, in samples: .9999 per step of 2048 (appendix C)
) -> Recipe:
    """BigGAN with bottleneck blocks, two per resolution, whose shortcuts keep identity: deeper, with fewer weights."""
    G = deep_networks.Generator(latent_dim, channels, resolution, g_width, num_classes, shared_dim, g_attention)
    D = deep_networks.Discriminator(channels, resolution, d_width, num_classes, d_attention)
    game = image_gan(
        G=networks.spectral_layers(G),
        D=spectral(D),
        loss=hinge,
        latent_dim=latent_dim,
        d_updates=d_updates,
        g_optimizer=adam(g_lr, (beta1, beta2)),
        d_optimizer=adam(d_lr, (beta1, beta2)),
        batch_size=batch_size,
        average_halflife=average_halflife,
    )
    return with_orthogonal_filters(replace(game, sample=truncating_sampler(latent_dim, num_classes)), orthogonal_weight)


def with_orthogonal_filters(game: Recipe, weight: float) -> Recipe:
    """Return the recipe with the penalty of Eq. 3 on G's filters added to the loss of its last phase, G's own."""
    if not weight:
        return game
    *others, last = game.phases

    def generator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {**last.loss(nets, batch, progress), "orthogonal": weight * orthogonal_penalty(filters(nets.G))}

    return replace(game, phases=(*others, Phase(player=last.player, loss=generator_loss)))


def filters(network: nn.Module) -> list[Tensor]:
    """Return the trainable weights of all convolutions and linear layers, before spectral norm; no embeddings."""
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return [weight_and_bias(layer)[0] for layer in layers]
