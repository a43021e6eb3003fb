"""The command line's verbs where a model is one of sounds; as in cli.py, no default lives here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gantlet.errors import UserError

SUFFIXES = (".npz", ".png", ".wav", "")  # of samples


def sample(model: Any, out: Path, given: dict[str, Any]) -> int:
    """Draw samples of sound and write them."""
    import numpy as np

    from gantlet.media.sound_files import write_sounds

    if out.suffix.lower() not in SUFFIXES and not out.is_dir():
        raise UserError(f"--out takes a folder, a .npz, a .wav or a .png of spectrograms, not '{out.name}'.")
    num = given.pop("num")
    waves, labels = [], []
    for batch, y in model.batches(num, **given):
        waves.append(batch.cpu().numpy())
        labels += [] if y is None else [y.cpu().numpy()]
    chosen = np.concatenate(labels) if labels else None
    about = {key: given[key] for key in ("seed", "first") if key in given}
    clipped = write_sounds(out, np.concatenate(waves), model.sample_rate, chosen, classes=model.classes, **about)
    print(f"Wrote {num:,} sounds at {model.sample_rate:,} Hz to {out}")
    if clipped:
        print(f"  {clipped:,} values were beyond full scale and are clipped")
    return 0


def interpolate(model: Any, out: Path, given: dict[str, Any]) -> int:
    """Write walks between samples of sound: a wav with all steps one after the other, and their spectrograms."""
    from gantlet.media.audio import write_sound
    from gantlet.media.image import write_image
    from gantlet.media.sound_files import joined
    from gantlet.media.spectrogram import sheet

    if out.suffix.lower() != ".wav":
        raise UserError(f"--out must end in .wav for a model of sounds, not '{out.name}'; a .png is written beside it.")
    walks = model.interpolate(**given).cpu()
    waves = walks.flatten(0, 1).numpy()
    write_sound(out, joined(waves, model.sample_rate, most=float("inf")), model.sample_rate)
    picture = out.with_suffix(".png")
    write_image(picture, sheet(waves, model.sample_rate, walks.shape[1]))
    print(f"Wrote {walks.shape[0]} walks of {walks.shape[1]} sounds to {out}, and their spectrograms to {picture}")
    return 0
