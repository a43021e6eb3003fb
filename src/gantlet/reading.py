"""What a run of text shows while it trains: sentences of its own beside those it learns from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gantlet.data import Lines
from gantlet.engine.loop import Training
from gantlet.engine.nets import evaluating
from gantlet.media.text import write_lines, write_text
from gantlet.observing import Observer, live_model
from gantlet.record import Record
from gantlet.report.status import QuietStatus

SHOWN, PASSAGES = 40, 6  # lines, or passages with lines of their own, in a file


def write_text_reals(out: Path, data: Lines) -> None:
    """Write reals.txt: text of the data as training reads it, evenly taken from all of it."""
    if (out / "reals.txt").is_file():
        return
    most = PASSAGES if data.stream is not None else SHOWN
    chosen = np.linspace(0, len(data) - 1, min(most, len(data))).astype(int)
    write_shown(out / "reals.txt", data.texts(chosen), data.stream is not None)


def write_shown(path: Path, texts: list[str], passages: bool) -> None:
    """Write sentences a line each, or passages with a rule between them."""
    if passages:
        write_text(path, texts)
    else:
        write_lines(path, texts)


class TextSamples:
    """Writes samples/<samples seen>.txt: the same samples, with classes a name before each.

    A recipe that rewrites shows rows of its data, each with what becomes of it in every other class.
    """

    def __init__(self, out: Path, record: Record, data: Lines, observer: Observer) -> None:
        self._out, self._record, self._data = out, record, data
        self._observer = observer

    def draw(self, training: Training) -> None:
        """Write the samples of this moment."""
        with evaluating(training.state.nets.averaged):
            texts = self.written(training) if training.recipe.sample is not None else self.rewritten(training)
        passages = self._data.stream is not None
        path = self._out / "samples" / f"{training.counters.samples:09d}.txt"
        write_shown(path, texts[:PASSAGES] if passages else texts, passages)
        if training.recipe.sample is not None and not isinstance(self._observer.status, QuietStatus):
            first = next((text for text in texts if text), "")
            self._observer.status.note(f"sample: {' / '.join(first.split(chr(10)))[:100] or '(empty)'}")

    def written(self, training: Training) -> list[str]:
        """Return the samples of this moment."""
        model = live_model(training, self._record)
        if not model.conditional:
            return model.lines(SHOWN, seed=0)
        classes = min(len(model.classes), SHOWN)
        labels = [i % classes for i in range(SHOWN // classes * classes)]
        lines = model.lines(len(labels), seed=0, label=labels)
        return [f"{model.classes[y]}: {line}" for y, line in zip(labels, lines)]

    def rewritten(self, training: Training) -> list[str]:
        """Return rows of the data, each with its versions in the other classes below it."""
        model, data = live_model(training, self._record), self._data
        chosen = np.linspace(0, len(data) - 1, 10).astype(int)
        labels = np.zeros(len(chosen), int) if data.labels is None else data.labels[chosen]
        given, out = data.texts(chosen), []
        versions = {name: model.rewrite(given, to=name) for name in data.classes[:4]}
        for row, (text, y) in enumerate(zip(given, labels)):
            out.append(f"{data.classes[y]}: {text}")
            out += [f"  -> {name}: {made[row]}" for name, made in versions.items() if name != data.classes[y]]
        return out
