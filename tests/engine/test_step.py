"""One step of the loop: scaled gradients, data positions, settings of optimizers, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_toys import BATCH, CPU, line, prepare, rows, toy, trained
from torch import Tensor, nn

from gantlet.engine import loop
from gantlet.engine.health import Diverged, Guard
from gantlet.engine.progress import Progress
from gantlet.errors import UserError
from gantlet.recipe import Phase, Player, Recipe


def mean_rows(start: int = 0, count: int = BATCH) -> Tensor:
    """Return the gradient of the line recipe: the mean of the first two columns."""
    return rows(start, count)["x"][:, :2].mean(0)


def weight(training: loop.Training) -> Tensor:
    return training.state.nets.W.w.detach()


def iterate(training: loop.Training, times: int = 1) -> loop.Training:
    for _ in range(times):
        loop.iterate(training, rows, Guard(CPU))
    return training


def test_a_step_is_gradient_descent_on_the_batch(tmp_path: Path) -> None:
    training = iterate(prepare(line(rate=0.5), tmp_path))
    torch.testing.assert_close(weight(training), -0.5 * mean_rows())
    assert (training.counters.step, training.counters.samples, training.counters.position) == (1, BATCH, BATCH)
    iterate(training)
    torch.testing.assert_close(weight(training), -0.5 * (mean_rows() + mean_rows(BATCH)))


def test_a_lazy_phase_has_gradients_as_many_times_larger(tmp_path: Path) -> None:
    recipe = line()
    recipe = replace(recipe, phases=(replace(recipe.phases[0], every=3),))
    training = prepare(recipe, tmp_path)
    iterate(training, 3)
    torch.testing.assert_close(weight(training), -3 * mean_rows())  # at step 0 alone
    training.collector.read()
    iterate(training)
    torch.testing.assert_close(weight(training), -3 * (mean_rows() + mean_rows(BATCH)))
    loss = float(-3 * mean_rows() @ mean_rows(BATCH))
    assert training.collector.read()["only/line"] == pytest.approx(loss, rel=1e-5)  # what is logged is the loss itself


@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_accumulation_changes_nothing(accumulate: int, tmp_path: Path) -> None:
    training = iterate(prepare(line(), tmp_path, accumulate=accumulate), 2)
    torch.testing.assert_close(weight(training), -(mean_rows() + mean_rows(BATCH)))


def test_a_batch_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="multiple of 3"):
        iterate(prepare(line(), tmp_path, accumulate=3))


def starts_of(recipe: Recipe, out: Path, steps: int, **options: int) -> list[tuple[int, int]]:
    """Return the (start, count) that a run asks of its data."""
    asked: list[tuple[int, int]] = []

    def watched(start: int, count: int) -> dict[str, Tensor]:
        asked.append((start, count))
        return rows(start, count)

    training = prepare(recipe, out, **options)
    for _ in range(steps):
        loop.iterate(training, watched, Guard(CPU))
    return asked


def test_first_updates_share_the_batch_and_further_ones_take_the_next(tmp_path: Path) -> None:
    """`right` is updated twice: its first update works on the step's batch, as `left` does, the second on the next."""
    assert starts_of(toy(), tmp_path, 2) == [(0, 4), (0, 4), (4, 4), (8, 4), (8, 4), (12, 4)]


def test_parts_ask_for_their_rows_alone(tmp_path: Path) -> None:
    assert starts_of(line(), tmp_path, 2, accumulate=2) == [(0, 2), (2, 2), (4, 2), (6, 2)]


