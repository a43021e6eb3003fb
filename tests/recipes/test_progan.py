"""ProGAN: when it grows, that its averages and samples grow with it, and its loss in numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_runs import prepare, rows_of, train
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop
from gantlet.engine.health import Guard
from gantlet.recipes.images.progan import judge, level_at, progan

GROWTH = {"resolution": 16, "stabilise_samples": 16, "fade_samples": 16}  # levels 4, 8, 16; batches of 8


def test_levels_stabilise_and_fade_in_turn() -> None:
    """600k alone, 600k of fading, for each of the levels (authors' schedule)."""
    levels = {n: level_at(n, 600_000, 600_000, 8) for n in (0, 599_999, 900_000, 1_199_999, 1_200_000, 1_799_999)}
    assert levels[0] == levels[599_999] == 0
    assert levels[900_000] == pytest.approx(0.5, abs=1e-5)
    assert levels[1_199_999] == levels[1_200_000] == levels[1_799_999] == 1
    assert level_at(2_100_000, 600_000, 600_000, 8) == pytest.approx(1.5, abs=1e-5)
    assert level_at(10**9, 600_000, 600_000, 8) == 8
    assert 0 < level_at(600_000, 600_000, 600_000, 8) < 1e-5  # what fades in learns from its first step
    assert level_at(0, 0, 0, 8) == 8  # no growth
    assert [level_at(n, 10, 0, 8) for n in (9, 10, 19, 20)] == [0, 1, 1, 2]  # no fading
    assert [level_at(n, 0, 4, 8) for n in (0, 1, 3, 4)] == [0.25, 0.5, 1.0, 1.25]  # nothing else


def test_a_run_grows_and_its_average_with_it(tmp_path: Path) -> None:
    training = prepare("progan", tmp_path, **GROWTH)
    reached, passed = [], []
    for _ in range(9):
        loop.iterate(training, rows_of("progan", **GROWTH), Guard(training.device))
        nets = training.state.nets
        reached.append([int(n.reached) for n in (nets.G, nets.D, nets.averaged.G)])
        passed.append(training.collector.read()["D/level"])
    assert all(len(set(row)) == 1 for row in reached)
    wanted = [0, 0, 1 / 16, 9 / 16, 1, 1, 1 + 1 / 16, 1 + 9 / 16, 2]
    assert passed == pytest.approx(wanted)
    assert [row[0] for row in reached] == [round(level * 1e6) for level in wanted]


def test_layers_above_the_level_wait_and_the_optimizer_holds_nothing_of_them(tmp_path: Path) -> None:
    state = train("progan", tmp_path, 1, **GROWTH)
    G = dict(state.nets.G.named_parameters())
    moved = {name for name, entry in zip(G, state.optimizers["G"].param_groups[0]["params"], strict=True)
             if entry in state.optimizers["G"].state}  # fmt: skip
    assert moved == {"bias", "project.weight", "conv.weight", "conv.bias", "to_picture.0.weight", "to_picture.0.bias"}


def test_samples_are_of_the_level_reached_and_survive_a_checkpoint(tmp_path: Path) -> None:
    state = train("progan", tmp_path, 2, **GROWTH)
    recipe = progan(channels=1, latent_dim=8, channel_base=64, channel_max=8, **GROWTH)
    blocks = recipe.sample(state.nets.averaged, SampleDraws(0, range(3)))
    assert blocks.shape == (3, 1, 16, 16)
    assert torch.equal(blocks, blocks[..., ::4, ::4].repeat_interleave(4, -1).repeat_interleave(4, -2))
    later = train("progan", tmp_path, 9, **GROWTH)
    pictures = recipe.sample(later.nets.averaged, SampleDraws(0, range(3)))
    assert not torch.allclose(pictures[..., 0::2], pictures[..., 1::2])


class Flat(torch.nn.Module):
    """Networks whose loss is known: D(x) = 3 * mean(x), G gives ones."""

    def reach(self, level: float) -> None:
        self.level = level

    def soften(self, x: Tensor, level: float) -> Tensor:
        return x

    def forward(self, x: Tensor, level: float) -> Tensor:
        return 3 * x.flatten(1).mean(1)


class Ones(Flat):
    def forward(self, x: Tensor, level: float) -> Tensor:
        return torch.ones(len(x), 1, 8, 8)


def test_the_loss_in_numbers(tmp_path: Path) -> None:
    """Wasserstein 3 - 3 * mean, penalty 10 (3/8 - 1)^2, drift .001 (3 * mean)^2."""
    training = prepare("progan", tmp_path)
    progress = loop.Progress(training.counters, 0, training.device, rows=(0, 4, 4))
    networks = type("Nets", (), {"G": Ones(), "D": Flat()})
    batch = {"image": torch.full((4, 1, 8, 8), 0.5)}
    terms = training.recipe.phases[0].loss(networks, batch, progress)
    found = {name: float(term) for name, term in terms.items()}
    assert found == pytest.approx({"adversarial": 1.5, "penalty": 10 * (3 / 8 - 1) ** 2, "drift": 1e-3 * 1.5**2})
    assert float(training.recipe.phases[1].loss(networks, batch, progress)["adversarial"]) == pytest.approx(-3)


def test_real_and_fake_share_a_pass_only_where_no_group_mixes_them() -> None:
    sizes: list[int] = []

    def critic(x: Tensor) -> Tensor:
        sizes.append(len(x))
        return x.flatten(1).sum(1)

    for samples in (8, 6):
        real, fake = torch.randn(samples, 2), torch.randn(samples, 2)
        torch.testing.assert_close(judge(critic, real, fake, 4), (real.sum(1), fake.sum(1)))
    assert sizes == [16, 6, 6]
