"""CycleGAN: Unpaired Image-to-Image Translation using Cycle-Consistent Networks (Zhu et al., 2017), arXiv:1703.10593.

Two sets of pictures, no pairs: G goes from source to target and F comes back; what went there and back must be what it
was. Numbers are those of the paper and of the authors' code; one player trains both translators, one both
discriminators, as there.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from gantlet.layers.dimensions import sides
from gantlet.layers.instance_norm import plain
from gantlet.layers.picture_pool import PicturePool
from gantlet.losses.adversarial import least_squares
from gantlet.losses.similarity import l1
from gantlet.networks.patch_discriminator import PatchDiscriminator, patch_layers
from gantlet.networks.resnet_translator import MULTIPLE, Translator, reach, translator_blocks
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe, Tiling
from gantlet.recipes.image_gan import report_game, together
from gantlet.recipes.optimizers import adam
from gantlet.recipes.translation.patch_game import PATCH_GAME, Loss, constant_then_linear

DATA = "unpaired"
TINY = dict(source_channels=1, target_channels=1, resolution=8, width=4, d_width=4, blocks=1, pool_size=6, batch_size=4)
QUICK: dict[str, dict[str, object]] = {
    # A first guess; what it reaches is in docs/choose-a-model.md.
    "cyclegan": dict(
        width=16, d_width=16, blocks=3, lr=5e-4, lr_constant=None, batch_size=4, average_halflife=2_000
    )
}  # fmt: skip


def cyclegan(
    *,
    source_channels: int = 3,  # of the pictures of one set; filled from the data
    target_channels: int = 3,  # of the pictures of the other; filled from the data
    resolution: int | Sequence[int] = 256,  # side, or (height, width), of training pictures; filled from the data
    width: int = 64,  # feature maps of the translators' first layer (section 7.2)
    d_width: int = 64,  # feature maps of the discriminators' first layer (section 7.2)
    blocks: int | None = None,  # residual blocks; None: 9 from 256 pixels on, 6 below (section 7.2), 3 below 64
    cycle_weight: float = 10.0,  # lambda of Eq. 3 (section 4)
    identity_weight: float = 0.5,  # of |G(y) - y| and |F(x) - x|, times lambda (section 5.2); 0 where channels differ
    pool_size: int = 50,  # old pictures kept for each discriminator (section 4)
    lr: float = 2e-4,  # Adam (section 4)
    lr_constant: int | None = 133_400,  # samples before lr falls: 100 epochs of 1,334 zebras; None: never falls
    lr_decay: int = 133_400,  # samples in which lr then falls to 0: 100 epochs (section 4)
    beta1: float = 0.5,  # authors' code
    batch_size: int = 1,  # section 4
    average_halflife: int | None = None,  # of the translators' moving average, in samples; the paper keeps none
) -> Recipe:
    """Two translators, two PatchGANs, least squares; `apply` goes forward, or backward with `direction="backward"`."""
    identity = identity_weight * cycle_weight if source_channels == target_channels else 0.0
    depth, layers = translator_blocks(resolution) if blocks is None else blocks, patch_layers(resolution)
    translators: dict[str, nn.Module] = {
        "G": Translator(source_channels, target_channels, width, depth),
        "F": Translator(target_channels, source_channels, width, depth),
    }
    channels = {"source": source_channels, "target": target_channels}
    judges = {f"D_{side}": PatchDiscriminator(c, layers, d_width, plain) for side, c in channels.items()}
    optimizer, schedule = adam(lr, (beta1, 0.999)), constant_then_linear(lr, lr_constant, lr_decay)
    return Recipe(
        players={
            "G": Player(
                networks=translators, optimizer=optimizer, average_halflife=average_halflife, schedule=schedule
            ),
            "D": Player(networks=judges, optimizer=optimizer, schedule=schedule),
        },
        phases=(
            Phase(player="G", loss=generator_loss(cycle_weight, identity)),
            Phase(player="D", loss=discriminator_loss),
        ),
        batch_size=batch_size,
        apply=apply,
        tiling=Tiling(multiple=MULTIPLE, margin=min(reach(depth), 128)),
        helpers={f"pool_{side}": PicturePool(pool_size, (c, *sides(resolution, 2))) for side, c in channels.items()},
        signs=PATCH_GAME,
    )


def generator_loss(cycle_weight: float, identity: float) -> Loss:
    """Return the loss of both translators; `identity` is the whole weight of that term."""

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        x, y = batch["source"], batch["target"]
        fake_y, fake_x = nets.G(x), nets.F(y)
        logits = (nets.D_target(fake_y).float(), nets.D_source(fake_x).float())
        # Eq. 1 without its half: the authors' code and its weights of 10 and 5 go with (D - 1)^2.
        fooled = [2 * least_squares.generator(part, part).mean() for part in logits]
        terms = {"adversarial": fooled[0] + fooled[1]}
        terms["cycle"] = cycle_weight * (l1(nets.F(fake_y), x) + l1(nets.G(fake_x), y)).mean()
        if identity:
            terms["identity"] = identity * (l1(nets.G(y), y) + l1(nets.F(x), x)).mean()
        return terms

    return loss


def discriminator_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
    """Return the loss of both discriminators, on fakes old and new."""
    terms = []
    for side, fake in (("target", nets.G(batch["source"])), ("source", nets.F(batch["target"]))):
        old = getattr(nets, f"pool_{side}")(fake, progress.uniform(f"pool {side}", 2))
        logits = together(getattr(nets, f"D_{side}"), batch[side], old, None)
        report_game(progress, *logits, boundary=0.5)
        # Half of (D(y) - 1)^2 + D(G(x))^2, as least_squares has it: the code halves D's loss (section 7.1).
        terms.append(least_squares.discriminator(*(part.float() for part in logits)).mean())
    return {"adversarial": terms[0] + terms[1]}


def apply(
    nets: Nets,
    inputs: Tensor,
    direction: str = "forward",  # source to target; "backward" from target to source
) -> Tensor:
    """Return pictures of the other set, [N, C, H, W]. Raises ValueError for a direction that is none of the two."""
    if direction not in ("forward", "backward"):
        raise ValueError(f"direction is forward (source to target) or backward, not {direction!r}")
    pictures: Tensor = (nets.G if direction == "forward" else nets.F)(inputs).float()
    return pictures
