"""StyleGAN2: Analyzing and Improving the Image Quality of StyleGAN (Karras et al., 2020), arXiv:1912.04958.

Configuration F. Labels, presets and the rule for gamma are those of StyleGAN2-ADA (arXiv:2006.06676), whose
augmentation is not part of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gantlet.layers.grid import height_width
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.path_length import path_lengths
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.networks.stylegan2 import Discriminator, Generator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import apart, normal, report_diversity, report_game, together
from gantlet.recipes.optimizers import MakeOptimizer, adam
from gantlet.recipes.signs import IMAGE_GAN

TINY = dict(
    channels=1, resolution=8, num_classes=3, latent_dim=8, channel_base=64, channel_max=8, mapping_layers=2,
    d_mapping_layers=2, mapping_lr=1.0, r1_every=2, path_length_every=2, batch_size=8,
)  # fmt: skip
# docs/lab-log.md, 2026-11-21: without a norm in G, what counts is the number of steps; larger batches collapse.
QUICK: dict[str, dict[str, object]] = {
    "stylegan2": dict(
        latent_dim=64, channel_base=512, channel_max=64, mapping_layers=2, d_mapping_layers=1, mapping_lr=1.0,
        label_size=0.1, style_mixing=0.0, path_length_weight=0.0, r1_gamma=1.0, r1_every=8, g_lr=0.0025, d_lr=0.0025,
        batch_size=8,
    )
}  # fmt: skip

# Settings of the authors' code, as keyword arguments: stylegan2(**PRESETS["paper256"], resolution=256).
PRESETS: dict[str, dict[str, Any]] = {
    "stylegan2": dict(batch_size=32, r1_gamma=10.0),
    "paper256": dict(
        batch_size=64, group_size=8, channel_base=16_384, g_lr=0.0025, d_lr=0.0025, r1_gamma=1.0,
        average_halflife=20_000,
    ),
    "paper512": dict(batch_size=64, group_size=8, g_lr=0.0025, d_lr=0.0025, r1_gamma=0.5, average_halflife=20_000),
    "paper1024": dict(batch_size=32, r1_gamma=2.0),
    "cifar": dict(
        batch_size=64, group_size=32, r1_gamma=0.01, average_halflife=500_000, mapping_layers=2, d_residual=False,
        style_mixing=0.0, path_length_weight=0.0,
        g_lr=0.002, d_lr=0.0025,  # the code sets .0025 and, path length or not, takes 4/5 of it for G
    ),
}  # fmt: skip


def automatic(resolution: int, num_gpus: int = 1) -> dict[str, Any]:
    """Return the settings that the authors' code chooses by itself (`--cfg=auto`) for square pictures."""
    batch_size = max(min(num_gpus * min(4096 // resolution, 32), 64), num_gpus)
    lr = 0.002 if resolution >= 1024 else 0.0025
    return dict(
        batch_size=batch_size, group_size=min(batch_size // num_gpus, 4), mapping_layers=2, g_lr=lr, d_lr=lr,
        channel_base=32_768 if resolution >= 512 else 16_384, r1_gamma=heuristic_gamma(resolution, batch_size),
        average_halflife=batch_size * 10_000 // 32,
    )  # fmt: skip


def heuristic_gamma(resolution: int | Sequence[int], batch_size: int) -> float:
    """Return .0002 * pixels / batch, the authors' rule of thumb for gamma of R1."""
    height, width = height_width(resolution)
    return 0.0002 * height * width / batch_size


def lazy_adam(lr: float, betas: tuple[float, float], every: int | None) -> MakeOptimizer:
    """Return Adam for a player whose regularisation is a phase on every k-th step: lr and betas for k + 1 updates in k.

    lr * k / (k + 1) and betas ** (k / (k + 1)) (Karras 2020, appendix B); None for no such phase.
    """
    share = 1.0 if every is None else every / (every + 1)
    return adam(lr * share, (betas[0] ** share, betas[1] ** share))


class RunningMean(nn.Module):
    """An exponential mean over steps, which stands still within a step however many parts its batch comes in."""

    mean: Tensor
    total: Tensor
    count: Tensor
    step: Tensor

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight
        for name in ("mean", "total", "count"):
            self.register_buffer(name, torch.zeros(()))
        self.register_buffer("step", torch.full((), -1, dtype=torch.int64))

    @torch.no_grad()
    def forward(self, values: Tensor, step: int) -> Tensor:
        """Return the mean as it was before this step, after noting `values` [N] for the next."""
        begins = (self.step != step).float()
        latest = self.total / self.count.clamp_min(1)
        self.mean.lerp_(latest, self.weight * begins * (self.count > 0))
        self.total.mul_(1 - begins).add_(values.float().sum())
        self.count.mul_(1 - begins).add_(len(values))
        self.step.fill_(step)
        return self.mean.clone()


def noise(draws: Draws, G: Generator) -> list[Tensor]:
    """Return the standard normal numbers that each convolution of G adds to its maps, [N, 1, rows, columns] each."""
    return [
        draws.normal(f"noise_{number}", 1, rows, columns)
        for number, (rows, columns) in enumerate(G.synthesis.noise_shapes)
    ]


@dataclass(frozen=True)
class Game:
    """The losses of both players."""

    latent_dim: int
    group_size: int
    style_mixing: float
    r1_gamma: float
    path_length_weight: float
    path_length_shrink: int

    def styles(self, G: Generator, draws: Draws, y: Tensor | None) -> Tensor:
        """Return one w per layer, [N, layers, latent_dim]: from a random layer on, some samples take that of another z.

        The authors draw one layer for the whole batch; ours is one per sample, so that parts of a batch add up to it.
        """
        w: Tensor = G.mapping(normal(draws, self.latent_dim), y)
        number = G.synthesis.num_layers
        if self.style_mixing == 0:
            return w[:, None].expand(-1, number, -1)
        other = G.mapping(draws.normal("z_mixed", self.latent_dim), y)
        cut = 1 + (draws.uniform("cut") * (number - 1)).floor()
        cut = torch.where(draws.uniform("mix") < self.style_mixing, cut, number)
        first = torch.arange(number, device=w.device) < cut[:, None]
        return torch.where(first[:, :, None], w[:, None], other[:, None])

    def pictures(self, G: Generator, draws: Draws, y: Tensor | None) -> Tensor:
        """Return fakes [N, C, H, W]."""
        fakes: Tensor = G.synthesis(self.styles(G, draws, y), noise(draws, G))
        return fakes

    def discriminator_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return D's loss; real and fake in one pass where no group of the minibatch deviation would mix them."""
        real, y = batch["image"], batch.get("label")
        judge = apart if len(real) % self.group_size else together
        real_logits, fake_logits = judge(nets.D, real, self.pictures(nets.G, progress, y), y)
        report_game(progress, real_logits, fake_logits)
        return {"adversarial": nonsaturating.discriminator(real_logits, fake_logits).mean()}

    def r1_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return gamma / 2 * |grad D(x)|^2 on reals."""
        y = batch.get("label")
        return {"r1": self.r1_gamma / 2 * gradient_norm_squared(lambda x: nets.D(x, y), batch["image"]).mean()}

    def generator_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return G's loss; the running mean of w follows here, once a step."""
        real, y = batch["image"], batch.get("label")
        w = self.styles(nets.G, progress, y)
        nets.G.follow(w.detach()[:, 0])
        fake = nets.G.synthesis(w, noise(progress, nets.G))
        fake_logits = nets.D(fake, y)
        report_diversity(progress, real, fake)
        return {"adversarial": nonsaturating.generator(fake_logits, fake_logits).mean()}

    def path_length_loss(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Return weight * (|J_w^T y| - a)^2 over every `path_length_shrink`-th sample, a their running mean (Eq. 4).

        The authors add this batch to `a` first, a hundredth of it; here it counts from the next time on.
        """
        thin = slice(None, None, self.path_length_shrink)
        y = batch.get("label")
        w = self.styles(nets.G, progress, y)[thin]
        layers = [layer[thin] for layer in noise(progress, nets.G)]
        direction = progress.normal("direction", *batch["image"].shape[1:])[thin]
        lengths = path_lengths(lambda w: nets.G.synthesis(w, layers), w, direction)
        progress.report("path", lengths.detach())
        mean = nets.path_length(lengths.detach(), progress.step)
        return {"path_length": self.path_length_weight * (lengths - mean).square().mean()}

    def sample(self, nets: Nets, draws: Draws, label: Tensor | None = None, truncation: float = 1.0) -> Tensor:
        """Return pictures; `truncation` below 1 moves w towards its mean: less variety, more of the usual."""
        w = nets.G.truncate(nets.G.mapping(normal(draws, self.latent_dim), label), truncation)
        fakes: Tensor = nets.G.synthesis(w, noise(draws, nets.G))
        return fakes.clamp(-1, 1)


def stylegan2(
    *,
    channels: int = 3,  # of the pictures; filled from the data
    resolution: int | Sequence[int] = 32,  # side, or (height, width); filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    latent_dim: int = 512,  # size of z and of w (appendix B)
    channel_base: int = 32_768,  # feature maps times side, configurations E and F
    channel_max: int = 512,  # most feature maps of a layer
    mapping_layers: int = 8,  # from z to w; StyleGAN2-ADA found 2 to do for most data
    d_mapping_layers: int = 8,  # of the label, in D (authors' code of StyleGAN2-ADA)
    label_size: float = 1.0,  # of the embedded label beside z, relative to z, in G (authors' code)
    mapping_lr: float = 0.01,  # share of the learning rate in both mappings (Karras 2019, appendix C)
    group_size: int = 4,  # samples whose deviation D sees (authors' code)
    d_residual: bool = True,  # skip connections in D (section 4.2)
    style_mixing: float = 0.9,  # share of samples with a second style (Karras 2019, authors' code)
    r1_gamma: float
    | None = None,  # gamma of R1, applied as gamma / 2; None for the rule .0002 * pixels / batch; 10 at 1024 pixels
    r1_every: int = 16,  # steps between R1 penalties, which are so much stronger then (appendix B)
    path_length_weight: float = 2.0,  # of path length regularisation (authors' code); 0 for none
    path_length_every: int = 4,  # steps between path length penalties (authors' code)
    path_length_shrink: int = 2,  # one in so many samples of the batch is measured (idem)
    path_length_decay: float = 0.01,  # weight of a batch in the running mean of lengths (idem)
    g_lr: float = 2e-3,  # Adam (appendix B); G's mapping learns at a hundredth of it
    d_lr: float = 2e-3,  # idem
    beta1: float = 0.0,  # idem
    beta2: float = 0.99,  # idem
    batch_size: int = 32,  # appendix B
    average_halflife: int = 10_000,  # of G's moving average, in samples (authors' code)
) -> Recipe:
    """Styles modulate the kernels of a skip generator, against a residual D; lazy R1 and path length penalties."""
    if r1_gamma is None:
        r1_gamma = heuristic_gamma(resolution, batch_size)
    game = Game(latent_dim, group_size, style_mixing, r1_gamma, path_length_weight, path_length_shrink)
    size = (channels, resolution, channel_base, channel_max)
    G = Generator(latent_dim, *size, mapping_layers, mapping_lr, num_classes, label_size)
    D = Discriminator(*size, group_size, d_residual, num_classes, d_mapping_layers, mapping_lr)
    lazy_g = path_length_every if path_length_weight else None
    phases = [
        Phase(player="D", loss=game.discriminator_loss),
        Phase(player="D", loss=game.r1_loss, every=r1_every),
        Phase(player="G", loss=game.generator_loss),
    ]
    if lazy_g is not None:
        phases.append(Phase(player="G", loss=game.path_length_loss, every=lazy_g))
    g_optimizer, d_optimizer = lazy_adam(g_lr, (beta1, beta2), lazy_g), lazy_adam(d_lr, (beta1, beta2), r1_every)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=g_optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=d_optimizer),
        },
        phases=tuple(phases),
        batch_size=batch_size,
        sample=game.sample,
        helpers={"path_length": RunningMean(path_length_decay)},
        signs=IMAGE_GAN,
    )
