"""MoCoGAN: Decomposing Motion and Content for Video Generation (Tulyakov et al., 2018), arXiv:1707.04993.

A code for the content of a clip, a path of codes for its motion. `mocogan` plays the game as pictures are played today
(no norm in D, R1, a moving average, labels as a projection), if wished with the discriminator of StyleGAN-V, a few
frames and the time between them (Skorokhodov et al., 2022, arXiv:2112.14683). `mocogan_2018` is the paper's form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from gantlet.layers.clips import pick
from gantlet.losses.adversarial import nonsaturating
from gantlet.losses.likelihood import class_loss
from gantlet.losses.penalties import gradient_norm_squared
from gantlet.networks import mocogan_2018 as published
from gantlet.networks.mocogan import Discriminator, Generator, SparseDiscriminator
from gantlet.recipe import Batch, Draws, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.image_gan import mean, report_diversity, report_game
from gantlet.recipes.optimizers import adam, inverse_decay
from gantlet.recipes.signs import IMAGE_GAN
from gantlet.recipes.video.video_gan import check_seen, path_noise, path_sampler, per_clip, times

DATA = "clips"
TINY = dict(
    channels=1,
    resolution=8,
    num_frames=4,
    num_classes=2,
    content_dim=6,
    noise_dim=4,
    motion_dim=8,
    width=8,
    batch_size=8,
) | dict(g_width=8, d_width=8, hidden=16, r1_every=2, image_frames=2, average_halflife=100)
QUICK: dict[str, dict[str, object]] = {
    "mocogan": dict(  # docs/lab-log.md, 2026-11-22
        content_dim=16, noise_dim=8, g_width=16, d_width=16, hidden=256, sparse_frames=3, r1_gamma=1.0, r1_every=8,
        lr=1e-3, lr_halving=100_000, step_noise=0.1, batch_size=16,
    ),
    # first guess, not measured yet
    "mocogan_2018": dict(content_dim=16, motion_dim=8, width=16, batch_size=16, image_frames=2),
}  # fmt: skip
TERMS = ("adversarial", "frames")  # of the judge of clips, and of the judge of frames


def mocogan(
    *,
    channels: int = 3,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width); filled from the data
    num_frames: int = 16,  # of a clip while training; filled from the data. Sampling takes any number
    frame_rate: float = 25.0,  # frames a second, for the record; filled from the data
    num_classes: int = 0,  # filled from the data; 0 for the unconditional form
    content_dim: int = 50,  # size of the content code (section 4)
    noise_dim: int = 10,  # numbers that move the path at each frame (section 4)
    motion_dim: int = 64,  # size of the GRU's state, which is the motion code; 10 in the paper
    step_noise: float = 1.0,  # scale of that noise after the first frame; 0: how a path begins decides it all
    g_width: int = 64,  # feature maps before G's last layer
    d_width: int = 64,  # feature maps of D's first layers
    hidden: int = 1024,  # units of the fully connected layer in each network (Chen 2016, Table 1)
    image_frames: int = 2,  # frames of each clip that the judge of frames sees; the paper has 1
    sparse_frames: int = 0,  # 3: the one judge sees so many frames and the time between (StyleGAN-V); G draws no others
    r1_gamma: float = 10.0,  # applied as gamma / 2 (Mescheder 2018)
    r1_every: int = 16,  # steps between penalties, which are so much stronger then (Karras 2020)
    lr: float = 2e-4,  # Adam (section 4)
    lr_halving: int | None = None,  # samples after which lr has halved, as lr / (1 + samples / this); None for constant
    beta1: float = 0.0,  # Mescheder 2018
    beta2: float = 0.99,  # idem
    batch_size: int = 32,  # clips
    average_halflife: int = 10_000,  # of G's moving average, in samples
) -> Recipe:
    """The non-saturating game with a lazy R1 penalty; sampling takes `num_frames` and `fix`, content or motion.

    All samples of a call share what is fixed. Frames come without end, so a run gives clips of any length.
    """
    seen = sparse_frames or image_frames
    check_seen(num_frames, seen)
    game = Game(content_dim, noise_dim, num_frames, step_noise, seen, bool(sparse_frames), r1_gamma)
    D: nn.Module
    if sparse_frames:
        D = SparseDiscriminator(channels, resolution, num_frames, sparse_frames, d_width, num_classes, hidden)
    else:
        D = Discriminator(channels, resolution, num_frames, d_width, num_classes, hidden)
    G = Generator(content_dim, noise_dim, motion_dim, channels, resolution, g_width, num_classes, hidden)
    optimizer, schedule = adam(lr, (beta1, beta2)), inverse_decay(lr, lr_halving)
    sample, frames = path_sampler(content_dim, noise_dim, num_frames, step_noise)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, schedule=schedule, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer, schedule=schedule),
        },
        phases=(
            Phase(player="D", loss=game.discriminator),
            Phase(player="G", loss=game.generator),
            Phase(player="D", loss=game.r1, every=r1_every),
        ),
        batch_size=batch_size,
        sample=sample,
        frames=frames,
        signs=IMAGE_GAN,
        heeds=("weight", "fake_label"),
    )


@dataclass(frozen=True)
class Game:
    """The losses of today's form: every phase draws its own codes, and the times at which D looks."""

    content_dim: int
    noise_dim: int
    num_frames: int
    step_noise: float
    seen: int  # frames
    sparse: bool  # D sees these frames alone
    r1_gamma: float

    def times(self, draws: Draws) -> Tensor:
        """Return the times [N, seen] of each clip at which D looks."""
        return times(draws, self.num_frames, self.seen)

    def fake(self, nets: Nets, draws: Draws, y: Tensor | None, at: Tensor) -> Tensor:
        """Return new clips, of the frames at these times alone if D sees no others."""
        noise = path_noise(draws, self.noise_dim, 0, 1 + self.num_frames, self.step_noise)
        clips: Tensor = nets.G(draws.normal("content", self.content_dim), noise, y, at if self.sparse else None)
        return clips

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Real clips are handed over whole: remedies ask D about whole clips too."""
        y, at = batch.get("label"), self.times(progress)
        real_logits, fake_logits = nets.D(batch["clip"], y, at), nets.D(self.fake(nets, progress, y, at), y, at)
        report_game(progress, real_logits, fake_logits)
        losses = per_clip(nonsaturating.discriminator(real_logits, fake_logits))
        return {"adversarial": mean(losses, batch.get("weight"))}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Clips that D takes for real."""
        real, at = batch["clip"], self.times(progress)
        y = batch.get("fake_label", batch.get("label"))
        fake = self.fake(nets, progress, y, at)
        fake_logits = nets.D(fake, y, at)
        report_diversity(progress, pick(real, at) if self.sparse else real, fake)
        return {"adversarial": mean(per_clip(nonsaturating.generator(fake_logits, fake_logits)), batch.get("weight"))}

    def r1(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """gamma / 2 |grad D|^2 on real clips, of the sum of its logits; on the frames it sees, if it sees no others."""
        real, y, at = batch["clip"], batch.get("label"), self.times(progress)
        judged = pick(real, at) if self.sparse else real
        return {"r1": self.r1_gamma / 2 * gradient_norm_squared(lambda x: nets.D(x, y, at), judged).mean()}


def mocogan_2018(
    *,
    channels: int = 3,  # of the clips; filled from the data
    resolution: int | Sequence[int] = 64,  # side, or (height, width) (section 4); filled from the data
    num_frames: int = 16,  # of a clip while training (section 4); filled from the data. Sampling takes any number
    frame_rate: float = 25.0,  # frames a second, for the record; filled from the data
    num_classes: int = 0,  # categories (section 3.3); filled from the data; 0 for none
    content_dim: int = 50,  # size of the content code (section 4)
    motion_dim: int = 10,  # size of the motion code, and of the noise that moves it (section 4)
    width: int = 64,  # feature maps before G's last layer and of the first of both discriminators (Table 1)
    sigma: float = 0.0,  # of noise before each layer of both discriminators, an option of the authors' code
    image_frames: int = 3,  # frames of each clip for the judge of frames; authors' code: 10 frames beside 3 clips
    lr: float = 2e-4,  # Adam of all networks (section 4)
    beta1: float = 0.5,  # idem
    beta2: float = 0.999,  # idem
    weight_decay: float = 1e-5,  # authors' code
    batch_size: int = 3,  # clips (authors' code)
    average_halflife: int = 10_000,  # of G's moving average, in samples (Karras 2018); the paper keeps none
) -> Recipe:
    """The paper's game: cross-entropy on patches of clips and of frames, batch norm, the category read off by D.

    Sampling takes `num_frames` and `fix` as mocogan does. Frames come from the clips of the batch, not from others.
    """

    check_seen(num_frames, image_frames)
    game = Published(content_dim, motion_dim, num_frames, image_frames)
    optimizer = adam(lr, (beta1, beta2), weight_decay)
    G = published.Generator(content_dim, motion_dim, channels, resolution, width, num_classes)
    D = published.Discriminator(channels, resolution, num_frames, width, num_classes, sigma)
    sample, frames = path_sampler(content_dim, motion_dim, num_frames, 1.0)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=optimizer, average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=optimizer),
        },
        phases=(Phase(player="D", loss=game.discriminator), Phase(player="G", loss=game.generator)),
        batch_size=batch_size,
        sample=sample,
        frames=frames,
        signs=IMAGE_GAN,
        heeds=("fake_label",),
    )


