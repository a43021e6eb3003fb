"""Numbers that are no numbers: the run goes back, says so, goes on, and gives up only when it must."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_toys import BATCH, Listener, bits, prepare, rows, toy, trained
from torch import Tensor, nn

from gantlet.engine import loop
from gantlet.engine.hooks import SaveByClock
from gantlet.engine.state import NotFinite, to_files
from gantlet.errors import RunFailed
from gantlet.recipe import Recipe

NAN = float("nan")


def once(step: int, factor: float = NAN, player: str = "right", attempts: int = 1) -> Recipe:
    """Return the toy with a loss that is spoilt at one step, in the first `attempts` attempts."""

    def fault(progress: Any, whose: str) -> Tensor | None:
        hit = whose == player and progress.step == step and progress.counters.attempt < attempts
        return torch.tensor(factor) if hit else None

    return toy(fault=fault)


def saved_each_step() -> SaveByClock:
    return SaveByClock(0.0)


@pytest.mark.parametrize("factor", [NAN, float("inf"), float("-inf")])
@pytest.mark.parametrize("player", ["left", "right"])
def test_a_spoilt_step_is_rolled_back_noted_and_the_run_goes_on(factor: float, player: str, tmp_path: Path) -> None:
    listener = Listener()
    training = trained(tmp_path, 6, once(3, factor, player), hooks=(saved_each_step(), listener))
    assert training.counters.step == 6
    assert training.state.rollbacks == [3]
    assert training.counters.attempt == 1
    assert training.state.lr_scale == 1.0
    wanted = f"{player}'s gradient was not finite at step 3: went back to step 3."
    assert listener.notes == [("rollback", wanted)]
    assert all(torch.isfinite(tensor).all() for file in training.state.tensors().values() for tensor in file.values())


def test_it_goes_back_to_the_last_checkpoint(tmp_path: Path) -> None:
    """Nothing was saved but the start: the steps are done again, under new random numbers and past the bad data."""
    listener = Listener()
    training = trained(tmp_path, 5, once(3), hooks=(listener,))
    assert listener.notes == [("rollback", "right's gradient was not finite at step 3: went back to step 0.")]
    assert listener.steps == [1, 2, 3, 1, 2, 3, 4, 5]
    assert training.counters.samples == 5 * BATCH
    # Three steps of two batches, then one batch skipped, then five steps of two batches.
    assert training.counters.position == 3 * 2 * BATCH + BATCH + 5 * 2 * BATCH


def test_a_gradient_that_is_not_finite_under_a_finite_loss(tmp_path: Path) -> None:
    recipe = toy()

    def loss(nets: Any, batch: dict[str, Tensor], progress: Any) -> dict[str, Tensor]:
        out = nets.B(batch["x"])
        hit = progress.step == 2 and progress.counters.attempt == 0
        terms = {"score": out.square().mean()}
        return {**terms, "root": (out * 0).sum().sqrt()} if hit else terms  # sqrt(0): finite, its slope is not

    phases = (recipe.phases[0], type(recipe.phases[0])(player="right", loss=loss))
    recipe = type(recipe)(players=recipe.players, phases=phases, batch_size=BATCH)
    listener = Listener()
    training = trained(tmp_path, 4, recipe, hooks=(saved_each_step(), listener))
    assert [event for event, _ in listener.notes] == ["rollback"]
    assert training.state.rollbacks == [2]


def test_bad_data_is_left_behind(tmp_path: Path) -> None:
    """Rows that hold a NaN: the run passes them, because a rollback goes on with later rows."""
    listener = Listener()

    def spoilt(start: int, count: int) -> dict[str, Tensor]:
        batch = rows(start, count)
        if start <= 17 < start + count:
            batch["x"][17 - start, 0] = NAN
        return batch

    training = prepare(toy(), tmp_path, steps=6)
    loop.train(training, spoilt, [saved_each_step(), listener])
    assert training.counters.step == 6
    assert len(listener.notes) == 1
    assert all(torch.isfinite(tensor).all() for file in training.state.tensors().values() for tensor in file.values())


def test_bad_data_of_a_later_update_is_left_behind_at_once(tmp_path: Path) -> None:
    """Five updates a step, the fourth of which meets the bad rows: the step's own position lies before them."""
    recipe = toy()
    recipe = replace(recipe, phases=(recipe.phases[0], replace(recipe.phases[1], updates=5)))
    listener = Listener()

    def spoilt(start: int, count: int) -> dict[str, Tensor]:
        batch = rows(start, count)
        if start == 3 * BATCH:
            batch["x"][0] = NAN
        return batch

    training = prepare(recipe, tmp_path, steps=3)
    loop.train(training, spoilt, [listener])
    assert len(listener.notes) == 1
    assert training.counters.position == (3 + 1 + 3 * 5) * BATCH


