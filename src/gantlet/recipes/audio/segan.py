"""SEGAN: Speech Enhancement Generative Adversarial Network (Pascual, Bonafonte & Serra, 2017), arXiv:1703.09452.

G takes noisy waves to clean ones, D sees a wave beside the noisy one it came from. Numbers are those of the paper and
of the authors' code, but for what the framework sets: there convolutions begin at truncated N(0, .02) and RMSprop is
TensorFlow's (decay .9, epsilon 1e-10), here both are PyTorch's defaults (RMSprop: alpha .99, epsilon 1e-8). z is drawn
while training; `apply` takes its mean, 0, so that one input has one output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.emphasis import de_emphasis, emphasis
from gantlet.layers.reference_batch import ReferenceBatch
from gantlet.losses.adversarial import least_squares
from gantlet.networks.segan import KERNEL, WIDTHS, Discriminator, Generator
from gantlet.recipe import Batch, Hearing, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.audio.enhancement import Mixing, blended, in_rows, report_si_sdr
from gantlet.recipes.image_gan import report_game
from gantlet.recipes.optimizers import rmsprop
from gantlet.recipes.signs import all_knowing_discriminator, dead_discriminator

DATA = "mixtures"
TINY = dict(
    sample_rate=8000, length=2048, widths=[4, 4, 6], kernel=7, stride=4, reference=2, batch_size=4, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet
    "segan": dict(widths=[16, 32, 64, 128, 256], stride=4, reference=8, batch_size=8, lr=4e-4, average_halflife=2_000)
}


def segan(
    *,
    sample_rate: int = 16_000,  # Hz (section 5.1); filled from the data
    length: int = 16_384,  # samples of an excerpt, about 1 s (section 5.2); filled from the data
    snr_low: float = 0.0,  # dB (section 5.1: 15, 10, 5 and 0)
    snr_high: float = 15.0,  # idem
    widths: Sequence[int] = WIDTHS,  # maps of the encoder's layers (section 5.2)
    kernel: int = KERNEL,  # of all of them (section 5.2)
    stride: int = 2,  # idem
    l1_weight: float = 100.0,  # lambda (section 5.2)
    pre_emphasis: float = 0.95,  # section 5.2; 0 for none
    reference: int = 100,  # samples that D's virtual batch norm takes its statistics from: a batch (authors' code)
    lr: float = 2e-4,  # RMSprop, both (section 5.2)
    batch_size: int = 400,  # section 5.2
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """A U-Net of 11 strided convolutions on waves, least squares, 100 times L1; 73 M numbers in G."""
    G, padded = Generator(widths, kernel, stride), whole(length, stride ** len(widths))
    D = Discriminator(padded, reference, widths, kernel, stride)
    game = Game(Mixing(sample_rate, snr_low, snr_high), pre_emphasis, l1_weight, G.multiple, G.latent_dim)
    return Recipe(
        players={
            "G": Player(networks={"G": G}, optimizer=rmsprop(lr), average_halflife=average_halflife),
            "D": Player(networks={"D": D}, optimizer=rmsprop(lr)),
        },
        helpers={"reference": ReferenceBatch(reference, (2, padded))},
        phases=(Phase(player="D", loss=game.discriminator), Phase(player="G", loss=game.generator)),
        batch_size=batch_size,
        apply=game.apply,
        example=game.mix.example,
        # The innermost maps look at 61,000 samples; the paper cuts pieces of 16,384 without looking around them.
        hearing=Hearing(sample_rate=sample_rate, multiple=G.multiple, margin=whole(length // 2, G.multiple)),
        signs=(all_knowing_discriminator, dead_discriminator),
    )


def whole(length: int, multiple: int) -> int:
    """Return the next multiple that is not below `length`."""
    return -(-length // multiple) * multiple


@dataclass(frozen=True)
class Game:
    """The losses of both players, all on emphasised waves."""

    mix: Mixing
    pre_emphasis: float
    l1_weight: float
    multiple: int
    latent_dim: int

    def mixture(self, batch: Batch, progress: Progress) -> tuple[Tensor, Tensor]:
        """Return noisy and clean waves [N, 1, T], emphasised, zeros at the end up to a multiple."""
        noisy, clean = (in_rows(each)[:, None] for each in self.mix(batch, progress))
        return self.padded(emphasis(noisy, self.pre_emphasis)), self.padded(emphasis(clean, self.pre_emphasis))

    def padded(self, wave: Tensor) -> Tensor:
        """Return waves with zeros at the end up to the next multiple."""
        return F.pad(wave, (0, whole(wave.shape[-1], self.multiple) - wave.shape[-1]))

    def fakes(self, nets: Nets, noisy: Tensor, batch: Batch, progress: Progress) -> Tensor:
        """Return what G makes of noisy waves and a drawn z."""
        shape = batch["audio"].shape[1], self.latent_dim, noisy.shape[-1] // self.multiple
        made: Tensor = nets.G(noisy, progress.normal("z", *shape).flatten(0, 1))
        return made.float()

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Least squares on (clean, noisy) against (enhanced, noisy) (Eq. 4)."""
        noisy, clean = self.mixture(batch, progress)
        real, fake = (torch.cat([wave, noisy], 1) for wave in (clean, self.fakes(nets, noisy, batch, progress)))
        nets.reference.keep(real)
        real_logits, fake_logits = nets.D(torch.cat([real, fake]), nets.reference()).chunk(2)
        report_game(progress, real_logits, fake_logits, boundary=0.5)
        return {"adversarial": least_squares.discriminator(real_logits, fake_logits).mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Least squares and lambda times L1 (Eq. 5)."""
        noisy, clean = self.mixture(batch, progress)
        fake = self.fakes(nets, noisy, batch, progress)
        logits = nets.D(torch.cat([fake, noisy], 1), nets.reference())
        report_si_sdr(progress, *(de_emphasis(x[:, 0].detach(), self.pre_emphasis) for x in (fake, noisy, clean)))
        return {
            "adversarial": least_squares.generator(logits, logits).mean(),
            "l1": self.l1_weight * (fake - clean).abs().mean(),
        }

    def apply(self, nets: Nets, inputs: Tensor, strength: float = 1.0) -> Tensor:
        """Return waves [N, C, T] of any length without their noise, each channel for itself; 0 changes nothing."""

        def enhanced(waves: Tensor) -> Tensor:
            noisy = self.padded(emphasis(in_rows(waves).float()[:, None], self.pre_emphasis))
            z = noisy.new_zeros(len(noisy), self.latent_dim, noisy.shape[-1] // self.multiple)
            made = de_emphasis(nets.G(noisy, z).float(), self.pre_emphasis)
            return made[:, 0, : waves.shape[-1]].reshape(waves.shape)

        return blended(enhanced, inputs, strength)
