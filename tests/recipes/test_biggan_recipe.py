"""BigGAN's recipes: presets, the penalty on filters, truncation, standing statistics, the form without labels."""

from __future__ import annotations

from math import erf, exp, pi, sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import build, named_parameters, prepare, rows_of, step
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.engine import average, loop, nets
from gantlet.engine.health import Guard
from gantlet.errors import UserError
from gantlet.losses.penalties import orthogonal_penalty
from gantlet.networks import biggan as networks
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.images.biggan import PRESETS, filters
from gantlet.recipes.truncation import STANDING_BATCH, StandingStatistics, truncated

LABELS = torch.tensor([0, 1, 2, 0, 1, 2])


def weights(recipe: Recipe, player: str) -> int:
    return sum(p.numel() for p in recipe.players[player].networks[player].parameters())


def test_the_cifar_preset_has_its_published_size() -> None:
    recipe = catalogue.build("biggan", catalogue.resolve("biggan", {}, False, PRESETS["biggan"]["cifar10_pytorch"]))
    assert (weights(recipe, "G"), weights(recipe, "D")) == (4_304_387, 4_207_361)
    assert (recipe.batch_size, recipe.phases[0].updates) == (50, 4)


@pytest.mark.parametrize(("recipe", "preset"), [(name, preset) for name in PRESETS for preset in PRESETS[name]])
def test_every_preset_builds(recipe: str, preset: str) -> None:
    """Narrow, so that it takes no time; `resolve` refuses arguments that do not exist."""
    narrow = {**PRESETS[recipe][preset], "g_width": 2, "d_width": 2, "num_classes": 10}
    built = catalogue.build(recipe, catalogue.resolve(recipe, {}, False, narrow))
    assert weights(built, "G") > 1000


@pytest.mark.parametrize(("resolution", "size"), [(128, 120), (256, 140), (512, 160), (32, 80)])
def test_z_has_twenty_numbers_per_chunk(resolution: int, size: int) -> None:
    given = {"resolution": resolution, "g_width": 1, "d_width": 1}
    G: Any = catalogue.build("biggan", catalogue.resolve("biggan", {}, False, given)).players["G"].networks["G"]
    assert sum(G.chunks) == size
    assert set(G.chunks) == {20}


@pytest.mark.parametrize("name", ["biggan", "biggan_deep"])
def test_the_penalty_is_on_filters_and_not_on_embeddings(name: str, tmp_path: Path) -> None:
    training = prepare(name, tmp_path, orthogonal_weight=0.5)
    G = training.state.nets.G
    found = {weight.data_ptr() for weight in filters(G)}
    names = {key for key, p in G.named_parameters() if p.data_ptr() in found}
    assert names == {key for key, p in G.named_parameters() if p.dim() > 1 and "embedding" not in key}
    assert "embedding.weight" in dict(G.named_parameters())
    wanted = 0.5 * float(orthogonal_penalty(filters(G)))
    step(training, 1, name)
    assert training.collector.read()["G/orthogonal"] == pytest.approx(wanted, rel=1e-5)


def test_without_its_weight_there_is_no_penalty(tmp_path: Path) -> None:
    training = prepare("biggan", tmp_path, orthogonal_weight=0.0)
    loop.iterate(training, rows_of("biggan"), Guard(training.device))
    assert "G/orthogonal" not in training.collector.read()


@pytest.mark.parametrize("name", ["biggan", "biggan_deep", "sagan"])
def test_without_labels(name: str, tmp_path: Path) -> None:
    """No embedding anywhere, a gradient in every parameter, pictures without a label."""
    case = f"{name} without labels"
    training = prepare(case, tmp_path)
    assert not any(isinstance(m, nn.Embedding) for net in training.state.nets.modules.values() for m in net.modules())
    missing = {f"{player}/{key}" for player in ("D", "G") for key in named_parameters(training, player)}
    for _ in range(3):
        for number, player in enumerate(("D", "G")):
            step(training, number, case)
            for key, p in named_parameters(training, player).items():
                if p.grad is not None and bool((p.grad != 0).any()):
                    missing.discard(f"{player}/{key}")
    assert missing <= {"D/D.logit.bias"}
    averaged = training.state.nets.averaged
    assert training.recipe.sample is not None
    pictures = training.recipe.sample(averaged, SampleDraws(0, [0, 1]))
    assert pictures.shape == (2, 1, 8, 8)


def test_z_alone_steers_every_norm_where_there_are_no_labels() -> None:
    G: Any = build("biggan without labels").players["G"].networks["G"]
    assert {norm.gain.in_features for block in G.blocks for norm in (block.norm1, block.norm2)} == {4}