def test_the_number_of_updates_may_depend_on_progress(tmp_path: Path) -> None:
    recipe = line()
    recipe = replace(recipe, phases=(replace(recipe.phases[0], updates=lambda progress: 3 - progress.step),))
    training = prepare(recipe, tmp_path)
    asked = []
    for _ in range(3):
        before = training.counters.position
        iterate(training)
        asked.append((training.counters.position - before) // BATCH)
    assert asked == [3, 2, 1]
    assert training.counters.samples == 3 * BATCH  # the clock counts a step's batch once


def test_a_step_without_a_phase_still_advances_the_clock(tmp_path: Path) -> None:
    recipe = line()
    recipe = replace(recipe, phases=(replace(recipe.phases[0], start=2 * BATCH),))
    training = iterate(prepare(recipe, tmp_path), 2)
    assert weight(training).tolist() == [0.0, 0.0]
    assert training.counters.samples == 2 * BATCH
    assert weight(iterate(training)).abs().sum() > 0


@pytest.mark.parametrize(("limit", "norm"), [(0.01, 0.01), (1e6, None)])
def test_clip_norm_bounds_the_step_and_not_the_report(limit: float, norm: float | None, tmp_path: Path) -> None:
    training = iterate(prepare(line(clip_norm=limit), tmp_path))
    whole = float(mean_rows().norm())
    assert float(weight(training).norm()) == pytest.approx(whole if norm is None else norm, rel=1e-3)
    assert training.collector.read()["only/gradient_norm"] == pytest.approx(whole, rel=1e-5)
    direction = weight(training) / weight(training).norm()
    torch.testing.assert_close(direction, -mean_rows() / whole)


def test_a_schedule_sets_the_optimizer_and_the_guards_factor_multiplies(tmp_path: Path) -> None:
    recipe = line(rate=9.0, schedule=lambda progress: {"lr": 0.1 * (progress.samples + 1), "momentum": 0.25})
    training = prepare(recipe, tmp_path)
    group = training.state.optimizers["only"].param_groups[0]
    iterate(training)
    assert (group["lr"], group["momentum"]) == (pytest.approx(0.1), 0.25)
    training.state.lr_scale = 0.5
    iterate(training)
    assert group["lr"] == pytest.approx(0.1 * (BATCH + 1) * 0.5)
    iterate(training)
    assert group["lr"] == pytest.approx(0.1 * (2 * BATCH + 1) * 0.5)  # the factor does not pile up


def test_what_a_schedule_leaves_out_goes_back_to_the_optimizers_own(tmp_path: Path) -> None:
    recipe = line(rate=0.3, schedule=lambda progress: {"lr": 7.0} if progress.step == 0 else {})
    training = iterate(prepare(recipe, tmp_path))
    group = training.state.optimizers["only"].param_groups[0]
    assert group["lr"] == 7.0
    iterate(training)
    assert group["lr"] == 0.3


def test_constrain_follows_each_update_on_the_players_own_networks(tmp_path: Path) -> None:
    seen: list[nn.Module] = []

    def halt(network: nn.Module) -> None:
        seen.append(network)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.clamp_(-0.0625, 0.0625)

    training = iterate(prepare(toy(right={"constrain": halt}), tmp_path))
    assert seen == [training.state.nets.B] * 2
    assert max(float(p.detach().abs().max()) for p in training.state.nets.B.parameters()) <= 0.0625
    assert max(float(p.detach().abs().max()) for p in training.state.nets.A.parameters()) > 0.0625


def test_frozen_parameters_stay_as_they_are(tmp_path: Path) -> None:
    recipe = toy()
    network = recipe.players["left"].networks["A"]
    network[0].requires_grad_(False)
    before = network[0].weight.clone()
    training = iterate(prepare(recipe, tmp_path), 3)
    assert torch.equal(network[0].weight, before)
    assert len(training.state.trainable.of["left"]) == 4
    assert not network[0].weight.requires_grad


def test_a_helper_is_a_network_by_name_that_nobody_updates(tmp_path: Path) -> None:
    helper = nn.Linear(2, 1).requires_grad_(False)
    before = helper.weight.clone()
    recipe = line()

    def loss(nets: nn.Module, batch: dict[str, Tensor], progress: Progress) -> dict[str, Tensor]:
        return {"help": nets.helper(nets.W.w * batch["x"][:, :2]).mean()}

    phases = (Phase(player="only", loss=loss),)
    training = iterate(prepare(replace(recipe, phases=phases, helpers={"helper": helper}), tmp_path))
    assert weight(training).abs().sum() > 0
    assert torch.equal(helper.weight, before)
    assert "weights/helper.weight" in {f"weights/{key}" for key in training.state.tensors()["weights"]}
    with pytest.raises(AttributeError, match="no network or helper is called 'missing'"):
        training.state.nets.missing  # noqa: B018


def test_a_players_loss_sees_the_others_as_constants(tmp_path: Path) -> None:
    """`left` pushes through B: B takes part in the graph, and gets no gradient."""
    training = prepare(toy(), tmp_path)
    progress = Progress(training.counters, 0, CPU, training.collector)
    loop.step_phase(training, training.recipe.phases[0], "0.0", rows, 0, progress, Guard(CPU))
    assert all(parameter.grad is None for parameter in training.state.nets.B.parameters())
    assert all(parameter.grad is not None for parameter in training.state.nets.A.parameters())
    assert not any(parameter.requires_grad for parameter in training.state.nets.A.parameters())


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), float("-inf")])
def test_the_guard_strikes_before_any_parameter_changed(factor: float, tmp_path: Path) -> None:
    recipe = toy(fault=lambda progress, player: torch.tensor(factor) if player == "right" else None)
    training = prepare(recipe, tmp_path)
    before = [parameter.clone() for parameter in training.state.nets.B.parameters()]
    progress = Progress(training.counters, 0, CPU, training.collector)
    with pytest.raises(Diverged, match="right's gradient"):
        loop.step_phase(training, training.recipe.phases[1], "1.0", rows, 0, progress, Guard(CPU))
    assert all(torch.equal(a, b) for a, b in zip(before, training.state.nets.B.parameters(), strict=True))
    assert training.state.optimizers["right"].state_dict()["state"] == {}


