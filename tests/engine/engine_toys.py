"""A small recipe of two players that has nothing to do with pictures, and runs of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD

from gantlet.engine import loop
from gantlet.engine.checkpoint import Checkpoints
from gantlet.engine.progress import Counters, advance
from gantlet.engine.run import Run
from gantlet.engine.state import State, create
from gantlet.recipe import Batch, Losses, Nets, Phase, Player, Progress, Recipe
from gantlet.recipes.optimizers import adam

BATCH = 4
CPU = torch.device("cpu")

Fault = Callable[[Any, str], Tensor | None]  # (progress, player) -> a factor for the loss where something goes wrong


def rows(start: int, count: int) -> dict[str, Tensor]:
    """Return rows that depend on their position alone."""
    draws = [
        torch.randn(3, generator=torch.Generator().manual_seed(position)) for position in range(start, start + count)
    ]
    return {"x": torch.stack(draws)}


def no_fault(progress: Any, player: str) -> Tensor | None:
    return None


def toy(fault: Fault = no_fault, left: dict[str, Any] | None = None, right: dict[str, Any] | None = None) -> Recipe:
    """Return two players: `left` (a network A with dropout and batch norm, averaged) and `right` (B), who disagree.

    Its first weights are always the same. `left` and `right` replace fields of the players.
    """
    torch.manual_seed(0)
    A = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.2), nn.Linear(4, 3))
    B = nn.Linear(3, 1)

    def with_fault(loss: Tensor, progress: Progress, player: str) -> Tensor:
        factor = fault(progress, player)
        return loss if factor is None else loss * factor

    def left_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        out = nets.A(batch["x"] + 0.1 * progress.normal("shift", 3))
        progress.report("spread", out.std())
        return {
            "pull": with_fault((out - batch["x"]).square().mean(), progress, "left"),
            "push": -nets.B(out).mean() * 0.1,
        }

    def right_loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        scores = nets.B(nets.A(batch["x"]))
        return {"score": with_fault((scores - progress.uniform("aim", 1)).square().mean(), progress, "right")}

    return Recipe(
        players={
            "left": Player(
                **{"networks": {"A": A}, "optimizer": adam(0.01, (0.5, 0.9)), "average_halflife": 40, **(left or {})}
            ),
            "right": Player(**{"networks": {"B": B}, "optimizer": adam(0.01, (0.0, 0.9)), **(right or {})}),
        },
        phases=(Phase(player="left", loss=left_loss), Phase(player="right", loss=right_loss, updates=2)),
        batch_size=BATCH,
        sample=lambda nets, draws: nets.A(draws.normal("z", 3)),
    )


def line(rate: float = 1.0, slope: float = 1.0, **player: Any) -> Recipe:
    """Return the simplest recipe: one weight w [2], the loss slope * (w . mean x), plain gradient descent.

    Its gradient is slope * mean x, whatever w is.
    """

    class Weight(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.zeros(2))

    def loss(nets: Nets, batch: Batch, progress: Progress) -> Losses:
        return {"line": slope * (nets.W.w * batch["x"][:, :2]).sum(1).mean()}

    fields = {"networks": {"W": Weight()}, "optimizer": lambda parameters: SGD(list(parameters), lr=rate), **player}
    return Recipe(players={"only": Player(**fields)}, phases=(Phase(player="only", loss=loss),), batch_size=BATCH)


def prepare(recipe: Recipe, out: Path, **options: Any) -> loop.Training:
    """Return a training on the CPU, restored if `out` holds a checkpoint."""
    run = Run(out=out, device="cpu", precision="fp32", **options)
    return loop.prepare(recipe, run, {"recipe": "toy"}, lambda message: None)


def trained(
    out: Path, steps: int, recipe: Recipe | None = None, hooks: tuple[Any, ...] = (), **options: Any
) -> loop.Training:
    """Train a recipe, the toy if none is given, up to `steps` and return the training."""
    training = prepare(recipe if recipe is not None else toy(), out, steps=steps, **options)
    loop.train(training, rows, hooks)
    return training


def bits(state: State) -> dict[str, bytes]:
    """Return every saved tensor as bytes."""
    return {
        f"{file}/{key}": value.contiguous().numpy().tobytes()
        for file, tensors in state.tensors().items()
        for key, value in tensors.items()
    }


def state_of(value: float, step: int, size: int = 6) -> State:
    """Return a state whose weights all are `value`, at a step: small, and recognisable after a restore."""
    network = nn.Linear(size, 2)
    for parameter in network.parameters():
        nn.init.constant_(parameter, value)
    player = Player(networks={"N": network}, optimizer=adam(0.1, (0.5, 0.9)), average_halflife=100)
    state = create(Recipe(players={"p": player}, phases=()), CPU)
    state.counters = advance(Counters(), step=step, samples=step * BATCH)
    return state


def value_in(checkpoints: Checkpoints, path: Path, size: int = 6) -> float:
    """Return the value that all weights of a checkpoint have."""
    state = state_of(-1.0, 0, size)
    checkpoints.restore(state, path)
    values = {float(v) for p in state.nets.modules["N"].parameters() for v in p.detach().flatten()}
    assert len(values) == 1, "parts of two states"
    return values.pop()


def silent(message: str) -> None:
    """Take a warning and say nothing."""


class Listener:
    """A hook that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, str]] = []
        self.steps: list[int] = []

    def after_step(self, training: loop.Training) -> None:
        self.steps.append(training.counters.step)

    def note(self, event: str, message: str) -> None:
        self.notes.append((event, message))
