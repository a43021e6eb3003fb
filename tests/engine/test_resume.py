"""A run that was stopped and started again, watched or not, is the same run, bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_toys import BATCH, Listener, bits, line, prepare, rows, silent, toy, trained
from torch import nn

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Watch
from gantlet.engine.hooks import SaveByClock, Tick
from gantlet.engine.state import create
from gantlet.errors import RunFailed
from gantlet.recipe import Phase, Recipe
from gantlet.recipes.optimizers import adam, rmsprop, sgd


@pytest.mark.parametrize("stop", range(1, 7))
def test_stop_after_any_step(stop: int, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 7)
    trained(tmp_path / "parts", stop)
    parts = trained(tmp_path / "parts", 7)
    assert bits(whole.state) == bits(parts.state)
    assert replace(whole.counters, seconds=0.0) == replace(parts.counters, seconds=0.0)


def test_stop_after_every_step(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 6)
    for step in range(1, 7):
        parts = trained(tmp_path / "parts", step)
    assert bits(whole.state) == bits(parts.state)


def test_weights_come_from_the_checkpoint_and_not_from_the_recipe(tmp_path: Path) -> None:
    trained(tmp_path, 3)
    recipe = toy()
    for network in (recipe.players["left"].networks["A"], recipe.players["right"].networks["B"]):
        for parameter in network.parameters():
            nn.init.constant_(parameter, 9.0)
    again = prepare(recipe, tmp_path, steps=3)
    assert again.counters.step == 3
    assert not any(bool((p == 9).any()) for p in again.state.nets.A.parameters())


def lazy_and_staged() -> Recipe:
    """Return the toy with a lazy phase, one that starts late and one that stops early."""
    recipe = toy()
    left, right = recipe.phases
    phases = (replace(left, stop=4 * BATCH), replace(left, every=3, start=2 * BATCH), replace(right, start=BATCH))
    return replace(recipe, phases=phases)


@pytest.mark.parametrize("stop", [1, 2, 3, 4, 5])
def test_boundaries_of_lazy_and_staged_phases(stop: int, tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 7, lazy_and_staged())
    trained(tmp_path / "parts", stop, lazy_and_staged())
    assert bits(whole.state) == bits(trained(tmp_path / "parts", 7, lazy_and_staged()).state)


def convolutional(make: object) -> Recipe:
    """Return a player with a convolution, whose weight lies channels-last in memory."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ConvTranspose2d(4, 2, 4, 2))
    player = replace(line().players["only"], networks={"N": network}, optimizer=make, average_halflife=20)

    def loss(nets: object, batch: dict[str, torch.Tensor], progress: object) -> dict[str, torch.Tensor]:
        pictures = batch["x"][:, :, None, None] * torch.linspace(-1, 1, 25).view(5, 5)
        return {"one": nets.N(pictures).square().mean()}  # type: ignore[attr-defined]

    return Recipe(players={"one": player}, phases=(Phase(player="one", loss=loss),), batch_size=BATCH)


OPTIMIZERS = {"adam": adam(0.01, (0.5, 0.9)), "rmsprop": rmsprop(0.01), "sgd": sgd(0.01, 0.9)}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_moments_of_channels_last_weights_are_restored_in_their_layout(name: str, tmp_path: Path) -> None:
    """A fused optimizer walks the memory of weight and moments side by side: another layout pairs them wrongly."""
    make = OPTIMIZERS[name]
    whole = trained(tmp_path / "whole", 5, convolutional(make))
    trained(tmp_path / "parts", 2, convolutional(make))
    restored = prepare(convolutional(make), tmp_path / "parts", steps=5)
    for optimizer in restored.state.optimizers.values():
        for parameter, entry in optimizer.state.items():
            for key, value in entry.items():
                if key != "step" and value.shape == parameter.shape:
                    assert value.stride() == parameter.stride(), key
    assert restored.state.nets.N[0].weight.is_contiguous(memory_format=torch.channels_last)
    loop.train(restored, rows)
    assert bits(whole.state) == bits(restored.state)


