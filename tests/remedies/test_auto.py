"""`--remedy auto`: what each sign makes it do, that its knobs turn something, and that they survive a resumption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from remedied import build, different, prepare, rows, train

from gantlet.engine import care, loop
from gantlet.recipe import Recipe
from gantlet.recipes import signs
from gantlet.remedies.auto import Knobs, disturbed


def collapse(statistics: Mapping[str, float]) -> str | None:
    """Show the sign at every look, under the name of the real one."""
    return "The samples look alike: mode collapse. Do something."


def collapsing() -> Recipe:
    recipe = build("r1gan", ["auto"])
    assert signs.collapse in recipe.signs
    return replace(recipe, signs=(collapse,))


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care, "EVERY", 1)
    monkeypatch.setattr(care, "PATIENCE", 2)


@pytest.mark.usefixtures("_soon")
def test_a_lasting_collapse_goes_through_its_treatments(tmp_path: Path) -> None:
    events: list[str] = []

    class Notes:
        def after_step(self, training: loop.Training) -> None: ...

        def note(self, event: str, message: str) -> None:
            events.append(message)

    training = prepare(collapsing(), tmp_path, steps=12)
    state = loop.train(training, rows, [Notes()])
    knobs = state.nets.modules["auto"]
    assert isinstance(knobs, Knobs)
    assert (knobs.noise, knobs.augment) == pytest.approx((0.2, 0.2))
    assert state.lr_scale == 0.5**5
    assert [message.partition(". ")[2].partition(".")[0] for message in events][:3] == [
        "Halved all learning rates",
        "Halved all learning rates",
        "Put noise of 0",
    ]
    assert len(events) == 8  # then it is left to the person


@pytest.mark.usefixtures("_soon")
@pytest.mark.parametrize("stop", [1, 3])
def test_a_resumed_run_is_treated_alike(stop: int, tmp_path: Path) -> None:
    whole = train(collapsing(), tmp_path / "whole", 6)
    train(collapsing(), tmp_path / "parts", stop)
    assert different(whole, train(collapsing(), tmp_path / "parts", 6)) == []


def test_every_sign_of_a_picture_game_has_treatments() -> None:
    recipe = build("dcgan", ["auto"])
    names = {sign.__name__ for sign in recipe.signs}
    assert names | {care.GRADIENT} == set(recipe.treatments)
    assert all(not treatment.back for treatment in recipe.treatments["learnt_by_heart"])


def test_knobs_disturb_what_d_sees() -> None:
    knobs, x = Knobs(), torch.rand(64, 1, 8, 8)
    assert torch.equal(disturbed(knobs)(x), x)
    knobs.turn(noise=0.5)
    assert (disturbed(knobs)(x) - x).std() == pytest.approx(0.5, rel=0.05)
    knobs.turn(noise=0.0, augment=0.5)
    changed = (disturbed(knobs)(x) != x).flatten(1).any(1).float().mean()
    assert 0.2 < changed < 0.8
    again = Knobs()
    again.load_state_dict(knobs.state_dict())
    assert (again.noise, again.augment) == (0.0, 0.5)
