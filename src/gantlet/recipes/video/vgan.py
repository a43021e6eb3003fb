"""VGAN: Generating Videos with Scene Dynamics (Vondrick, Pirsiavash & Torralba, 2016), arXiv:1609.02612.

Two streams, a foreground that moves and a ground that cannot, and a mask between them that is kept sparse.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gantlet.losses.adversarial import nonsaturating
from gantlet.networks.vgan import Discriminator, Generator
from gantlet.recipe import Draws, Losses, Nets, Phase, Player, Recipe
from gantlet.recipes.image_gan import normal
from gantlet.recipes.optimizers import adam
from gantlet.recipes.signs import IMAGE_GAN
from gantlet.recipes.video.video_gan import clip_game, two_code_sampler

DATA = "clips"
TINY = dict(channels=1, resolution=8, num_frames=4, num_classes=2, latent_dim=8, g_width=8, d_width=8, batch_size=8)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "vgan": dict(g_width=16, d_width=16, batch_size=32)
}


def vgan(
    *,
    channels: int = 3,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width) (section 3.1); filled from the data
    num_frames: int = 32,  # of a clip (section 3.1); filled from the data
    frame_rate: float = 25.0,  # frames a second (section 4.1), for the record; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form, which is the paper's
    latent_dim: int = 100,  # size of z (section 3.1)
    g_width: int = 64,  # feature maps before G's last layers (Fig. 1)
    d_width: int = 64,  # feature maps of D's first layer (section 3.2)
    mask_weight: float = 0.1,  # lambda of the mask's L1 (section 3.3)
    lr: float = 2e-4,  # Adam (section 3.3)
    beta1: float = 0.5,  # idem
    beta2: float = 0.999,  # torch's default
    batch_size: int = 64,  # section 3.3
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The game of DCGAN over clips and an L1 that keeps the mask small; clips are as long as those trained on.

    `fix` content shares the still ground of sample 0, motion its foreground and mask.
    """

    def fakes(nets: Nets, draws: Draws, y: Tensor | None) -> tuple[Tensor, Losses]:
        clips, mask = nets.G(normal(draws, latent_dim), y)
        return clips, {"mask": mask_weight * mask.float().mean()}

    def draw(nets: Nets, content: Tensor, motion: Tensor, y: Tensor | None) -> Tensor:
        clips: Tensor = nets.G(motion, y, content)[0]
        return clips

    discriminator, generator = clip_game(nonsaturating, fakes)
    G = Generator(latent_dim, channels, resolution, num_frames, g_width, num_classes)
    D = Discriminator(channels, resolution, num_frames, d_width, num_classes)
    optimizer = adam(lr, (beta1, beta2))
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(Phase(player="D", loss=discriminator), Phase(player="G", loss=generator)),
        batch_size=batch_size,
        sample=two_code_sampler(normal, latent_dim, num_frames, draw),
        signs=IMAGE_GAN,
        heeds=("weight", "fake_label"),
    )