def test_truncation_is_the_truncated_normal_distribution() -> None:
    """Against drawing anew (quantiles), and against the variance 1 - 2 t phi(t) / (2 Phi(t) - 1)."""
    z = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    anew = torch.randn(800_000, generator=torch.Generator().manual_seed(1))
    for threshold in (0.3, 1.0, 2.0):
        found = truncated(z, threshold)
        assert float(found.abs().max()) <= threshold
        variance = 1 - 2 * threshold * exp(-(threshold**2) / 2) / sqrt(2 * pi) / erf(threshold / sqrt(2))
        assert float(found.var()) == pytest.approx(variance, rel=0.01)
        at = torch.linspace(0.02, 0.98, 25)
        wanted = anew[anew.abs() <= threshold][:200_000].quantile(at)
        torch.testing.assert_close(found.quantile(at), wanted, rtol=0, atol=0.02 * threshold)


def test_truncation_moves_numbers_gradually_and_keeps_their_order() -> None:
    z = torch.linspace(-4, 4, 81)
    assert truncated(z, None) is z
    torch.testing.assert_close(truncated(z, 8.0), z, rtol=1e-3, atol=1e-3)
    near = truncated(z, 1.0)
    assert bool((near.diff() > 0).all())
    torch.testing.assert_close(near, -near.flip(0))
    assert bool((near.abs() <= truncated(z, 1.5).abs() + 1e-6).all())
    assert bool(torch.isfinite(truncated(torch.tensor([-30.0, 0.0, 30.0]), 2.0)).all())


@pytest.mark.parametrize("threshold", [0.0, -1.0, float("nan")])
def test_truncation_must_be_positive(threshold: float) -> None:
    with pytest.raises(UserError, match="must be positive"):
        truncated(torch.zeros(1), threshold)


def sampled(numbers: list[int], networks: nets.Networks, recipe: Recipe, seed: int = 5, **options: Any) -> Tensor:
    assert recipe.sample is not None
    with torch.inference_mode(), nets.evaluating(networks):
        return recipe.sample(networks, SampleDraws(seed, numbers), label=LABELS[numbers], **options)


@pytest.mark.parametrize("name", ["biggan", "biggan_deep"])
def test_samples_depend_on_their_number_alone_with_all_options(name: str) -> None:
    recipe = build(name)
    averaged = nets.build(recipe, torch.device("cpu")).averaged
    plain = sampled([0, 1, 2, 3], averaged, recipe)
    narrow = sampled([0, 1, 2, 3], averaged, recipe, truncation=0.5)
    standing = sampled([0, 1, 2, 3], averaged, recipe, truncation=0.5, standing=2)
    assert not torch.allclose(plain, narrow)
    assert not torch.allclose(narrow, standing)
    for options, wanted in (({"truncation": 0.5}, narrow), ({"truncation": 0.5, "standing": 2}, standing)):
        fresh = nets.build(recipe, torch.device("cpu")).averaged  # nothing kept from before
        for part in ([2], [3, 1]):
            found = sampled(part, fresh, recipe, **options)
            torch.testing.assert_close(found, wanted[part], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(sampled([0, 1, 2, 3], averaged, recipe), plain)  # the network itself was left alone
    assert not torch.allclose(sampled([0], averaged, recipe, seed=6, standing=2), standing[:1])


def test_standing_statistics_are_the_average_over_batches() -> None:
    """The first norm reads the linear layer's output: its mean and unbiased variance per map, batch by batch."""
    torch.manual_seed(0)
    G = networks.Generator(8, 1, 8, 2, 3, 4, attention=0).eval()
    before = {key: value.clone() for key, value in G.state_dict().items()}
    twin: Any = StandingStatistics(8, 3)(G, 0.7, 3)
    means, variances = [], []
    for batch in range(3):
        draws = SampleDraws(0, range(batch * STANDING_BATCH, (batch + 1) * STANDING_BATCH))
        z = truncated(draws.normal("standing z", 8), 0.7)
        maps = G.project(z[:, :4]).view(-1, *G.grid, 8).flatten(0, 2)
        means.append(maps.mean(0))
        variances.append(maps.var(0))
    norm = twin.blocks[0].norm1.norm
    torch.testing.assert_close(norm.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack(variances).mean(0))
    assert not twin.training
    assert all(torch.equal(value, before[key]) for key, value in G.state_dict().items())


def test_standing_statistics_are_kept_until_a_weight_changes() -> None:
    torch.manual_seed(0)
    G = networks.spectral_layers(networks.Generator(8, 1, 8, 2, 3, 4)).eval()
    other = networks.spectral_layers(networks.Generator(8, 1, 8, 2, 3, 4))
    statistics = StandingStatistics(8, 3)
    with torch.inference_mode():
        first = statistics(G, 0.7, 1)
        assert statistics(G, 0.7, 1) is first
        assert statistics(G, 0.8, 1) is not first
        second = statistics(G, 0.8, 1)
    G.norm.running_mean.add_(1)  # statistics of training are not what they rest on
    assert statistics(G, 0.8, 1) is second
    average.update(G, other, 0.9)
    assert statistics(G, 0.8, 1) is not second
