"""How near speech comes to a clean reference: SI-SDR, STOI, segmental SNR, and PESQ where its library is installed.

Waves are [N, T]; each number is one row's, and NaN where a measure is not defined (a silent reference; for STOI less
than 0.4 s of speech).
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping

import torch
from torch import Tensor

from gantlet.layers import speech_measures
from gantlet.layers.resample import resample

PESQ_RATES = {8_000: "nb", 16_000: "wb"}  # ITU-T P.862 and P.862.2


def si_sdr(estimate: Tensor, reference: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio [N] in dB (Le Roux et al., 2019, Eq. 4), means taken off.

    Infinite for a scaled copy of the reference. Raises ValueError unless both are [N, T].
    """
    _check(estimate, reference)
    return speech_measures.si_sdr(estimate, reference)


def si_sdr_improvement(estimate: Tensor, noisy: Tensor, reference: Tensor) -> Tensor:
    """Return by how many dB [N] the SI-SDR of estimates is above that of the noisy waves they were made of."""
    return si_sdr(estimate, reference) - si_sdr(noisy, reference)


def stoi(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the short-time objective intelligibility [N] (Taal et al., 2011), 1 at best; not the extended one.

    Raises ValueError unless both are [N, T].
    """
    _check(estimate, reference)
    return speech_measures.stoi(estimate, reference, sample_rate)


def segmental_snr(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return the mean over frames of 30 ms of the signal-to-noise ratio [N] in dB, each within -10 to 35.

    Hansen & Pellom, 1998; a Hann window, a step of a quarter of it. Raises ValueError unless both are [N, T].
    """
    _check(estimate, reference)
    return speech_measures.segmental_snr(estimate, reference, sample_rate)


def has_pesq() -> bool:
    """Tell whether the library `pesq` is installed; it is no dependency."""
    return importlib.util.find_spec("pesq") is not None


def pesq(estimate: Tensor, reference: Tensor, sample_rate: int) -> Tensor:
    """Return PESQ [N] by the library `pesq`: wide-band at 16 kHz; narrow-band at 8 kHz for rates below 16 kHz.

    NaN where the library finds no speech. Raises ImportError without the library.
    """
    _check(estimate, reference)
    library = importlib.import_module("pesq")
    rate = 16_000 if sample_rate >= 16_000 else 8_000
    first, second = (resample(x[:, None].float(), sample_rate, rate)[:, 0].cpu().numpy() for x in (reference, estimate))
    scores = []
    for clean, made in zip(first, second, strict=True):
        try:
            scores.append(float(library.pesq(rate, clean, made, PESQ_RATES[rate])))
        except (library.NoUtterancesError, library.BufferTooShortError):
            scores.append(float("nan"))
    return torch.tensor(scores)


def scores(estimate: Tensor, reference: Tensor, sample_rate: int) -> Mapping[str, Tensor]:
    """Return all measures [N] by name; PESQ only where its library is installed."""
    found = {
        "si_sdr": si_sdr(estimate, reference),
        "stoi": stoi(estimate, reference, sample_rate),
        "segmental_snr": segmental_snr(estimate, reference, sample_rate),
    }
    if has_pesq():
        found["pesq"] = pesq(estimate, reference, sample_rate)
    return found


def _check(estimate: Tensor, reference: Tensor) -> None:
    if estimate.ndim != 2 or estimate.shape != reference.shape:
        raise ValueError(f"two tensors [N, T] are compared, not {list(estimate.shape)} and {list(reference.shape)}")
