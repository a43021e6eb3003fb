"""MetricGAN+: An Improved Version of MetricGAN for Speech Enhancement (Fu et al., 2021), arXiv:2104.03538.

D learns to predict a measure of speech, and G to please D: so G is trained on a measure that has no gradient. The mix
of losses, the compressed spectra and D's layers are those of CMGAN (Cao, Abdulatif & Yang, 2022, arXiv:2203.15149); its
conformer is replaced by a convolutional network that finds a complex mask, small enough for two cores and of a bounded
field, so that a recording of any length is cleaned in pieces without a trace of them.

Which measure D learns is a function, not a name: `speech_enhance` takes SI-SDR, which is what the benchmarks report,
`speech_enhance_stoi` STOI, which weighs what makes words understood. Both are ours, so no compiled `pesq` is needed;
another measure is a recipe of three lines around `enhancement`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.layers.spectral_norm import power_iteration
from gantlet.layers.speech_measures import si_sdr, stoi
from gantlet.layers.stft import istft, stft
from gantlet.networks.mask_network import MaskNetwork
from gantlet.networks.metric_discriminator import MetricDiscriminator
from gantlet.recipe import Batch, Hearing, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.audio.enhancement import Mixing, blended, damaged_speech, in_rows, report_si_sdr
from gantlet.recipes.optimizers import adamw
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.restoration import maybe_decay

DATA = "mixtures"
TINY = dict(
    sample_rate=8000, length=4096, widths=[4, 6], hidden=8, blocks=2, d_width=2, batch_size=4, average_halflife=100
)
QUICK: dict[str, dict[str, object]] = {
    # docs/lab-log.md, 2026-11-21 and 22: a second at 8 kHz, the wave above all, many steps, D only when G is good
    name: dict(
        length=8192, widths=[8, 16, 32], hidden=96, blocks=5, d_width=8, ri_weight=0.5, magnitude_weight=0.5,
        time_weight=5.0, adversarial_start=105_000, lr=2e-3, decay_samples=150_000, batch_size=4, average_halflife=500,
    )
    for name in ("speech_enhance", "speech_enhance_stoi")
}  # fmt: skip
# D halves the speed and adds little to SI-SDR: it comes in for the last third (docs/lab-log.md, 2026-11-22).
PACING = {name: Pacing(stage="adversarial_start", share=0.7, end="decay_samples") for name in QUICK}

HOP = 0.016  # seconds; windows are twice as long (MetricGAN+: 32 and 16 ms; CMGAN's 6.25 ms take 2.5 times the work)

Metric = Callable[[Tensor, Tensor], Tensor]  # (estimate, reference) [N, T] -> quality [N], 0 to 1; NaN where unknown


def speech_enhance(
    *,
    sample_rate: int = 16_000,  # Hz; filled from the data
    length: int = 32_000,  # samples of an excerpt (CMGAN: 2 s); filled from the data
    snr_low: float = -5.0,  # dB: VoiceBank-DEMAND trains on 0 to 15 (Valentini-Botinhao 2016), 5 more at both ends
    snr_high: float = 20.0,  # idem
    clean_share: float = 0.05,  # of the excerpts that get no noise: clean speech is to stay as it is
    widths: Sequence[int] = [16, 32, 48],  # maps of G's convolutions over frequency
    hidden: int = 128,  # maps of its convolutions over time
    blocks: int = 10,  # of these; their dilations are 1, 2, 4, 8, 16 frames, again and again
    d_width: int = 16,  # maps of D's first layer (CMGAN)
    power: float = 0.3,  # of magnitudes in all spectra (CMGAN, section II-A)
    ri_weight: float = 0.1,  # of squared errors of real and imaginary parts (CMGAN's code)
    magnitude_weight: float = 0.9,  # of squared errors of magnitudes (idem)
    time_weight: float = 0.2,  # of absolute errors of the wave (idem)
    adversarial_weight: float = 0.05,  # of D's verdict (idem); 0 for none and no D
    adversarial_start: int = 0,  # samples after which D begins and G heeds it; at once in the papers
    lr: float = 5e-4,  # AdamW, G (CMGAN)
    d_lr: float = 1e-3,  # AdamW, D (CMGAN)
    decay_samples: int | None = None,  # the rate falls along a cosine until then; None for constant
    clip_norm: float = 5.0,  # largest norm of G's gradient (default of SpeechBrain, in which MetricGAN+ was published)
    batch_size: int = 4,  # CMGAN
    average_halflife: int = 2_000,  # of G's moving average, in samples; the papers keep none
) -> Recipe:
    """A complex mask on the spectrum; D learns SI-SDR, from -10 dB (0) to 30 dB (1). `strength` in `apply`."""
    shape = Shape(sample_rate, power, tuple(widths), hidden, blocks, d_width)
    weights = Weights(ri_weight, magnitude_weight, time_weight, adversarial_weight, adversarial_start)
    mix = Mixing(sample_rate, snr_low, snr_high, clean_share)
    pace = Pace(lr, d_lr, decay_samples, clip_norm, batch_size, average_halflife)
    return enhancement(normalised_si_sdr, shape, mix, weights, pace)


def speech_enhance_stoi(
    *,
    sample_rate: int = 16_000,  # Hz; filled from the data
    length: int = 32_000,  # samples of an excerpt (CMGAN: 2 s); filled from the data
    snr_low: float = -5.0,  # dB: VoiceBank-DEMAND trains on 0 to 15 (Valentini-Botinhao 2016), 5 more at both ends
    snr_high: float = 20.0,  # idem
    clean_share: float = 0.05,  # of the excerpts that get no noise: clean speech is to stay as it is
    widths: Sequence[int] = [16, 32, 48],  # maps of G's convolutions over frequency
    hidden: int = 128,  # maps of its convolutions over time
    blocks: int = 10,  # of these; their dilations are 1, 2, 4, 8, 16 frames, again and again
    d_width: int = 16,  # maps of D's first layer (CMGAN)
    power: float = 0.3,  # of magnitudes in all spectra (CMGAN, section II-A)
    ri_weight: float = 0.1,  # of squared errors of real and imaginary parts (CMGAN's code)
    magnitude_weight: float = 0.9,  # of squared errors of magnitudes (idem)
    time_weight: float = 0.2,  # of absolute errors of the wave (idem)
    adversarial_weight: float = 0.05,  # of D's verdict (idem); 0 for none and no D
    adversarial_start: int = 0,  # samples after which D begins and G heeds it; at once in the papers
    lr: float = 5e-4,  # AdamW, G (CMGAN)
    d_lr: float = 1e-3,  # AdamW, D (CMGAN)
    decay_samples: int | None = None,  # the rate falls along a cosine until then; None for constant
    clip_norm: float = 5.0,  # largest norm of G's gradient (default of SpeechBrain, in which MetricGAN+ was published)
    batch_size: int = 4,  # CMGAN
    average_halflife: int = 2_000,  # of G's moving average, in samples; the papers keep none
) -> Recipe:
    """The same with a D that learns STOI; excerpts with less than 0.4 s of speech have none and teach it nothing."""
    shape = Shape(sample_rate, power, tuple(widths), hidden, blocks, d_width)
    weights = Weights(ri_weight, magnitude_weight, time_weight, adversarial_weight, adversarial_start)
    mix = Mixing(sample_rate, snr_low, snr_high, clean_share)
    pace = Pace(lr, d_lr, decay_samples, clip_norm, batch_size, average_halflife)
    return enhancement(lambda estimate, reference: stoi(estimate, reference, sample_rate), shape, mix, weights, pace)


@dataclass(frozen=True)
class Shape:
    """The networks and the spectra between them."""

    sample_rate: int
    power: float
    widths: tuple[int, ...]
    hidden: int
    blocks: int
    d_width: int

    @property
    def hop(self) -> int:
        """Samples between frames."""
        return max(8, round(HOP * self.sample_rate))


@dataclass(frozen=True)
class Weights:
    """Of the parts of G's loss, the last of them from `start` samples on."""

    ri: float
    magnitude: float
    time: float
    adversarial: float
    start: int = 0


