"""A run that acts on its signs: when, what it goes back to, what it changes, and that a resumed run acts alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import BATCH, Fault, Listener, bits, no_fault, toy, trained
from torch import nn

from gantlet.engine import care, loop
from gantlet.engine.care import Chart, Unhealthy
from gantlet.engine.health import Guard
from gantlet.engine.hooks import SaveByClock
from gantlet.recipe import Nets, Recipe, Treatment


def cared_for(sign: Any, *treatments: Treatment, fault: Fault = no_fault, **player: Any) -> Recipe:
    return replace(toy(fault, right=player), signs=(sign,), treatments={sign.__name__: treatments})


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


class Knob(nn.Module):
    """A helper with two numbers that treatments turn."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("values", torch.zeros(2))


def turned(place: int, back: bool) -> Treatment:
    def change(nets: Nets) -> None:
        nets.knob.values[place] = 1.0

    return Treatment(words=f"Turned {place}.", change=change, back=back)


def test_going_back_undoes_no_earlier_treatment(tmp_path: Path) -> None:
    """The second treatment goes back to a checkpoint from before the first, which changed the run in its place."""
    recipe = replace(cared_for(always, turned(0, back=False), turned(1, back=True)), helpers={"knob": Knob()})
    training = trained(tmp_path, 20, recipe)
    assert training.state.chart.given == [(5, "always"), (11, "always")]
    assert training.state.nets.knob.values.tolist() == [1.0, 1.0]


def test_treatments_given_are_told_in_order() -> None:
    a, b, c = (Treatment(words=word) for word in "abc")
    recipe = replace(toy(), treatments={"one": (a, b), "two": (c,)})
    given = [(1, "one"), (2, "two"), (3, "one"), (4, "one"), (5, "gone")]  # a newer recipe may have fewer
    assert [treatment.words for treatment in care.given_so_far(Chart(given=given), recipe)] == ["a", "c", "b"]


def test_what_diverged_is_rolled_back_and_not_treated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that reads every 32nd norm, as on a GPU, holds a NaN when the sign has lasted."""

    def fault(progress: Any, player: str) -> torch.Tensor | None:
        return torch.tensor(float("nan")) if progress.step == 4 and progress.counters.attempt == 0 else None

    monkeypatch.setattr(loop, "Guard", lambda device: Guard(torch.device("meta")))
    listener = Listener()
    trained(tmp_path, 10, cared_for(always, SLOWER, fault=fault), hooks=(listener,))
    assert [event for event, _ in listener.notes] == ["rollback", "treatment"]


def test_a_treatment_that_cannot_be_saved_is_rolled_back(tmp_path: Path) -> None:
    calls = []

    def poison(network: nn.Module) -> None:
        calls.append(0)
        if len(calls) == 10:  # the last of the fifth step, of two updates each
            with torch.no_grad():
                next(network.parameters()).view(-1)[0] = float("inf")

    listener = Listener()
    stay = Treatment(words="Stayed.", lr=0.5, back=False)
    training = trained(tmp_path, 12, cared_for(always, stay, constrain=poison), hooks=(listener,))
    assert [event for event, _ in listener.notes] == ["rollback", "treatment"]
    assert training.state.lr_scale == 0.5


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
