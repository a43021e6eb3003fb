"""A run that acts on its signs: when, what it goes back to, what it changes, and that a resumed run acts alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engine_toys import BATCH, Listener, bits, toy, trained

from gantlet.engine import care
from gantlet.engine.care import Chart, Unhealthy
from gantlet.engine.hooks import SaveByClock
from gantlet.recipe import Recipe, Treatment


def cared_for(sign: Any, *treatments: Treatment) -> Recipe:
    return replace(toy(), signs=(sign,), treatments={sign.__name__: treatments})


def never(statistics: Mapping[str, float]) -> str | None:
    return None


def always(statistics: Mapping[str, float]) -> str | None:
    return "It is ill (as always). Do something."


SLOWER = Treatment(words="Halved.", lr=0.5)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "EVERY", 2)
    monkeypatch.setattr(care, "PATIENCE", 3)
    monkeypatch.setattr(care, "SAVE_EVERY", 2)


def test_looks_are_at_fixed_steps_and_only_where_something_could_be_done() -> None:
    recipe = cared_for(always, SLOWER)
    assert [step for step in range(1, 8) if care.due(recipe, step)] == [1, 3, 5, 7]
    assert not any(care.due(replace(recipe, treatments={}), step) for step in range(1, 8))


def test_a_sign_must_last_and_be_treatable() -> None:
    recipe, chart = cared_for(always, SLOWER), Chart()
    for step in (1, 3):
        care.look(chart, recipe, step, {}, lambda: None)
    with pytest.raises(Unhealthy, match="as always") as caught:
        care.look(chart, recipe, 5, {}, lambda: None)
    assert caught.value.sign == "always"
    chart = Chart(given=[(5, "always")])  # the only treatment was given: it is left to the person
    for step in range(7, 21, 2):
        care.look(chart, recipe, step, {}, lambda: None)
    assert chart.healthy == 0


def test_healthy_looks_are_remembered_and_saved_now_and_then() -> None:
    recipe, chart, saved = cared_for(never, SLOWER), Chart(), []
    for step in (1, 3, 5, 7):
        care.look(chart, recipe, step, {}, lambda step=step: saved.append(step))  # type: ignore[misc]
        assert (chart.healthy, chart.seen) == (step, {})
    assert saved == [1, 5]
    gradient = care.signs_of(replace(recipe, treatments={care.GRADIENT: (SLOWER,)}), {"G/gradient_norm": 1e9})
    assert list(gradient) == [care.GRADIENT]


def test_treatments_come_one_after_the_other_and_are_written_down(tmp_path: Path) -> None:
    shifted: list[int] = []
    other = Treatment(words="Shifted.", change=lambda nets: shifted.append(1), back=False)
    listener = Listener()
    training = trained(tmp_path, 30, cared_for(always, SLOWER, other), hooks=(listener,))
    assert training.state.lr_scale == 0.5
    assert shifted == [1]
    assert [message for event, message in listener.notes if event == "treatment"] == [
        "Step 5: It is ill (as always). Halved. Went back to step 0.",
        "Step 5: It is ill (as always). Shifted.",
    ]
    assert training.state.chart.given == [(5, "always"), (5, "always")]
    assert training.counters.attempt == 2


def test_it_goes_back_to_the_last_healthy_checkpoint_and_drops_later_ones(tmp_path: Path) -> None:
    calls: list[float] = []

    def from_step_nine(statistics: Mapping[str, float]) -> str | None:
        calls.append(0.0)
        return "It is ill. Do something." if len(calls) in (5, 6, 7) else None  # looks after steps 9, 11, 13

    listener = Listener()
    training = trained(tmp_path, 20, cared_for(from_step_nine, SLOWER), hooks=(SaveByClock(0.0), listener))
    # The look after step 7 was the last healthy one.
    assert [m for e, m in listener.notes if e == "treatment"] == ["Step 13: It is ill. Halved. Went back to step 7."]
    assert listener.steps == [*range(1, 13), *range(8, 21)]
    assert training.counters.samples == 20 * BATCH
    assert training.state.chart.given == [(13, "from_step_nine")]


@pytest.mark.parametrize("stop", [2, 6, 9, 12])
def test_a_resumed_run_decides_as_the_uninterrupted_one(stop: int, tmp_path: Path) -> None:
    def too_small(statistics: Mapping[str, float]) -> str | None:
        return "It is ill. Do something." if statistics["right/score"] < 3 else None

    recipe = lambda: cared_for(too_small, SLOWER, SLOWER, SLOWER)  # noqa: E731
    whole = trained(tmp_path / "whole", 24, recipe())
    trained(tmp_path / "parts", stop, recipe())
    parts = trained(tmp_path / "parts", 24, recipe())
    assert whole.state.chart == parts.state.chart
    assert len(whole.state.chart.given) == 3
    assert bits(whole.state) == bits(parts.state)


def test_a_recipe_without_treatments_is_left_alone(tmp_path: Path) -> None:
    plain = trained(tmp_path / "plain", 8, toy())
    watched = trained(tmp_path / "watched", 8, replace(toy(), signs=(always,)))
    assert bits(plain.state) == bits(watched.state)
    assert watched.state.chart == Chart()
