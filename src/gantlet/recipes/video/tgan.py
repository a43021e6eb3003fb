"""TGAN: Temporal Generative Adversarial Nets with Singular Value Clipping (Saito et al., 2017), arXiv:1611.06624.

The authors' code also keeps the gains of D's batch norms above .01 standard deviations, ours above 0; for what differs
in the networks see networks/tgan.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gantlet.losses.adversarial import wasserstein
from gantlet.losses.singular_values import clip_singular_values
from gantlet.networks.tgan import Discriminator, Generator
from gantlet.recipe import Draws, Losses, Nets, Phase, Player, Recipe
from gantlet.recipes.image_gan import uniform
from gantlet.recipes.optimizers import rmsprop
from gantlet.recipes.signs import IMAGE_GAN
from gantlet.recipes.video.video_gan import clip_game, two_code_sampler

DATA = "clips"
TINY = dict(
    channels=1, resolution=8, num_frames=4, num_classes=2, latent_dim=8, g_width=8, d_width=8, batch_size=8
) | dict(temporal_width=16)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "tgan": dict(g_width=16, d_width=16, temporal_width=128, lr=2e-4, batch_size=32)
}


def tgan(
    *,
    channels: int = 3,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width) (Table 1); filled from the data
    num_frames: int = 16,  # of a clip (Table 1); filled from the data
    frame_rate: float = 25.0,  # frames a second, for the record; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 100,  # size of z and of each frame's code (Table 1)
    temporal_width: int = 512,  # maps of the temporal generator's first layer (Table 1)
    g_width: int = 32,  # feature maps before the picture generator's last layer (Table 1)
    d_width: int = 64,  # feature maps of D's first layer (Table 1)
    lr: float = 5e-5,  # RMSprop of both networks (section 5)
    d_updates: int = 1,  # updates of D for each of G (section 5)
    batch_size: int = 64,  # section 5
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """A Wasserstein critic held 1-Lipschitz by clipped singular values; clips are as long as those trained on.

    `fix` content shares the slow code of sample 0, motion the codes of its frames.
    """

    def fakes(nets: Nets, draws: Draws, y: Tensor | None) -> tuple[Tensor, Losses]:
        return nets.G(uniform(draws, latent_dim), y), {}

    def draw(nets: Nets, content: Tensor, motion: Tensor, y: Tensor | None) -> Tensor:
        clips: Tensor = nets.G(content, y, motion)
        return clips

    discriminator, generator = clip_game(wasserstein, fakes)
    G = Generator(latent_dim, channels, resolution, num_frames, g_width, temporal_width, num_classes)
    D = Discriminator(channels, resolution, num_frames, d_width, num_classes)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=rmsprop(lr), average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=rmsprop(lr), constrain=clip_singular_values),
        },
        phases=(
            Phase(player="D", loss=discriminator, updates=d_updates),
            Phase(player="G", loss=generator),
        ),
        batch_size=batch_size,
        sample=two_code_sampler(uniform, latent_dim, num_frames, draw),
        signs=IMAGE_GAN,
        heeds=("weight", "fake_label"),
    )
