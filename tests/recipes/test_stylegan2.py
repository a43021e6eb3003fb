"""StyleGAN2: presets and the rule for gamma, lazy Adam, style mixing, the mean of path lengths, truncation."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
import torch
from tiny_runs import build, prepare, rows_of, step
from torch import nn

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.recipes.images.stylegan2 import (
    PRESETS,
    Game,
    RunningMean,
    automatic,
    heuristic_gamma,
    lazy_adam,
    stylegan2,
)

SMALL = dict(channels=1, resolution=8, latent_dim=4, channel_base=16, channel_max=2, mapping_layers=1)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_arguments_of_the_recipe(name: str) -> None:
    recipe = stylegan2(**{**PRESETS[name], "channel_base": 16, "channel_max": 2}, resolution=8)
    assert recipe.batch_size == PRESETS[name]["batch_size"]
    assert len(recipe.phases) == (3 if name == "cifar" else 4)


def test_the_authors_automatic_settings() -> None:
    """`--cfg=auto` at 256 pixels on one GPU and at 1024 on eight, and gamma = .0002 res^2 / batch."""
    one = automatic(256)
    assert (one["batch_size"], one["group_size"], one["channel_base"], one["g_lr"]) == (16, 4, 16_384, 0.0025)
    assert one["r1_gamma"] == pytest.approx(0.8192)
    assert one["average_halflife"] == 5000
    eight = automatic(1024, 8)
    assert (eight["batch_size"], eight["channel_base"], eight["d_lr"]) == (32, 32_768, 0.002)
    assert heuristic_gamma((20, 10), 4) == pytest.approx(0.01)
    assert set(one) <= set(inspect.signature(stylegan2).parameters)


def test_lazy_adam_does_in_k_steps_what_k_plus_1_updates_do() -> None:
    """Karras 2020, appendix B: lr * k / (k + 1), beta ** (k / (k + 1))."""
    group = lazy_adam(0.002, (0.0, 0.99), 16)([nn.Parameter(torch.zeros(1))]).param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == (0.0, pytest.approx(0.99 ** (16 / 17)))
    plain = lazy_adam(0.002, (0.0, 0.99), None)([nn.Parameter(torch.zeros(1))]).param_groups[0]
    assert (plain["lr"], plain["betas"]) == (0.002, (0.0, 0.99))


def test_phases_and_their_rhythm() -> None:
    recipe = stylegan2(**SMALL)
    assert [(phase.player, phase.every) for phase in recipe.phases] == [("D", 1), ("D", 16), ("G", 1), ("G", 4)]
    rates = {
        name: player.optimizer(player.networks[name].parameters()).param_groups[0]["lr"]
        for name, player in recipe.players.items()
    }
    assert rates == pytest.approx({"G": 0.002 * 4 / 5, "D": 0.002 * 16 / 17})
    without = stylegan2(**SMALL, path_length_weight=0.0)
    assert len(without.phases) == 3
    player = without.players["G"]
    assert player.optimizer(player.networks["G"].parameters()).param_groups[0]["lr"] == 0.002


def game(style_mixing: float) -> Game:
    return Game(8, 4, style_mixing, 1.0, 2.0, 2)


def test_style_mixing_switches_to_another_w_at_a_random_layer() -> None:
    G = build("stylegan2", resolution=32, num_classes=0).players["G"].networks["G"]
    draws = SampleDraws(0, range(2000))
    with torch.no_grad():
        plain = game(0.0).styles(G, draws, None)
        mixed = game(0.9).styles(G, draws, None)
    assert plain.shape == mixed.shape == (2000, 8, 8)
    assert torch.equal(plain, plain[:, :1].expand(-1, 8, -1))
    own = (mixed == plain).all(2)
    assert bool(own[:, 0].all())  # the first layer is never mixed
    assert torch.equal(own, own.cummin(1).values)  # once mixed, mixed to the end
    whole = own.all(1)
    assert float((~whole).float().mean()) == pytest.approx(0.9, abs=0.02)
    cuts = own[~whole].sum(1)
    assert cuts.unique().tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert cuts.bincount(minlength=8)[1:].float().div(len(cuts)).tolist() == pytest.approx([1 / 7] * 7, abs=0.03)


def test_the_running_mean_stands_still_within_a_step() -> None:
    mean = RunningMean(0.1)
    assert float(mean(torch.tensor([1.0, 2.0]), 0)) == 0
    assert float(mean(torch.tensor([6.0]), 0)) == 0  # the other part of the same batch
    assert float(mean(torch.tensor([8.0]), 4)) == pytest.approx(0.1 * 3.0)  # the mean of 1, 2 and 6
    assert float(mean(torch.tensor([0.0]), 8)) == pytest.approx(0.9 * 0.3 + 0.1 * 8)
    twin = RunningMean(0.1)
    twin.load_state_dict(mean.state_dict())
    assert float(twin(torch.tensor([0.0]), 12)) == float(mean(torch.tensor([0.0]), 12))


def test_the_path_length_penalty_pulls_lengths_to_their_running_mean(tmp_path: Path) -> None:
    training = prepare("stylegan2", tmp_path)
    helper = training.state.nets.path_length
    step(training, 3, "stylegan2")
    first = training.collector.read()
    assert first["G/path"] > 0
    assert first["G/path_length"] >= 2 * first["G/path"] ** 2  # a is 0 at first: 2 (length - 0)^2
    assert float(helper.count) == 4  # every second sample of 8
    assert float(helper.total) == pytest.approx(4 * first["G/path"], rel=1e-4)


def test_w_average_follows_the_mapping_in_training_alone(tmp_path: Path) -> None:
    training = prepare("stylegan2", tmp_path)
    G = training.state.nets.G
    step(training, 0, "stylegan2")
    assert float(G.w_average.abs().sum()) == 0
    loop.iterate(training, rows_of("stylegan2"), Guard(training.device))
    kept = G.w_average.clone()
    assert float(kept.abs().sum()) > 0
    assert float(training.state.nets.averaged.G.w_average.abs().sum()) > 0
    with torch.inference_mode():
        training.recipe.sample(training.state.nets.averaged, SampleDraws(0, [0]), label=torch.tensor([1]))
    assert torch.equal(G.w_average, kept)


def test_truncation_trades_variety() -> None:
    recipe = build("stylegan2", num_classes=0)
    networks = nets.build(recipe, torch.device("cpu"))
    for layer in networks.averaged.G.synthesis.layers:
        nn.init.constant_(layer.noise_strength, 0.1)
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        draws = SampleDraws(0, range(64))
        spread = [
            float(recipe.sample(networks.averaged, draws, truncation=psi).std(0).mean()) for psi in (0.0, 0.5, 1.0)
        ]
    assert 0 < spread[0] < spread[1] < spread[2]  # at 0 only the noise differs


def test_noise_of_a_sample_depends_on_its_number_alone() -> None:
    recipe = build("stylegan2", num_classes=0)
    networks = nets.build(recipe, torch.device("cpu"))
    for layer in networks.averaged.G.synthesis.layers:
        nn.init.constant_(layer.noise_strength, 1.0)
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        many = recipe.sample(networks.averaged, SampleDraws(3, [5, 6, 7]), truncation=0.0)
        one = recipe.sample(networks.averaged, SampleDraws(3, [7]), truncation=0.0)
        other = recipe.sample(networks.averaged, SampleDraws(4, [7]), truncation=0.0)
    torch.testing.assert_close(many[2:], one, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(one, other, atol=1e-3)
    assert not torch.allclose(many[0], many[1], atol=1e-3)
