"""HiFi-GAN: GANs for Efficient and High Fidelity Speech Synthesis (Kong, Kim & Bae, 2020), arXiv:2010.05646."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gantlet.layers.spectral_norm import power_iteration
from gantlet.losses.vocoding import whole_squares
from gantlet.networks import hifigan as networks
from gantlet.networks.waveform_discriminators import PERIODS, MultiPeriodDiscriminator, MultiScaleDiscriminator
from gantlet.recipe import Player, Recipe
from gantlet.recipes.audio.vocoder import VocoderGame, exponential_decay, hearing, mel_spec, window
from gantlet.recipes.optimizers import adamw
from gantlet.recipes.translation.restoration import RESTORATION

DATA = "excerpts"
TINY = dict(
    sample_rate=8000, length=512, n_fft=64, hop=16, mels=12, width=8, mpd_width=2, msd_width=4, batch_size=4
) | dict(periods=[2, 3], scales=2, average_halflife=100)
QUICK: dict[str, dict[str, object]] = {  # first guess, not measured yet; mostly against the mel alone, as vocos
    "hifigan": {
        **dict(width=64, light=True, mpd_width=2, msd_width=8, length=8192, warm_up=20_000),
        **dict(lr=1e-3, decay_samples=50, average_halflife=1000),
    }
}


def hifigan(
    *,
    sample_rate: int = 22_050,  # Hz (section 3.1); filled from the data
    length: int = 8192,  # samples of an excerpt (authors' code)
    n_fft: int | None = None,  # samples of a window; None: 46 ms, as a power of two (1024 at 22.05 kHz, section 3.1)
    hop: int | None = None,  # samples from frame to frame; None: a quarter of n_fft (256, section 3.1)
    mels: int = 80,  # bands of the log-mel (section 3.1)
    low: float = 0.0,  # Hz, lower end of the mel bands (authors' code)
    high: float | None = 8000.0,  # Hz, their upper end, at most half the rate (idem); the loss reaches up to that half
    width: int = 512,  # h_u, maps after the first layer: 512 is V1, 128 V2; with `light` 256 is V3 (Table 5)
    light: bool = False,  # V3's blocks and upsampling
    mpd_width: int = 32,  # maps of the period discriminators' first layer (authors' code)
    periods: Sequence[int] = PERIODS,  # of the period discriminators, in samples (section 2.3)
    scales: int = 3,  # scale discriminators, each on half the rate of the one before (section 2.3)
    msd_width: int = 128,  # maps of the scale discriminators' first layer (authors' code)
    mel_weight: float = 45.0,  # lambda_mel (section 2.4)
    matching_weight: float = 2.0,  # lambda_fm (section 2.4)
    warm_up: int = 0,  # samples of mel distance alone; the paper has none
    lr: float = 2e-4,  # AdamW (section 3.1)
    decay: float = 0.999,  # of the rate, per epoch (section 3.1)
    decay_samples: int = 12_950,  # samples of an epoch: LJ Speech's training part (authors' file list)
    beta1: float = 0.8,  # section 3.1
    beta2: float = 0.99,  # idem
    weight_decay: float = 0.01,  # section 3.1
    batch_size: int = 16,  # authors' code
    average_halflife: int | None = None,  # of G's moving average, in samples; the paper keeps none
) -> Recipe:
    """Transposed convolutions and many kernels; least squares against 5 periods and 3 scales; 45 x mel, 2 x features.

    Mels are Slaney's, their log cut at 1e-5. Factors of the upsampling follow from the hop: 8, 8, 2, 2 for 256.
    """
    spec = mel_spec(sample_rate, window(sample_rate, n_fft, 46), hop, mels, low, high, htk=False, floor=1e-5)
    game = VocoderGame(
        spec=spec,
        loss_spec=mel_spec(sample_rate, spec.n_fft, spec.hop, mels, low, None, htk=False, floor=1e-5),
        loss=whole_squares,
        weights={"MPD": 1.0, "MSD": 1.0},
        mel_weight=mel_weight,
        matching_weight=matching_weight,
        average=False,
        boundary=0.5,
    )
    upsample = networks.upsampling(spec.hop, light)
    G = networks.Generator(mels, width, upsample, light)
    D = {"MPD": MultiPeriodDiscriminator(mpd_width, periods), "MSD": MultiScaleDiscriminator(msd_width, scales)}
    player = partial(
        Player, optimizer=adamw(lr, (beta1, beta2), weight_decay), schedule=exponential_decay(lr, decay, decay_samples)
    )
    return Recipe(
        players={
            "G": player(networks={"G": G}, average_halflife=average_halflife),
            "D": player(networks=D, constrain=power_iteration),
        },
        phases=game.phases(warm_up),
        batch_size=batch_size,
        apply=game.apply,
        example=game.example,
        hearing=hearing(spec, networks.reach(upsample, light)),
        signs=RESTORATION,
    )
