"""What a run of sounds shows while it trains: spectrograms and a preview of its samples, or of held-out sounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import Excerpts, Mixtures, Sounds
from gantlet.draws import SampleDraws
from gantlet.engine.loop import Training
from gantlet.engine.nets import evaluating
from gantlet.media.audio import write_sound
from gantlet.media.image import write_image
from gantlet.media.sound_files import joined
from gantlet.media.spectrogram import compared, sheet
from gantlet.observing import Observer, live_model
from gantlet.record import Record

SoundData = Sounds | Excerpts | Mixtures
SHOWN, HEARD = 32, 16  # samples on a sheet, and in a preview, at most
ROWS, SECONDS = 4, 2.0  # held-out sounds, and how long each is


def write_sound_reals(out: Path, data: SoundData, seed: int) -> None:
    """Write reals.png and reals.wav: sounds of the data as training hears them."""
    if (out / "reals.png").is_file() and (out / "reals.wav").is_file():
        return
    if isinstance(data, Sounds):
        chosen = np.linspace(0, len(data) - 1, min(SHOWN, len(data))).astype(int)
        if data.labels is not None:  # as many of each class as there are rows on the sheet
            chosen = chosen[np.argsort(data.labels[chosen], kind="stable")]
        write_both(out, "reals", data.batch(chosen)["audio"], data.sample_rate)
        return
    batch = data.feed(seed)(0, ROWS)
    waves = batch["audio"] + batch["noise"] if "noise" in batch else batch["audio"]
    write_both(out, "reals", waves, data.sample_rate)


def write_both(folder: Path, name: str, waves: Tensor, sample_rate: int, columns: int | None = None) -> NDArray[Any]:
    """Write the sheet of spectrograms of sounds [N, C, T] and the preview beside it; return the sheet."""
    values = waves.float().cpu().numpy()
    picture = sheet(values, sample_rate, columns)
    write_image(folder / f"{name}.png", picture)
    write_sound(folder / f"{name}.wav", joined(values[:HEARD], sample_rate), sample_rate)
    return picture


class SoundSamples:
    """Draws the same samples each time: samples/<samples seen>.png with spectrograms, .wav to listen to."""

    def __init__(self, out: Path, record: Record, data: Sounds, observer: Observer) -> None:
        self._out, self._record, self._observer = out, record, observer
        self._rate = data.sample_rate

    def draw(self, training: Training) -> None:
        """Write the samples of this moment; with classes, a column each."""
        classes = min(int(self._record.arguments.get("num_classes") or 0), 12)
        count = max(2, SHOWN // classes) * classes if classes else SHOWN
        labels = [i % classes for i in range(count)] if classes else None
        with evaluating(training.state.nets.averaged):
            waves = live_model(training, self._record).sample(count, seed=0, label=labels)
        now = training.counters
        picture = write_both(self._out / "samples", f"{now.samples:09d}", waves, self._rate, classes or None)
        self._observer.picture("samples", picture, now.samples)


class SoundPreviews:
    """Writes samples/<samples seen>.png, a row per held-out sound: input, output, truth; and a wav.

    A vocoder's input is the truth, seen through its features; an enhancer's is noisy. How near outputs come to the
    truth goes to evaluations.jsonl.
    """

    def __init__(self, out: Path, data: Excerpts | Mixtures, observer: Observer) -> None:
        self._out, self._data, self._observer = out, data, observer

    def length(self, training: Training) -> int:
        """Return the samples of a preview: about two seconds, a multiple of what apply takes, and no less than that."""
        hearing = training.recipe.hearing
        multiple = 1 if hearing is None else hearing.multiple
        return max(int(SECONDS * self._data.sample_rate) // multiple, 1) * multiple

    def draw(self, training: Training) -> None:
        """Write the preview of this moment."""
        recipe = training.recipe
        if recipe.apply is None:
            return
        held = self._data.held_out(ROWS, self.length(training))
        batch = {name: tensor.to(training.device) for name, tensor in held.items()}
        given, nets = self.given(training, batch), training.state.nets.averaged
        inputs = given.pop("inputs")
        with evaluating(nets), torch.inference_mode():
            outputs = recipe.apply(nets, inputs, **given).float()
        truth = batch["audio"]
        common = min(outputs.shape[-1], truth.shape[-1])
        shown = [inputs] if inputs.shape[:2] == truth.shape[:2] and inputs.shape[-1] >= common else []
        columns = [wave[..., :common].float().cpu().numpy() for wave in (*shown, outputs, truth)]
        now, rate = training.counters, self._data.sample_rate
        sheet_of_all = compared(columns, rate)
        write_image(self._out / "samples" / f"{now.samples:09d}.png", sheet_of_all)
        write_sound(self._out / "samples" / f"{now.samples:09d}.wav", self.told(columns), rate)
        self._observer.picture("samples", sheet_of_all, now.samples)
        self.report(training, inputs if shown else None, outputs[..., :common], truth[..., :common])

    def told(self, columns: list[NDArray[Any]]) -> NDArray[np.float32]:
        """Return all rows one after the other, each as input, output, truth."""
        return joined(np.stack([wave for row in zip(*columns, strict=True) for wave in row]), self._data.sample_rate)

    @staticmethod
    def given(training: Training, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what apply is given for held-out sounds."""
        recipe = training.recipe
        if recipe.example is not None:
            return dict(recipe.example(batch, SampleDraws(0, range(ROWS), training.device)))
        inputs = batch["audio"] + batch["noise"] if "noise" in batch else batch["audio"]
        features = recipe.hearing.features if recipe.hearing is not None else None
        return {"inputs": inputs if features is None else features(inputs)}

    def report(self, training: Training, inputs: Tensor | None, outputs: Tensor, truth: Tensor) -> None:
        """Log the SI-SDR of an enhancer in dB, and of its inputs; of a vocoder the mean distance of its features."""
        from gantlet.metrics.speech import si_sdr

        hearing = training.recipe.hearing
        values: dict[str, float] = {}
        if inputs is not None:
            values["si_sdr"] = float(si_sdr(outputs[:, 0], truth[:, 0]).mean())
            before = float(si_sdr(inputs[..., : truth.shape[-1]][:, 0], truth[:, 0]).mean())
            values["si_sdr_improvement"] = values["si_sdr"] - before
        elif hearing is not None and hearing.features is not None:
            values["features_l1"] = float((hearing.features(outputs) - hearing.features(truth)).abs().mean())
        if not values or not all(np.isfinite(value) for value in values.values()):
            return
        protocol = {"count": ROWS, "what": f"held-out sounds of {truth.shape[-1] / self._data.sample_rate:.2g} s, mean"}
        self._observer.measured(training, values, protocol)
        words = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        self._observer.note("evaluation", f"{words} on {ROWS} held-out sounds")