@dataclass(frozen=True)
class Pace:
    """How fast it learns."""

    lr: float
    d_lr: float
    decay_samples: int | None
    clip_norm: float
    batch_size: int
    average_halflife: int


def enhancement(metric: Metric, shape: Shape, mix: Mixing, weights: Weights, pace: Pace) -> Recipe:
    """Return the recipe whose D learns `metric`."""
    hop, n_fft = shape.hop, 2 * shape.hop
    G = MaskNetwork(n_fft // 2 + 1, shape.widths, shape.hidden, shape.blocks)
    game = Game(metric, mix, weights, n_fft, hop, shape.power)
    players = {
        "G": Player(
            networks={"G": G}, optimizer=adamw(pace.lr, (0.9, 0.999)), average_halflife=pace.average_halflife,
            schedule=maybe_decay(pace.lr, pace.decay_samples), clip_norm=pace.clip_norm,
        )
    }  # fmt: skip
    phases: tuple[Phase, ...] = (Phase(player="G", loss=game.generator),)
    if weights.adversarial:
        players["D"] = Player(
            networks={"D": MetricDiscriminator(shape.d_width)}, optimizer=adamw(pace.d_lr, (0.9, 0.999)),
            schedule=maybe_decay(pace.d_lr, pace.decay_samples), constrain=power_iteration,
        )  # fmt: skip
        phases = (Phase(player="D", loss=game.discriminator, start=weights.start), *phases)
    return Recipe(
        players=players,
        phases=phases,
        batch_size=pace.batch_size,
        apply=game.apply,
        example=mix.example,
        hearing=Hearing(sample_rate=shape.sample_rate, multiple=hop, margin=(G.reach + 2) * hop),
        signs=(damaged_speech,),
    )


def normalised_si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return SI-SDR as a quality: 0 at -10 dB and below, 1 at 30 dB and above."""
    return ((si_sdr(estimate, reference) + 10) / 40).clamp(0, 1)


def compressed(spectrum: Tensor, power: float, floor: float = 1e-6) -> Tensor:
    """Return |X|^power in the direction of X; `floor` is added to |X|^2, for a gradient that is finite at 0."""
    square = spectrum.real.square() + spectrum.imag.square()
    return spectrum * (square + floor) ** ((power - 1) / 2)


@dataclass(frozen=True)
class Game:
    """The losses of both players."""

    metric: Metric
    mix: Mixing
    weights: Weights
    n_fft: int
    hop: int
    power: float

    def spectrum(self, wave: Tensor) -> Tensor:
        """Return the complex spectrum [N, F, frames] of waves [N, T]."""
        return stft(wave[:, None], self.n_fft, self.hop)[:, 0]

    def estimate(self, nets: Nets, noisy: Tensor) -> Tensor:
        """Return the spectrum that G makes of noisy waves [N, T]: each value times its mask."""
        spectrum = self.spectrum(noisy)
        masked: Tensor = nets.G(compressed(spectrum, self.power, 1e-20)) * spectrum
        return masked

    def wave(self, spectrum: Tensor, length: int) -> Tensor:
        """Return the waves [N, T] of spectra."""
        return istft(spectrum[:, None], self.n_fft, self.hop, length)[:, 0]

    def mixture(self, batch: Batch, progress: Progress) -> tuple[Tensor, Tensor]:
        """Return noisy and clean waves [N, T], both divided by the root mean square of the noisy one (CMGAN's code)."""
        noisy, clean = (in_rows(each).float() for each in self.mix(batch, progress))
        level = noisy.square().mean(-1, keepdim=True).sqrt().clamp_min(1e-5)
        return noisy / level, clean / level

    def discriminator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """D's squared error on clean speech, whose quality is 1, on G's, and on noisy speech as MetricGAN+ has it."""
        noisy, clean = self.mixture(batch, progress)
        with torch.no_grad():
            estimate = self.estimate(nets, noisy)
            made = self.wave(estimate, clean.shape[-1])
            spectra = [self.spectrum(clean), estimate, self.spectrum(noisy)]
            sizes = [self.size(each) for each in spectra]
            quality = torch.cat([torch.ones_like(clean[:, 0]), self.metric(made, clean), self.metric(noisy, clean)])
        predicted = nets.D(sizes[0].repeat(3, 1, 1), torch.cat(sizes))
        known = quality.isfinite()
        error = torch.where(known, predicted - torch.where(known, quality, 0.0), 0.0)
        progress.report("error", error.detach().abs())
        return {"adversarial": 3 * error.square().mean()}

    def generator(self, nets: Nets, batch: Batch, progress: Progress) -> Losses:
        """Errors of compressed spectra, of the wave, and how far D's verdict is from 1."""
        noisy, clean = self.mixture(batch, progress)
        spectrum = self.estimate(nets, noisy)
        wave = self.wave(spectrum, clean.shape[-1])
        report_si_sdr(progress, wave, noisy, clean)
        wanted = self.spectrum(clean)
        error = compressed(spectrum, self.power) - compressed(wanted, self.power)
        size, wanted_size = self.size(spectrum), self.size(wanted)
        terms = {
            "ri": self.weights.ri * (error.real.square() + error.imag.square()).mean(),
            "magnitude": self.weights.magnitude * F.mse_loss(size, wanted_size),
            "time": self.weights.time * (wave - clean).abs().mean(),
        }
        if self.weights.adversarial and progress.samples >= self.weights.start:
            verdict = nets.D(wanted_size, size)
            progress.report("quality", verdict.detach())
            terms["adversarial"] = self.weights.adversarial * (verdict - 1).square().mean()
        return terms

    def size(self, spectrum: Tensor) -> Tensor:
        """Return compressed magnitudes."""
        return (spectrum.real.square() + spectrum.imag.square() + 1e-6) ** (self.power / 2)

    def apply(self, nets: Nets, inputs: Tensor, strength: float = 1.0) -> Tensor:
        """Return waves [N, C, T] of any length without their noise, each channel for itself; 0 changes nothing."""

        def enhanced(waves: Tensor) -> Tensor:
            rows = in_rows(waves).float()
            padded = F.pad(rows, (0, max(0, self.n_fft - rows.shape[-1])))  # windows reflect half a window at the ends
            made = self.wave(self.estimate(nets, padded), padded.shape[-1])
            return made[:, : rows.shape[-1]].reshape(waves.shape)

        return blended(enhanced, inputs, strength)
