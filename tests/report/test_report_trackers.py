from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gantlet.report.trackers import Tracker, tensorboard_tracker, wandb_tracker

PICTURE = np.zeros((4, 6, 3), np.uint8)


class Raises(importlib.abc.MetaPathFinder):
    """An installed package that breaks when it is imported."""

    def __init__(self, name: str, error: BaseException) -> None:
        self.name, self.error = name, error

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname.split(".")[0] == self.name:
            raise self.error


def forget(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    for module in [module for module in sys.modules if module.split(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)


def use(tracker: Tracker) -> None:
    for samples in (64, 128):
        tracker.scalars({"G/loss": 1.0, "D/loss": float("nan")}, samples)
        tracker.image("samples", PICTURE, samples)
        tracker.image("grey", PICTURE[:, :, :1], samples)
    tracker.close()
    tracker.close()
    tracker.scalars({"G/loss": 1.0}, 192)


def make(kind: str, folder: Path, warnings: list[str]) -> Tracker:
    if kind == "wandb":
        return wandb_tracker(folder, {"seed": 0}, warn=warnings.append)
    return tensorboard_tracker(folder, warn=warnings.append)


class Fake:
    """A wandb module and a TensorBoard writer in one, failing where told."""

    def __init__(self, fail_at: str, error: BaseException) -> None:
        self.fail_at, self.error, self.calls = fail_at, error, list[tuple[str, Any]]()

    def _call(self, name: str, value: Any) -> None:
        self.calls.append((name, value))
        if name == self.fail_at:
            raise self.error

    def init(self, **options: Any) -> Fake:
        self._call("init", options)
        return self

    def log(self, values: dict[str, Any], step: int) -> None:
        self._call("write", (values, step))

    def add_event(self, event: Any) -> None:
        self._call("write", event)

    def finish(self) -> None:
        self._call("close", None)

    close = finish

    def flush(self) -> None:
        """Nothing to do."""


def install(monkeypatch: pytest.MonkeyPatch, kind: str, fake: Fake) -> None:
    def record(**fields: Any) -> SimpleNamespace:
        return SimpleNamespace(**fields)

    def writer(folder: str) -> Fake:
        return fake.init(folder=folder)

    forget(monkeypatch, kind)
    if kind == "wandb":
        module = ModuleType("wandb")
        module.__dict__.update(init=fake.init, Image=lambda image: image, Settings=record)
        monkeypatch.setitem(sys.modules, "wandb", module)
        return
    summary = type("Summary", (SimpleNamespace,), {"Value": staticmethod(record), "Image": staticmethod(record)})
    parts: dict[str, dict[str, Any]] = {
        "tensorboard": {},
        "tensorboard.compat": {},
        "tensorboard.compat.proto": {},
        "tensorboard.compat.proto.event_pb2": {"Event": record},
        "tensorboard.compat.proto.summary_pb2": {"Summary": summary},
        "tensorboard.summary": {},
        "tensorboard.summary.writer": {},
        "tensorboard.summary.writer.event_file_writer": {"EventFileWriter": writer},
    }
    for name, content in parts.items():
        module = ModuleType(name)
        module.__dict__.update(content, __path__=[])
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
@pytest.mark.parametrize(
    "error", [ImportError("no such library"), RuntimeError("registry"), OSError("libGL.so"), SystemExit(1)]
)
def test_an_extra_that_cannot_be_imported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, error: BaseException
) -> None:
    forget(monkeypatch, kind)
    monkeypatch.setattr(sys, "meta_path", [Raises(kind, error), *sys.meta_path])
    warnings: list[str] = []
    use(make(kind, tmp_path, warnings))
    assert len(warnings) == 1
    assert f"'gantlet[{kind}]'" in warnings[0]
    assert "the run goes on without it" in warnings[0]
    assert "\n" not in warnings[0]


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
@pytest.mark.parametrize("fail_at", ["init", "write", "close", "never"])
def test_an_extra_that_fails_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, fail_at: str) -> None:
    fake = Fake(fail_at, OSError("No space left\non device"))
    install(monkeypatch, kind, fake)
    warnings: list[str] = []
    use(make(kind, tmp_path, warnings))
    assert len(warnings) == (fail_at != "never")
    assert all("No space left on device" in text for text in warnings)
    written = [call for call in fake.calls if call[0] == "write"]
    assert len(written) == {"init": 0, "write": 1, "close": 6, "never": 6}[fail_at]
    if kind == "wandb":
        assert fake.calls[0][1]["mode"] == "offline"


def test_a_warning_that_fails_does_not_stop_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(message: str) -> None:
        raise ValueError(message)

    install(monkeypatch, "wandb", Fake("init", RuntimeError("down")))
    use(wandb_tracker(tmp_path, {}, warn=broken))
    assert "RuntimeError: down" in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_real_event_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    warnings: list[str] = []
    use(tensorboard_tracker(tmp_path, warn=warnings.append))
    assert warnings == []
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("G/loss")] == [(64, 1.0), (128, 1.0)]
    assert [(event.width, event.height) for event in events.Images("samples")] == [(6, 4)] * 2
