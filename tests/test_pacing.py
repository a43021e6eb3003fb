"""Quick options that count samples follow the budget of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import gantlet
from gantlet.engine.run import Run
from gantlet.pacing import ENDLESS, paced
from gantlet.recipes import NAMES, catalogue
from gantlet.recipes.pacing import Pacing

TWO = Pacing(stage="warm_up", share=0.25, end="decay_samples")
QUIET: dict[str, Any] = {"quick": True, "quiet": True, "sample_every": 1e9, "evaluate_every": 0, "device": "cpu"}
SMALL: dict[str, Any] = {"depth": 2, "width": 4, "batch_size": 2, "resolution": 16, "adversarial_weight": 0}


def speed(own: Mapping[str, Any], seconds: float) -> float:
    """A machine that takes 1,000 samples a second through the first stage and 100 after it."""
    assert 0 < seconds <= 10
    return 1000 if own.get("warm_up") == ENDLESS else 100


def never(own: Mapping[str, Any], seconds: float) -> float:
    raise AssertionError("nothing is to be measured")


def budget(**given: Any) -> Run:
    return Run(out=Path("run"), **given)


def test_seconds_are_divided_by_the_speed_of_each_stage() -> None:
    assert paced(TWO, {}, budget(seconds=400), 8, speed) == {"warm_up": 100_000, "decay_samples": 130_000}
    assert paced(Pacing(end="decay_samples"), {}, budget(seconds=400), 8, speed) == {"decay_samples": 40_000}
    assert paced(Pacing(stage="warm_up", share=0.5), {}, budget(seconds=400), 8, speed) == {"warm_up": 200_000}


def test_samples_and_steps_are_divided_without_measuring() -> None:
    assert paced(TWO, {}, budget(samples=1000), 8, never) == {"warm_up": 250, "decay_samples": 1000}
    assert paced(TWO, {}, budget(steps=100, samples=900), 8, never) == {"warm_up": 200, "decay_samples": 800}


def test_the_budget_that_ends_the_run_decides() -> None:
    assert paced(TWO, {}, budget(seconds=400, samples=1000), 8, speed)["decay_samples"] == 1000
    assert paced(TWO, {}, budget(seconds=4, samples=10**9), 8, speed)["decay_samples"] == 1300


def test_what_somebody_typed_stays() -> None:
    assert paced(TWO, {"warm_up": 3}, budget(samples=1000), 8, never) == {"decay_samples": 1000}
    assert paced(TWO, {"warm_up": 3, "decay_samples": 4}, budget(seconds=400), 8, never) == {}


@pytest.mark.parametrize(("warm_up", "end"), [(0, 40_000), (200_000, 220_000), (10**9, 400_000)])
def test_a_typed_first_stage_leaves_the_rest_of_the_time(warm_up: int, end: int) -> None:
    assert paced(TWO, {"warm_up": warm_up}, budget(seconds=400), 8, speed) == {"decay_samples": end}


@given(st.integers(1, 10**9), st.floats(0, 1))
def test_paces_are_positive_and_the_first_stage_ends_before_the_run(samples: int, share: float) -> None:
    pace = paced(Pacing(stage="first", share=share, end="last"), {}, budget(samples=samples), 8, never)
    assert 1 <= pace["first"] <= pace["last"] == samples


@pytest.mark.parametrize("name", [name for name in NAMES if catalogue.pacing(name).options])
def test_paced_options_are_options_of_the_recipe(name: str) -> None:
    pacing = catalogue.pacing(name)
    known = {parameter.name: parameter for parameter in catalogue.parameters(catalogue.find(name))}
    for option in pacing.options:
        assert "int" in known[option].annotation
        assert catalogue.quick_settings(name).get(option, known[option].default) is not None
    assert 0 < pacing.share < 1 if pacing.stage else pacing.end


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = tmp_path_factory.mktemp("pictures")
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 255, (24, 24), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{number}.png")
    return pictures


def arguments(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "run.json").read_text())["arguments"])


def test_a_quick_run_is_paced_once(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    gantlet.train("denoise", data=folder, out=out, seconds=0.5, **{**QUIET, "quiet": False}, **SMALL)
    pace = arguments(out)["decay_samples"]
    assert pace != catalogue.quick_settings("denoise")["decay_samples"]
    assert f"--decay-samples {pace:,}" in capsys.readouterr().err
    state = json.loads(max((out / "checkpoints").glob("step-*/state.json"), key=os.path.getmtime).read_text())
    assert 0.2 < pace / state["counters"]["samples"] < 5, "the budget holds about as many samples as were promised"
    gantlet.train("denoise", data=folder, out=out, seconds=0.7, **QUIET, **SMALL)
    assert arguments(out)["decay_samples"] == pace


def test_measuring_changes_no_number_of_the_run(folder: Path, tmp_path: Path) -> None:
    gantlet.train("denoise", data=folder, out=tmp_path / "paced", seconds=9, samples=20, **QUIET, **SMALL)
    gantlet.train("denoise", data=folder, out=tmp_path / "plain", samples=20, **QUIET, **SMALL)
    assert arguments(tmp_path / "paced") == arguments(tmp_path / "plain")
    both = [gantlet.load(tmp_path / name).nets.G.state_dict() for name in ("paced", "plain")]
    assert all(both[0][name].equal(both[1][name]) for name in both[0])


def test_faithful_runs_and_typed_options_are_left_alone(folder: Path, tmp_path: Path) -> None:
    gantlet.train("denoise", data=folder, out=tmp_path / "faithful", samples=4, **{**QUIET, "quick": False}, **SMALL)
    assert arguments(tmp_path / "faithful")["decay_samples"] is None
    gantlet.train("denoise", data=folder, out=tmp_path / "typed", samples=4, decay_samples=77, **QUIET, **SMALL)
    assert arguments(tmp_path / "typed")["decay_samples"] == 77


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_measured(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "note.txt").write_text("mine")
    monkeypatch.setattr("gantlet.pacing.measure", never)
    with pytest.raises(gantlet.UserError, match="not a run"):
        gantlet.train("denoise", data=folder, out=tmp_path, seconds=9, **QUIET, **SMALL)