def tied() -> Recipe:
    """Return a player whose two layers are one weight, which safetensors would refuse to save."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    network[2].weight = network[0].weight
    player = replace(line().players["only"], networks={"N": network}, optimizer=adam(0.01, (0.5, 0.9)))

    def loss(nets: object, batch: dict[str, torch.Tensor], progress: object) -> dict[str, torch.Tensor]:
        return {"one": nets.N(batch["x"]).square().mean()}  # type: ignore[attr-defined]

    player = replace(player, average_halflife=20)
    return Recipe(players={"one": player}, phases=(Phase(player="one", loss=loss),), batch_size=BATCH)


def test_tied_weights_are_saved_and_stay_tied(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole", 4, tied())
    trained(tmp_path / "parts", 2, tied())
    resumed = trained(tmp_path / "parts", 4, tied())
    assert bits(whole.state) == bits(resumed.state)
    for network in (resumed.state.nets.N, resumed.state.nets.averaged.N):
        assert network[0].weight is network[2].weight


class Nosy:
    """A hook that reads, samples, and uses up the global generator, as evaluations do."""

    def after_step(self, training: loop.Training) -> None:
        torch.rand(training.counters.step)
        training.collector.read()
        with torch.no_grad(), nets.evaluating(training.state.nets.averaged):
            assert training.recipe.sample is not None
            training.recipe.sample(training.state.nets.averaged, SampleDraws(0, range(5)))
        torch.manual_seed(99)

    def note(self, event: str, message: str) -> None:
        """Nothing to tell."""


def test_looking_on_changes_nothing(tmp_path: Path) -> None:
    alone = trained(tmp_path / "alone", 6)
    tick = Tick(lambda training, statistics: None, Watch([]), lambda event, message: None, seconds=0.0)
    watched = trained(tmp_path / "watched", 6, hooks=(Nosy(), tick, SaveByClock(0.0), Listener()))
    assert bits(alone.state) == bits(watched.state)


def test_sampling_leaves_the_networks_as_they_train(tmp_path: Path) -> None:
    training = trained(tmp_path, 1)
    live, averaged = training.state.nets.modules, training.state.nets.averaged
    with nets.evaluating(averaged):
        assert not averaged.A.training
        assert not averaged.B.training  # it has no average: the live one, for a moment
        assert live["A"].training
    assert live["B"].training
    assert not averaged.A.training
    with pytest.raises(RuntimeError, match="in the middle"), nets.evaluating(averaged):
        raise RuntimeError("in the middle")
    assert live["B"].training


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    first = trained(tmp_path, 3)
    again = trained(tmp_path, 3)
    assert bits(first.state) == bits(again.state)
    assert again.checkpoints.newest(silent) == again.checkpoints.path(3)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    trained(tmp_path, 2)
    other = toy()
    other.players["left"].networks["A"].append(nn.Linear(3, 3))
    with pytest.raises(RunFailed, match=r"step-2 does not fit this recipe"):
        prepare(other, tmp_path)
    with pytest.raises(RunFailed, match="does not fit"):
        prepare(line(), tmp_path)
    fewer = toy()
    recipe = replace(fewer, players={"left": fewer.players["left"]}, phases=fewer.phases[:1])
    with pytest.raises(RunFailed, match="does not fit"):
        prepare(recipe, tmp_path)


def test_counters_and_the_guards_memory_survive(tmp_path: Path) -> None:
    training = trained(tmp_path, 3)
    training.state.lr_scale, training.state.rollbacks = 0.25, [1, 2]
    loop.save(training)
    again = prepare(toy(), tmp_path)
    assert (again.state.lr_scale, again.state.rollbacks) == (0.25, [1, 2])
    assert again.counters == training.counters
    saved = json.loads((training.checkpoints.path(3) / "state.json").read_text())
    assert saved["threads"] == torch.get_num_threads()
    assert json.loads((training.checkpoints.path(3) / "model.json").read_text()) == {"recipe": "toy"}


def test_other_threads_are_said_where_they_matter(tmp_path: Path) -> None:
    trained(tmp_path, 3)
    heard: list[str] = []
    training = prepare(toy(), tmp_path)
    loop.warn_of_threads(training, heard.append)
    assert heard == []
    training.state.threads = 64
    for steps, said in ((3, 0), (4, 1)):  # a finished run goes nowhere: nothing to say
        training.run = replace(training.run, steps=steps)
        loop.warn_of_threads(training, heard.append)
        assert len(heard) == said
    assert "OMP_NUM_THREADS=64" in heard[0]


def test_a_state_that_was_not_trained_has_its_optimizers_own_settings() -> None:
    state = create(toy(), torch.device("cpu"))
    assert state.settings["left"][0]["lr"] == 0.01
    assert state.settings["left"][0]["betas"] == (0.5, 0.9)
    assert "params" not in state.settings["left"][0]