def test_dropout_inside_a_network_is_keyed_and_not_drawn_from_what_came_before(tmp_path: Path) -> None:
    first = trained(tmp_path / "a", 2)
    second = prepare(toy(), tmp_path / "b", steps=2)
    torch.rand(7)
    loop.train(second, rows)
    assert torch.equal(first.state.nets.B.weight, second.state.nets.B.weight)
    other = trained(tmp_path / "c", 2, seed=1)
    assert not torch.equal(first.state.nets.B.weight, other.state.nets.B.weight)


def budgets(training: loop.Training) -> tuple[int, int]:
    loop.train(training, rows)
    return training.counters.step, training.counters.samples


def test_the_first_budget_used_up_ends_the_run(tmp_path: Path) -> None:
    assert budgets(prepare(line(), tmp_path / "steps", steps=3)) == (3, 12)
    assert budgets(prepare(line(), tmp_path / "samples", samples=17)) == (5, 20)
    assert budgets(prepare(line(), tmp_path / "both", samples=17, steps=2)) == (2, 8)
    assert budgets(prepare(line(), tmp_path / "large", samples=17, batch_size=10)) == (2, 20)


def ticking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock of the loop take a second."""
    clock = iter(range(10**6))
    monkeypatch.setattr(loop.time, "perf_counter", lambda: float(next(clock)))


def test_seconds_are_a_budget_over_all_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticking(monkeypatch)
    assert budgets(prepare(line(), tmp_path, seconds=3.0)) == (3, 12)
    again = prepare(line(), tmp_path, seconds=3.0)
    assert again.counters.seconds >= 3
    assert budgets(again) == (3, 12)
    assert budgets(prepare(line(), tmp_path, seconds=5.0)) == (5, 20)


def test_what_hooks_take_is_not_training_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticking(monkeypatch)

    class Painter:
        def after_step(self, training: loop.Training) -> None:
            if training.counters.step <= 4:
                training.paused += 1.0

        def note(self, event: str, message: str) -> None:
            """Nothing to tell."""

    training = prepare(line(), tmp_path, seconds=3.0)
    loop.train(training, rows, [Painter()])
    assert training.counters.step == 7


def test_fraction_is_the_largest_share(tmp_path: Path) -> None:
    training = prepare(line(), tmp_path, steps=10, samples=80)
    assert training.fraction() == 0
    iterate(training, 4)
    assert training.fraction() == pytest.approx(0.4)
    assert prepare(line(), tmp_path / "none").fraction() == 0
    assert prepare(line(), tmp_path / "zero", steps=0).fraction() == 1


def test_a_stop_request_saves_and_ends(tmp_path: Path) -> None:
    class Stop:
        def after_step(self, training: loop.Training) -> None:
            training.stop_requested = training.counters.step == 3

        def note(self, event: str, message: str) -> None:
            """Nothing to tell."""

    training = prepare(line(), tmp_path, steps=100)
    loop.train(training, rows, [Stop()])
    assert training.counters.step == 3
    assert training.checkpoints.steps() == [3, 0]


@pytest.mark.parametrize("field", ["seed", "batch_size"])
def test_the_run_says_how_and_the_recipe_what(field: str, tmp_path: Path) -> None:
    """A seed and a batch size belong to the run: each changes the numbers, none is in the recipe's networks."""
    plain = trained(tmp_path / "plain", 2)
    changed = trained(tmp_path / "changed", 2, **{field: 2 if field == "batch_size" else 5})
    assert not torch.equal(plain.state.nets.B.weight, changed.state.nets.B.weight)


def test_players_may_own_several_networks(tmp_path: Path) -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 1)
    make: Callable[[list[nn.Parameter]], torch.optim.Optimizer] = lambda p: torch.optim.SGD(list(p), lr=0.1)  # noqa: E731

    def loss(nets: nn.Module, batch: dict[str, Tensor], progress: Progress) -> dict[str, Tensor]:
        return {"both": nets.second(nets.first(batch["x"][:, :2])).mean()}

    player = Player(networks={"first": first, "second": second}, optimizer=make, average_halflife=10)
    recipe = Recipe(players={"pair": player}, phases=(Phase(player="pair", loss=loss),), batch_size=BATCH)
    before = [parameter.clone() for network in (first, second) for parameter in network.parameters()]
    training = iterate(prepare(recipe, tmp_path))
    after = [parameter for network in (first, second) for parameter in network.parameters()]
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert {key.split(".")[0] for key in training.state.tensors()["averages"]} == {"first", "second"}