@dataclass(frozen=True)
class Published:
    """The losses of the paper (Eq. 4 and 5): cross-entropy on the patches of both judges, and of the category."""

    content_dim: int
    motion_dim: int
    num_frames: int
    image_frames: int

    def fake(self, nets: Nets, progress: Progress, y: Tensor | None) -> Tensor:
        """Return new clips."""
        noise = path_noise(progress, self.motion_dim, 0, 1 + self.num_frames)
        clips: Tensor = nets.G(progress.normal("content", self.content_dim), noise, y)
        return clips

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """A pass for real clips and one for fakes: batch norm would mix them. D learns categories from real ones."""
        real, y, at = batch["clip"], batch.get("label"), times(progress, self.num_frames, self.image_frames)
        *real_logits, categories = nets.D(real, at)
        *fake_logits, _ = nets.D(self.fake(nets, progress, y), at)
        report_game(progress, real_logits[0], fake_logits[0])
        pairs = zip(real_logits, fake_logits, strict=True)
        terms = dict(zip(TERMS, (nonsaturating.discriminator(*pair).mean() for pair in pairs), strict=True))
        return terms if y is None else {**terms, "class": class_loss(categories, y).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Clips and frames that both take for real, of a category that can be read off."""
        y, at = batch.get("fake_label", batch.get("label")), times(progress, self.num_frames, self.image_frames)
        fake = self.fake(nets, progress, y)
        *fake_logits, categories = nets.D(fake, at)
        report_diversity(progress, batch["clip"], fake)
        terms = dict(zip(TERMS, (nonsaturating.generator(each, each).mean() for each in fake_logits), strict=True))
        return terms if y is None else {**terms, "class": class_loss(categories, y).mean()}
