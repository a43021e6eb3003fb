"""The guard, the factor on the learning rate, and signs of trouble said once and in words."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from gantlet.engine.health import (
    FORGIVEN_AFTER,
    STOP_AFTER,
    Diverged,
    Guard,
    Watch,
    lr_scale_after,
    vanishing_or_exploding,
)
from gantlet.errors import RunFailed

GOOD, BAD = torch.tensor(1.0), torch.tensor(float("nan"))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_on_a_cpu_the_guard_looks_at_once(bad: float) -> None:
    guard = Guard(torch.device("cpu"))
    guard.look("left's gradient", GOOD)
    with pytest.raises(Diverged, match="right's gradient"):
        guard.look("right's gradient", torch.tensor(bad))
    guard.look("right's gradient", GOOD)  # and has forgotten it


def test_elsewhere_it_looks_every_32nd_time_or_when_asked() -> None:
    guard = Guard(torch.device("cuda"))
    guard.look("first", GOOD)
    guard.look("second", BAD)
    guard.look("third", BAD)
    for _ in range(28):
        guard.look("later", GOOD)
    with pytest.raises(Diverged, match="second"):  # the first that was bad
        guard.look("later", GOOD)
    guard.look("again", BAD)
    with pytest.raises(Diverged, match="again"):
        guard.check()
    guard.look("again", BAD)
    guard.forget()
    guard.check()


def test_the_rate_halves_from_the_second_rollback_in_succession_on_and_the_run_stops_after_the_fifth() -> None:
    scale, scales, rollbacks = 1.0, [], []
    for step in (10, 12, 11, 30, 31):
        scale = lr_scale_after(rollbacks, step, scale, "left's gradient")
        rollbacks.append(step)
        scales.append(scale)
    assert scales == [1.0, 0.5, 0.25, 0.125, 0.0625]
    assert len(rollbacks) == STOP_AFTER
    with pytest.raises(
        RunFailed, match=r"diverged 6 times .* left's gradient at step 33.* 0\.0625 of the learning rate"
    ):
        lr_scale_after(rollbacks, 33, scale, "left's gradient")


def test_old_rollbacks_are_forgiven() -> None:
    assert lr_scale_after([10], 10 + FORGIVEN_AFTER, 1.0, "x") == 1.0
    assert lr_scale_after([10], 9 + FORGIVEN_AFTER, 1.0, "x") == 0.5
    assert lr_scale_after([10] * 5, 10 + FORGIVEN_AFTER, 0.25, "x") == 0.25  # what was lowered stays lowered


def test_vanishing_and_exploding_gradients_are_named() -> None:
    found = vanishing_or_exploding({"G/gradient_norm": 1e-9, "D/gradient_norm": 5e4, "D/adversarial": 1e9})
    assert [message.split(" ")[0] for message in found] == ["G's", "D's"]
    assert "vanished" in found[0]
    assert "explodes" in found[1]
    assert vanishing_or_exploding({"G/gradient_norm": 0.5, "D/gradient_norm": 100.0}) == []


def ill(statistics: Mapping[str, float]) -> str | None:
    """Say that x is large, with its value: the text differs from reading to reading."""
    return f"x is {statistics['x']:g}, too large." if statistics["x"] > 1 else None


def test_a_sign_is_said_after_it_has_held_and_once() -> None:
    watch = Watch([ill], patience=3, steps=2)
    said = [watch.look({"x": x}, step) for step, x in enumerate((2, 3, 4, 5, 6))]
    assert said == [[], [], ["x is 4, too large."], [], []]


def test_a_sign_that_comes_and_goes_is_not_said() -> None:
    watch = Watch([ill], patience=3, steps=2)
    assert [watch.look({"x": x}, step) for step, x in enumerate((2, 2, 0, 2, 2, 0, 2, 2))] == [[]] * 8


def test_a_sign_that_comes_back_is_said_again() -> None:
    watch = Watch([ill], patience=2, steps=1)
    said = [bool(watch.look({"x": x}, step)) for step, x in enumerate((2, 2, 2, 0, 2, 2, 2))]
    assert said == [False, True, False, False, False, True, False]


def test_a_sign_must_last_for_steps_however_often_it_is_read() -> None:
    watch = Watch([ill], patience=3, steps=100)
    said = [bool(watch.look({"x": 2}, step)) for step in (1, 17, 33, 49, 100, 101, 120)]
    assert said == [False, False, False, False, False, True, False]


def test_the_watch_sees_gradients_too_and_players_apart() -> None:
    watch = Watch([], patience=2, steps=1)
    statistics = {"G/gradient_norm": 1e-9, "D/gradient_norm": 1e-9}
    assert watch.look(statistics, 0) == []
    assert len(watch.look({**statistics, "D/gradient_norm": 1.0}, 1)) == 1
    assert watch.look(statistics, 2) == []
    assert len(watch.look(statistics, 3)) == 1  # D's, now for the second time in a row
