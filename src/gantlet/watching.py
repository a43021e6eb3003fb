"""What a run of clips shows while it trains: samples as animation and film strip, or what becomes of its clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantlet.data import Clips
from gantlet.data.clips import UNIT
from gantlet.draws import SampleDraws
from gantlet.engine.loop import Training
from gantlet.engine.nets import evaluating
from gantlet.media.strips import write_both
from gantlet.metrics.clips import flicker_error
from gantlet.observing import Observer, live_model
from gantlet.previewing import rows_of
from gantlet.record import Record

SHOWN = 16  # clips that are shown
ROWS = 4  # clips of the training part in a preview


def as_frames(clips: Tensor) -> NDArray[np.uint8]:
    """Return clips [N, C, T, H, W] in [-1, 1] as [N, T, H, W, C] uint8."""
    return UNIT.to_raw(clips.movedim(1, -1))


def write_clip_reals(out: Path, data: Clips) -> None:
    """Write reals.gif and reals.png: clips of the data as training sees them, as many of each class."""
    if (out / "reals.png").is_file() and (out / "reals.gif").is_file():
        return
    chosen = np.linspace(0, len(data) - 1, min(SHOWN, len(data))).astype(int)
    if data.labels is not None:
        order = np.argsort(data.labels, kind="stable")
        chosen = order[chosen]
    write_both(out, "reals", as_frames(data.batch(chosen)["clip"]), data.frame_rate)


class ClipSamples:
    """Draws the same samples each time: samples/<samples seen>.gif, and .png with a film strip each."""

    def __init__(self, out: Path, record: Record, data: Clips, observer: Observer) -> None:
        self._out, self._record, self._observer = out, record, observer
        self._rate = data.frame_rate

    def draw(self, training: Training) -> None:
        """Write the samples of this moment; with classes, rows of each."""
        classes = min(int(self._record.arguments.get("num_classes") or 0), SHOWN)
        count = SHOWN // classes * classes if classes else SHOWN
        labels = sorted(i % classes for i in range(count)) if classes else None
        with evaluating(training.state.nets.averaged):
            clips = live_model(training, self._record).sample(count, seed=0, label=labels)
        now = training.counters
        sheet = write_both(self._out / "samples", f"{now.samples:09d}", as_frames(clips), self._rate)
        self._observer.picture("samples", sheet, now.samples)


class ClipPreviews:
    """Writes samples/<samples seen>.png, a row per clip: inputs, outputs, truth; and a gif.

    PSNR and flicker error of the outputs go to evaluations.jsonl. The clips are of the training part: nothing is
    tuned by them.
    """

    def __init__(self, out: Path, data: Clips, observer: Observer) -> None:
        self._out, self._observer = out, observer
        chosen = np.linspace(0, len(data) - 1, min(ROWS, len(data))).astype(int)
        self._batch, self._rate = data.batch(chosen), data.frame_rate

    def draw(self, training: Training) -> None:
        """Write the preview of this moment."""
        recipe = training.recipe
        if recipe.apply is None or recipe.example is None:
            return
        batch = {name: tensor.to(training.device) for name, tensor in self._batch.items()}
        truth = batch["clip"]
        given: dict[str, Any] = dict(recipe.example(batch, SampleDraws(0, range(len(truth)), training.device)))
        inputs, nets = given.pop("inputs"), training.state.nets.averaged
        with evaluating(nets), torch.inference_mode():
            outputs = recipe.apply(nets, inputs, **given).float()
        if outputs.shape != truth.shape:
            return
        middle = truth.shape[2] // 2
        sheet = rows_of([each[:, :, middle] for each in (inputs, outputs, truth)])
        now, stem = training.counters, f"{training.counters.samples:09d}"
        write_both(self._out / "samples", stem, as_frames(torch.cat([outputs, truth])), self._rate, len(truth))
        self._observer.picture("samples", sheet, now.samples)
        self.report(training, outputs.clamp(-1, 1), truth)

    def report(self, training: Training, outputs: Tensor, truth: Tensor) -> None:
        """Log PSNR in dB and the flicker error, of values in [-1, 1]."""
        squares = (outputs - truth).square().flatten(1).mean(1)
        psnr = float((10 * torch.log10(4 / squares.clamp_min(1e-12))).mean())
        values = {"psnr": psnr, "flicker": float(flicker_error(outputs, truth).mean())}
        what = "clips of the training part, values in [-1, 1], mean of the number of each"
        protocol = {"count": len(truth), "what": what}
        self._observer.measured(training, values, protocol)
        self._observer.note("evaluation", f"psnr {psnr:.2f} dB, flicker {values['flicker']:.4f} on {len(truth)} clips")
