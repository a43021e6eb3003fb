"""Checkpoints of every format that was ever written can be read, for ever: the numbers in them and what follows.

`fixtures/checkpoint_format_1/` was written once, by `python tests/engine/test_checkpoint_format.py`, and is never
written again: after a change of the format it is the old one that must still load. A new format gets its own folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gantlet.engine import loop
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.run import Run
from gantlet.engine.state import State
from gantlet.engine.storage import FORMAT, verify
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam, sgd

FIXTURES = Path(__file__).with_name("fixtures")
STEP = 3


def counted(shape: torch.Size, start: int) -> Tensor:
    """Return start, start + 1, ... in 64ths: exact in float32, and different everywhere."""
    return (start + torch.arange(shape.numel()).view(shape)) / 64


def recipe() -> Recipe:
    """Return two players: a convolution and a norm under Adam, averaged; a linear layer under SGD with momentum."""
    convolutional = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    linear = nn.Linear(3, 1)

    def first(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"sum": sum(parameter.sum() for parameter in nets.C.parameters())}  # every gradient is 1

    def second(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"sum": 2 * sum(parameter.sum() for parameter in nets.L.parameters())}  # every gradient is 2

    return Recipe(
        players={
            "first": Player(networks={"C": convolutional}, optimizer=adam(0.5, (0.5, 0.75)), average_halflife=64),
            "second": Player(networks={"L": linear}, optimizer=sgd(0.25, 0.5)),
        },
        phases=(Phase(player="first", loss=first), Phase(player="second", loss=second)),
        batch_size=4,
    )


def prepare(out: Path) -> loop.Training:
    return loop.prepare(recipe(), Run(out=out, device="cpu", precision="fp32", steps=STEP), {"made": "by hand"}, print)


def rows(start: int, count: int) -> dict[str, Tensor]:
    return {"x": torch.zeros(count, 1)}


def fill(state: State) -> None:
    """Set every tensor of a trained state to numbers counted up from one that names its place."""
    places = 0
    for tensors in state.tensors().values():
        for key, value in tensors.items():
            if value.is_floating_point() and not key.endswith(".step"):
                value.copy_(counted(value.shape, places))
            places += 100


def write(folder: Path) -> None:
    """Write the fixture: a run of three steps, its tensors then set by hand."""
    training = prepare(folder.parent / "run")
    state = loop.train(training, rows)
    fill(state)
    state.lr_scale, state.rollbacks = 0.5, [1, 2]
    state.counters = loop.advance(state.counters, attempt=2, position=20, seconds=1.5)
    shutil.rmtree(folder, ignore_errors=True)
    Checkpoints(folder, {"made": "by hand"}).save(state)
    shutil.rmtree(folder.parent / "run")


@pytest.fixture(params=range(1, FORMAT + 1))
def restored(request: pytest.FixtureRequest, tmp_path: Path) -> loop.Training:
    """Return a training restored from the fixture of each format."""
    source = FIXTURES / f"checkpoint_format_{request.param}"
    assert verify(source / f"step-{STEP}")["format"] == request.param
    shutil.copytree(source, tmp_path / "checkpoints")
    return prepare(tmp_path)


EXPECTED: dict[str, dict[str, Any]] = {  # file -> key -> first number in 64ths, in the order they were written
    "weights": {
        "C.0.weight": 0, "C.0.bias": 100, "C.1.weight": 200, "C.1.bias": 300, "C.1.running_mean": 400,
        "C.1.running_var": 500, "C.1.num_batches_tracked": None, "L.weight": 700, "L.bias": 800,
    },
    "averages": {
        "C.0.weight": 900, "C.0.bias": 1000, "C.1.weight": 1100, "C.1.bias": 1200, "C.1.running_mean": 1300,
        "C.1.running_var": 1400, "C.1.num_batches_tracked": None,
    },
    "optimizer-first": {
        f"{index}.{key}": None if key == "step" else 1600 + 300 * index + 100 * offset
        for index in range(4) for offset, key in enumerate(("step", "exp_avg", "exp_avg_sq"))
    },
    "optimizer-second": {"0.momentum_buffer": 2800, "1.momentum_buffer": 2900},
}  # fmt: skip


def test_every_number_is_what_was_written(restored: loop.Training) -> None:
    tensors = restored.state.tensors()
    assert {file: set(found) for file, found in tensors.items()} == {file: set(keys) for file, keys in EXPECTED.items()}
    for file, keys in EXPECTED.items():
        for key, start in keys.items():
            if start is not None:
                assert torch.equal(tensors[file][key], counted(tensors[file][key].shape, start)), f"{file}/{key}"
    assert [tensors["optimizer-first"][f"{index}.step"].item() for index in range(4)] == [3.0] * 4
    assert tensors["weights"]["C.1.num_batches_tracked"].item() == 0  # no forward pass was made


def test_every_counter_is_what_was_written(restored: loop.Training) -> None:
    now = restored.counters
    assert (now.step, now.samples, now.position, now.attempt, now.seconds) == (3, 12, 20, 2, 1.5)
    assert (restored.state.lr_scale, restored.state.rollbacks) == (0.5, [1, 2])


def test_the_run_goes_on_from_these_numbers(restored: loop.Training) -> None:
    """One more step, by hand from the numbers above: the formulas of Adam and of momentum, learning rate halved."""
    weights = restored.state.tensors()["weights"]
    before = {key: value.clone() for key, value in weights.items()}
    loop.iterate(restored, rows, loop.Guard(restored.device))
    for index, key in enumerate(("C.0.weight", "C.0.bias", "C.1.weight", "C.1.bias")):
        shape = before[key].shape
        mean = 0.5 * counted(shape, 1700 + 300 * index) + 0.5 * 1.0
        square = 0.75 * counted(shape, 1800 + 300 * index) + 0.25 * 1.0
        step = (mean / (1 - 0.5**4)) / ((square / (1 - 0.75**4)).sqrt() + 1e-8)
        torch.testing.assert_close(weights[key], before[key] - 0.25 * step, rtol=1e-5, atol=1e-5)
    for index, key in enumerate(("L.weight", "L.bias")):
        momentum = 0.5 * counted(before[key].shape, 2800 + 100 * index) + 2.0
        torch.testing.assert_close(weights[key], before[key] - 0.125 * momentum, rtol=1e-5, atol=1e-5)


def test_the_fixture_is_small() -> None:
    for number in range(1, FORMAT + 1):
        files = [path for path in (FIXTURES / f"checkpoint_format_{number}").rglob("*") if path.is_file()]
        assert sum(path.stat().st_size for path in files) < 50_000


def test_what_is_written_today_has_the_same_files_and_keys(tmp_path: Path) -> None:
    """A change of the format must change FORMAT, and leave a fixture behind."""
    write(tmp_path / "checkpoints")
    new, old = tmp_path / "checkpoints" / f"step-{STEP}", FIXTURES / f"checkpoint_format_{FORMAT}" / f"step-{STEP}"
    assert {path.name for path in new.iterdir()} == {path.name for path in old.iterdir()}
    for name in ("weights", "averages", "optimizer-first", "optimizer-second"):
        written, kept = (load_file(folder / f"{name}.safetensors") for folder in (new, old))
        assert written.keys() == kept.keys()
        assert all(torch.equal(written[key], kept[key]) for key in kept)
    assert (new / "state.json").read_text() == (old / "state.json").read_text()


if __name__ == "__main__":
    torch.set_num_threads(1)
    write(FIXTURES / f"checkpoint_format_{FORMAT}")