def test_repeated_trouble_halves_the_rate_from_the_second_time_on(tmp_path: Path) -> None:
    listener = Listener()
    training = trained(tmp_path, 5, once(2, attempts=4), hooks=(saved_each_step(), listener))
    assert training.counters.step == 5
    assert training.state.lr_scale == 0.125
    assert training.state.rollbacks == [2, 2, 2, 2]
    ends = [message.partition("step 2")[2].rpartition("step 2")[2] for _, message in listener.notes]
    assert ends == [
        ".",
        " with 0.5 of the learning rate.",
        " with 0.25 of the learning rate.",
        " with 0.125 of the learning rate.",
    ]
    rates = [group["lr"] for optimizer in training.state.optimizers.values() for group in optimizer.param_groups]
    assert rates == pytest.approx([0.01 * 0.125] * 2)


def test_endless_trouble_ends_the_run_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    listener = Listener()
    with pytest.raises(RunFailed, match="diverged 6 times within 1000 steps"):
        trained(tmp_path, 5, once(2, attempts=99), hooks=(saved_each_step(), listener))
    assert len(listener.notes) == 5
    again = prepare(toy(), tmp_path, steps=5)
    assert again.counters.step == 2


def test_a_run_resumed_after_a_rollback_is_the_run_bit_for_bit(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 8, once(3, attempts=2))
    trained(tmp_path / "parts", 5, once(3, attempts=2))
    resumed = trained(tmp_path / "parts", 8, once(3, attempts=2))
    assert bits(whole.state) == bits(resumed.state)
    assert (resumed.state.rollbacks, resumed.state.lr_scale) == ([3, 3], 0.5)
    assert (resumed.counters.attempt, resumed.counters.position) == (2, whole.counters.position)
    without = trained(tmp_path / "without", 8)
    assert bits(without.state) != bits(resumed.state)  # another attempt has other random numbers


class Poison:
    """A constraint that makes a weight infinite at its n-th call, where no gradient shows it."""

    def __init__(self, call: int) -> None:
        self.calls, self.call = 0, call

    def __call__(self, network: nn.Module) -> None:
        self.calls += 1
        if self.calls == self.call:
            with torch.no_grad():
                next(network.parameters()).view(-1)[0] = float("inf")


def test_a_weight_that_is_not_finite_at_the_end_is_rolled_back_too(tmp_path: Path) -> None:
    listener = Listener()
    training = trained(tmp_path, 3, toy(right={"constrain": Poison(6)}), hooks=(listener,))  # two updates a step
    assert [event for event, _ in listener.notes] == ["rollback"]
    assert "weights/B.weight was not finite at step 3" in listener.notes[0][1]
    assert training.counters.step == 3
    assert prepare(toy(), tmp_path).counters.step == 3


def test_such_a_state_is_found_when_the_clock_saves(tmp_path: Path) -> None:
    listener = Listener()
    training = trained(tmp_path, 4, toy(right={"constrain": Poison(4)}), hooks=(saved_each_step(), listener))
    assert listener.notes == [("rollback", "weights/B.weight was not finite at step 2: went back to step 1.")]
    assert training.counters.step == 4
    assert training.state.rollbacks == [2]
    assert listener.steps == [1, 2, 3, 4]


def test_initial_weights_that_are_not_finite_are_the_recipes_fault(tmp_path: Path) -> None:
    recipe = toy()
    nn.init.constant_(recipe.players["left"].networks["A"][0].bias, NAN)
    with pytest.raises(RunFailed, match=r"weights/A\.0\.bias is not finite before the first step"):
        trained(tmp_path, 3, recipe)
    assert not list(tmp_path.rglob("step-*"))


@pytest.mark.parametrize("where", ["weight", "buffer", "average", "optimizer"])
def test_no_part_of_a_state_may_be_saved_with_nan(where: str, tmp_path: Path) -> None:
    state = trained(tmp_path, 2).state
    places: dict[str, Callable[[], Tensor]] = {
        "weight": lambda: state.nets.B.weight,
        "buffer": lambda: state.nets.A[1].running_mean,
        "average": lambda: state.nets.averaged.A[0].weight,
        "optimizer": lambda: next(iter(state.optimizers["left"].state.values()))["exp_avg"],
    }
    to_files(state)
    with torch.no_grad():
        places[where]().view(-1)[0] = NAN
    with pytest.raises(NotFinite):
        to_files(state)


def test_a_damaged_newest_checkpoint_does_not_stop_a_rollback(tmp_path: Path) -> None:
    """Bit rot and a NaN on the same day: back to the checkpoint before."""

    class Rot:
        def after_step(self, training: loop.Training) -> None:
            if training.counters.step == 3 and training.counters.attempt == 0:
                path = training.checkpoints.path(3) / "weights.safetensors"
                path.write_bytes(path.read_bytes()[:-1])

        def note(self, event: str, message: str) -> None:
            """Nothing to tell."""

    listener = Listener()
    training = trained(tmp_path, 5, once(3), hooks=(saved_each_step(), Rot(), listener))
    assert listener.notes == [("rollback", "right's gradient was not finite at step 3: went back to step 2.")]
    assert training.counters.step == 5
