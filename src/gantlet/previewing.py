"""What a run of pictures into pictures shows: inputs, outputs and truths of held-out crops, and how near they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gantlet.data import Translation
from gantlet.draws import SampleDraws
from gantlet.engine.loop import Training
from gantlet.engine.nets import evaluating
from gantlet.media.image import write_image
from gantlet.observing import Observer

ROWS = 8  # crops in a preview


def write_pairs(out: Path, data: Translation, seed: int) -> None:
    """Write reals.png: crops of the data as training sees them, a row each."""
    if not (out / "reals.png").is_file():
        batch = data.feed(seed)(0, ROWS)
        write_image(out / "reals.png", rows_of([tensor for tensor in batch.values() if tensor.dim() == 4]))


class Previews:
    """Writes samples/<samples seen>.png, a row per held-out crop: input, output, truth if there is one.

    The mean PSNR of the outputs goes to evaluations.jsonl where the truth is known.
    """

    def __init__(self, out: Path, data: Translation, observer: Observer) -> None:
        self._out, self._observer = out, observer
        self._batch, self._aligned = data.held_out(ROWS), data.aligned

    def draw(self, training: Training) -> None:
        """Write the preview of this moment."""
        recipe = training.recipe
        if recipe.apply is None or (recipe.example is None and "source" not in self._batch):
            return
        batch = {name: tensor.to(training.device) for name, tensor in self._batch.items()}
        given = self.example(training, batch)
        inputs = given.pop("inputs")
        nets = training.state.nets.averaged
        with evaluating(nets), torch.inference_mode():
            outputs = recipe.apply(nets, inputs, **given).float()
        truth = batch.get("image", batch["target"] if self._aligned else None)
        sheet = rows_of([inputs, outputs] if truth is None else [inputs, outputs, truth])
        now = training.counters
        write_image(self._out / "samples" / f"{now.samples:09d}.png", sheet)
        self._observer.picture("samples", sheet, now.samples)
        if truth is not None and truth.shape == outputs.shape:
            self.report(training, outputs, truth)

    @staticmethod
    def example(training: Training, batch: Mapping[str, Tensor]) -> dict[str, Any]:
        """Return what apply is given for held-out data."""
        if training.recipe.example is None:
            return {"inputs": batch["source"]}
        draws = SampleDraws(0, range(ROWS), training.device)
        return dict(training.recipe.example(batch, draws))

    def report(self, training: Training, outputs: Tensor, truth: Tensor) -> None:
        """Log the mean PSNR in dB, of values in [-1, 1]."""
        squares = (outputs.clamp(-1, 1) - truth).square().flatten(1).mean(1)
        psnr = float((10 * torch.log10(4 / squares.clamp_min(1e-12))).mean())
        values = {"psnr": psnr}
        protocol = {"count": ROWS, "what": "held-out crops, values in [-1, 1], mean of the PSNR of each"}
        self._observer.measured(training, values, protocol)
        self._observer.note("evaluation", f"psnr {psnr:.2f} dB on {ROWS} held-out crops")


def rows_of(columns: list[Tensor], pad: int = 2) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return a picture [H, W, 3] with a row per sample and a column per tensor [N, C, H, W], of any sizes."""
    height, width = (max(int(column.shape[side]) for column in columns) for side in (2, 3))
    shown = []
    for column in columns:
        colours = column[:, :1].expand(-1, 3, -1, -1) if column.shape[1] != 3 else column
        colours = F.interpolate(colours.float(), size=(height, width), mode="nearest")
        shown.append(F.pad(colours, (0, pad, 0, pad), value=1.0))
    sheet = torch.cat([torch.cat(list(column), 1) for column in shown], 2)
    eight_bits = ((sheet.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return eight_bits.permute(1, 2, 0).cpu().numpy()
