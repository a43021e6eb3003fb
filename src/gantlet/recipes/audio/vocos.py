"""Vocos: Closing the Gap Between Time-Domain and Fourier-Based Neural Vocoders (Siuzdak, 2023), arXiv:2306.00814."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from gantlet.layers.griffin_lim import rough_spectrum
from gantlet.layers.mel import MelSpec
from gantlet.layers.stft import framed
from gantlet.losses.vocoding import two_sided_hinge
from gantlet.networks import vocos as networks
from gantlet.networks.waveform_discriminators import (
    PERIODS,
    WINDOWS,
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
)
from gantlet.recipe import Player, Recipe
from gantlet.recipes.audio.vocoder import VocoderGame, hearing, mel_spec, window
from gantlet.recipes.optimizers import adamw, cosine_decay
from gantlet.recipes.pacing import Pacing
from gantlet.recipes.translation.restoration import RESTORATION

DATA = "excerpts"
LEAST = 1e-5  # magnitude that a rough spectrum has everywhere: G multiplies it, and nothing comes of 0
TINY = dict(
    sample_rate=8000, length=512, n_fft=64, hop=16, mels=12, dim=8, inner=16, blocks=1, mpd_width=2, mrd_width=2
) | dict(periods=[2, 3], windows=[128], batch_size=4, average_halflife=100)
# The rough spectrum is measured (docs/lab-log.md, 2026-11-22), sizes and rates are first guesses. A step against the
# mel alone costs a small part of one against D too, so the first part of a run is that.
QUICK: dict[str, dict[str, object]] = {
    "vocos": {
        **dict(
            mels=80, dim=128, inner=384, blocks=4, iterations=8, mpd_width=2, mrd_width=4, length=8192, warm_up=100_000
        ),
        **dict(lr=1e-3, decay_samples=150_000, average_halflife=1000),
    }
}
# The share is a first guess: nothing has been measured with it.
PACING = {"vocos": Pacing(stage="warm_up", share=0.3, end="decay_samples")}


def vocos(
    *,
    sample_rate: int = 24_000,  # Hz; filled from the data
    length: int = 16_384,  # samples of an excerpt (section 4)
    n_fft: int | None = None,  # samples of a window; None: 43 ms, as a power of two (1024 at 24 kHz, section 4)
    hop: int | None = None,  # samples from frame to frame; None: a quarter of n_fft (256, section 4)
    mels: int = 100,  # bands of the log-mel (section 4)
    low: float = 0.0,  # Hz, lower end of the mel bands
    high: float | None = None,  # Hz, their upper end; None: half the sample rate
    dim: int = 512,  # features of a frame (section 4)
    inner: int = 1536,  # features within a ConvNeXt block (section 4)
    blocks: int = 8,  # ConvNeXt blocks (section 4)
    iterations: int | None = None,  # Griffin-Lim's, of a rough spectrum that G begins with (0: magnitudes); None: none
    mpd_width: int = 32,  # maps of the period discriminators' first layer (HiFi-GAN)
    periods: Sequence[int] = PERIODS,  # of the period discriminators, in samples (HiFi-GAN)
    windows: Sequence[int] = WINDOWS,  # of the resolution discriminators, in samples (authors' code)
    mrd_width: int = 32,  # maps of the resolution discriminators (authors' code)
    mel_weight: float = 45.0,  # lambda of the mel distance (section 3.4)
    matching_weight: float = 1.0,  # of feature matching (authors' code)
    mrd_weight: float = 0.1,  # of all that the resolution discriminators say (authors' code)
    warm_up: int = 0,  # samples of mel distance alone (authors' code: 0)
    lr: float = 5e-4,  # AdamW (authors' code)
    decay_samples: int = 16_000_000,  # the rate falls along a cosine to 0 until then (authors' code: 1e6 updates of 16)
    beta1: float = 0.8,  # authors' code
    beta2: float = 0.9,  # idem
    weight_decay: float = 0.01,  # torch's default, which the authors keep
    batch_size: int = 16,  # section 4
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """ConvNeXt blocks at the rate of frames, an inverse STFT; hinge, averaged over sub-discriminators; 45 x mel.

    Mels are HTK's, their log cut at 1e-7. Frames are laid so that F of them stand for F hops exactly. Feature matching
    compares all maps of the period discriminators, as HiFi-GAN does; the authors leave each one's first map out.
    """
    spec = mel_spec(sample_rate, window(sample_rate, n_fft, 43), hop, mels, low, high, htk=True, floor=1e-7)
    game = VocoderGame(
        spec=spec,
        loss_spec=spec,
        loss=two_sided_hinge,
        weights={"MPD": 1.0, "MRD": mrd_weight},
        mel_weight=mel_weight,
        matching_weight=matching_weight,
        average=True,
    )
    begun = None if iterations is None else partial(rough, spec, iterations)
    G = networks.Generator(mels, dim, inner, blocks, spec.n_fft, spec.hop, begun)
    D = {"MPD": MultiPeriodDiscriminator(mpd_width, periods), "MRD": MultiResolutionDiscriminator(mrd_width, windows)}
    optimizer = adamw(lr, (beta1, beta2), weight_decay)
    player = partial(Player, optimizer=optimizer, schedule=cosine_decay(lr, decay_samples, last=0.0))
    return Recipe(
        players={
            "G": player(networks={"G": G}, average_halflife=average_halflife),
            "D": player(networks=D),
        },
        phases=game.phases(warm_up),
        batch_size=batch_size,
        apply=game.apply,
        example=game.example,
        hearing=hearing(spec, networks.reach(blocks, iterations or 0, -(-spec.n_fft // spec.hop))),
        signs=RESTORATION,
    )


def rough(spec: MelSpec, iterations: int, mel: Tensor) -> Tensor:
    """Return the spectrum [N, n_fft / 2 + 1, frames] that Griffin-Lim has of log-mels [N, mels, frames] by then."""
    magnitudes = spec.to_magnitudes(mel[:, None]).clamp_min(LEAST)
    return rough_spectrum(magnitudes, spec.n_fft, spec.hop, iterations, framed(spec.n_fft, spec.hop))[:, 0]
