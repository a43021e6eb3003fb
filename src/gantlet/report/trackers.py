"""TensorBoard and W&B beside a run: extras that may fail in any way and never stop it."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

Warn = Callable[[str], None]


class Tracker(Protocol):
    """What a run tells a tracker."""

    def scalars(self, values: Mapping[str, float], samples: int) -> None:
        """Record named numbers after so many samples of data."""
        ...

    def image(self, name: str, array: Any, samples: int) -> None:
        """Record a picture, uint8 [H, W, C]."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def print_warning(message: str) -> None:
    """Print a sentence on standard error."""
    print(message, file=sys.stderr)


def tensorboard_tracker(folder: Path | str, warn: Warn = print_warning) -> Tracker:
    """Return a tracker that writes TensorBoard event files into `folder`."""
    return _Guarded("TensorBoard", "tensorboard", lambda: _TensorBoard(Path(folder)), warn)


def wandb_tracker(folder: Path | str, config: Mapping[str, Any], warn: Warn = print_warning) -> Tracker:
    """Return a tracker that records a W&B run under `folder`, offline: it sends nothing anywhere."""
    return _Guarded("Weights & Biases", "wandb", lambda: _WandB(Path(folder), config), warn)


class _Guarded:
    """A tracker whose first failure is told once; after it there is silence."""

    def __init__(self, title: str, extra: str, build: Callable[[], Tracker], warn: Warn) -> None:
        self._title, self._extra, self._warn = title, extra, warn
        self._inner: Tracker | None = None
        self._attempt("could not start", lambda: setattr(self, "_inner", build()))

    def scalars(self, values: Mapping[str, float], samples: int) -> None:
        inner = self._inner
        if inner is not None and values:
            self._attempt("could not record numbers", lambda: inner.scalars(values, samples))

    def image(self, name: str, array: Any, samples: int) -> None:
        inner = self._inner
        if inner is not None:
            self._attempt("could not record a picture", lambda: inner.image(name, array, samples))

    def close(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            self._attempt("could not finish", inner.close)

    def _attempt(self, trouble: str, action: Callable[[], None]) -> None:
        try:
            action()
        except (Exception, SystemExit) as error:
            self._inner = None
            self._tell(trouble, error)

    def _tell(self, trouble: str, error: BaseException) -> None:
        words = " ".join(str(error).split())
        reason = f"{type(error).__name__}: {words[:200]}" if words else type(error).__name__
        if isinstance(error, ImportError):
            advice = f"To have it, run: pip install 'gantlet[{self._extra}]'"
        elif trouble == "could not start":
            advice = f"To repair it, try: pip install --upgrade 'gantlet[{self._extra}]'"
        else:
            advice = "The numbers are also in log.jsonl"
        message = f"{self._title} {trouble} ({reason}); the run goes on without it. {advice}."
        try:
            self._warn(message)
        except Exception:
            print_warning(message)


class _TensorBoard:
    """Event files by TensorBoard's own writer; neither TensorFlow nor torch is needed for it."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._event, self._summary = Event, Summary
        self._writer = EventFileWriter(str(folder))

    def scalars(self, values: Mapping[str, float], samples: int) -> None:
        self._add([self._summary.Value(tag=name, simple_value=float(value)) for name, value in values.items()], samples)

    def image(self, name: str, array: Any, samples: int) -> None:
        height, width, channels = array.shape
        picture = self._summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=_png(array))
        self._add([self._summary.Value(tag=name, image=picture)], samples)

    def close(self) -> None:
        self._writer.flush()
        self._writer.close()

    def _add(self, values: list[Any], samples: int) -> None:
        summary = self._summary(value=values)
        self._writer.add_event(self._event(wall_time=time.time(), step=samples, summary=summary))


class _WandB:
    """A W&B run; samples of data are its step."""

    def __init__(self, folder: Path, config: Mapping[str, Any]) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)
        self._wandb = wandb
        self._run = wandb.init(
            project="gantlet",
            name=folder.resolve().name,
            dir=str(folder),
            config=dict(config),
            mode="offline",
            settings=wandb.Settings(silent=True, console="off", init_timeout=60, login_timeout=60),
        )

    def scalars(self, values: Mapping[str, float], samples: int) -> None:
        self._run.log(dict(values), step=samples)

    def image(self, name: str, array: Any, samples: int) -> None:
        self._run.log({name: self._wandb.Image(_picture(array))}, step=samples)

    def close(self) -> None:
        self._run.finish()


def _picture(array: Any) -> Any:
    from PIL import Image

    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def _png(array: Any) -> bytes:
    content = io.BytesIO()
    _picture(array).save(content, format="PNG")
    return content.getvalue()
