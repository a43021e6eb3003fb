"""Mel spectrograms on disk, with the facts of what they are: written, read, and refused where they do not fit."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gantlet.applying.hearer import Hearer
from gantlet.data.arrays import Npz, read_npy
from gantlet.errors import UserError
from gantlet.media.audio import read_sound
from gantlet.media.foreign import MAX_FILE_BYTES, reading, shown
from gantlet.media.image import replace

SUFFIXES = (".npz", ".npy")
TOLERANCE = 1e-6  # relative, of facts that were rounded on the way


def read_mel(path: Path, facts: Mapping[str, float]) -> tuple[Tensor, bool]:
    """Return a mel [M, frames], and whether the file says what it is; a .npy cannot, and is taken for the model's.

    Raises UserError if it is no such array, holds NaN, or differs from the model's in a fact: both are shown.
    """
    name = shown(path)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise UserError(f"{name}: more than {MAX_FILE_BYTES:,} bytes; cut it.")
    with reading(name, "write it with `gantlet features`"):
        stored = Npz(path) if zipfile.is_zipfile(path) else None
        arrays = None if stored is None else {key: stored[key] for key in stored.names}
        mel = read_npy(path) if arrays is None else arrays.get("mel")
    if mel is None:
        raise UserError(f"{name}: has no array 'mel'; write it with `gantlet features`.")
    if arrays is not None:
        check_facts(name, {key: value for key, value in arrays.items() if key != "mel"}, facts)
    mel = mel[0] if mel.ndim == 3 and len(mel) == 1 else mel
    bands = int(facts["mels"])
    if mel.ndim != 2 or mel.shape[0] != bands or not mel.size:
        turned = " It seems to be turned: transpose it." if mel.ndim == 2 and mel.shape[1] == bands else ""
        raise UserError(f"{name}: is {list(mel.shape)}, and the model takes [{bands}, frames].{turned}")
    if mel.dtype.kind not in "fiu" or not np.isfinite(mel).all():
        raise UserError(f"{name}: holds NaN, infinite values or no numbers ({mel.dtype}); replace it or leave it out.")
    return torch.from_numpy(np.array(mel, np.float32)), arrays is not None


def check_facts(name: str, found: Mapping[str, Any], facts: Mapping[str, float]) -> None:
    """Raise UserError, showing both sides, unless a file's facts are those that the model was trained on."""
    wrong, missing = [], []
    for key, wanted in facts.items():
        value = found.get(key)
        if value is None:
            missing.append(key)
        elif np.size(value) != 1 or np.asarray(value).dtype.kind not in "bfiu":
            wrong.append(f"{key} is no number there and {wanted:g} in the model")
        elif abs(float(np.asarray(value).reshape(())) - wanted) > TOLERANCE * max(1e-3, abs(wanted)):
            wrong.append(f"{key} is {float(np.asarray(value).reshape(())):g} there and {wanted:g} in the model")
    if wrong:
        raise UserError(f"{name}: is another kind of mel: {', '.join(wrong)}; make it anew with `gantlet features`.")
    if missing:
        known = ", ".join(f"{key} {facts[key]:g}" for key in missing)
        raise UserError(f"{name}: does not say its {', '.join(missing)} (the model's: {known}); add what it is.")


def features(run: Hearer, source: Path, out: Path) -> int:
    """Write the mel that the model takes of a recording, resampled to the model's rate, with its facts; its frames.

    Several channels become their mean. Raises UserError if the model takes waves, or a file cannot be read or written.
    """
    from gantlet.layers.resample import resample

    hearing = run.hearing
    if hearing.features is None:
        raise UserError(f"Recipe '{run.name}' takes waves as they are; it has no features to write.")
    wave, rate = read_sound(source)
    mono = torch.from_numpy(wave).mean(0)[None, None]
    at_rate = resample(mono, rate, hearing.sample_rate)
    least = int(hearing.facts.get("n_fft", 0))
    padded = torch.nn.functional.pad(at_rate, (0, max(0, least - at_rate.shape[-1])))
    padded = torch.nn.functional.pad(padded, (0, -padded.shape[-1] % hearing.multiple))
    with torch.inference_mode():
        mel = hearing.features(padded)[0].float().numpy()
    arrays = {key: np.array(value) for key, value in hearing.facts.items()}
    replace(out, lambda file: np.savez(file, mel=mel, **arrays))  # type: ignore[arg-type]
    return int(mel.shape[-1])
