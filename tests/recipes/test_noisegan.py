"""The NoiseGAN family: noise off is r1gan, each noise model does what it says, samples come clean, noisy and alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import prepare, rows_of, same, step
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.progress import Counters, Progress
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.images.ambient_gan import measurement
from gantlet.recipes.images.noisegan import annealed, instance_noise
from gantlet.recipes.noisy_gan import field, level

CORRUPTIONS = [
    dict(sigma=0.2), dict(poisson=30.0), dict(multiplicative=0.2), dict(speckle=4), dict(salt_pepper=0.1),
    dict(mask=0.3), dict(blur=1.0),
]  # fmt: skip


def train(case: str, out: Path, **changes: Any) -> loop.State:
    training = prepare(case, out, run={"steps": 3}, **changes)
    return loop.train(training, rows_of(case))


def at(samples: int) -> Progress:
    return Progress(Counters(samples=samples), 0, torch.device("cpu"), rows=(0, 4, 4))


def built(name: str, **changes: Any) -> tuple[Recipe, nets.Networks]:
    """Return a recipe at its tiny size and its networks, in evaluation mode, with weights that do something."""
    torch.manual_seed(0)
    recipe = catalogue.build(name, {**catalogue.tiny_settings(name), **changes})
    networks = nets.build(recipe, torch.device("cpu")).averaged
    for network in networks.modules.values():
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, 0.0, 0.3)
        network.eval()
    return recipe, networks


def sampled(recipe: Recipe, networks: nets.Networks, numbers: list[int], **options: Any) -> Tensor:
    label = torch.tensor([number % 3 for number in numbers])
    with torch.inference_mode():
        return recipe.sample(networks, SampleDraws(5, numbers), label, **options)  # type: ignore[misc]


def test_with_all_noise_off_it_is_r1gan_bit_for_bit(tmp_path: Path) -> None:
    """Acceptance test 4: weights, averages, buffers and optimizers after three steps, a lazy penalty among them."""
    quiet = train("noisegan", tmp_path / "noisegan", d_noise=0.0, layer_noise=False)
    assert same(train("r1gan", tmp_path / "r1gan"), quiet) == []
    for number, noise in enumerate([dict(d_noise=0.1, layer_noise=False), dict(d_noise=0.0), dict(chunked=True)]):
        assert same_or_other(quiet, train("noisegan", tmp_path / str(number), **noise))


def same_or_other(a: loop.State, b: loop.State) -> bool:
    """Tell whether two states differ, in names or in values."""
    names = [sorted(state.tensors()["weights"]) for state in (a, b)]
    return names[0] != names[1] or same(a, b) != []


def test_instance_noise_falls_to_nothing_and_is_another_on_real_and_fake() -> None:
    seen, x = instance_noise(annealed(0.4, 1000)), torch.zeros(4, 3, 50, 50)
    deviations = [float(seen(None, at(samples), x, "real noise").std()) for samples in (0, 500, 999)]  # type: ignore[arg-type]
    assert deviations == pytest.approx([0.4, 0.2, 0.0004], rel=0.03)
    assert seen(None, at(1000), x, "real noise") is x  # type: ignore[arg-type]
    real, fake = (seen(None, at(0), x, stream) for stream in ("real noise", "fake noise"))  # type: ignore[arg-type]
    assert abs(float(torch.corrcoef(torch.stack([real.flatten(), fake.flatten()]))[0, 1])) < 0.02


def test_the_ladder_moves_while_training_and_is_reported(tmp_path: Path) -> None:
    training = prepare("noisegan_adaptive", tmp_path, run={"steps": 9}, adapt_samples=50)
    ladder = training.state.nets.ladder
    torch.nn.init.constant_(training.state.nets.D.logit.bias, 50.0)  # D takes everything for real
    loop.train(training, rows_of("noisegan_adaptive"))
    assert float(ladder.length) > 10
    assert training.recipe.helpers["ladder"] is ladder
    training.collector.read()
    step(training, 0, "noisegan_adaptive")
    assert training.collector.read()["D/ladder"] == pytest.approx(float(ladder.length))


@pytest.mark.parametrize("settings", CORRUPTIONS, ids=lambda settings: next(iter(settings)))
def test_ambient_gan_samples_clean_pictures_and_measured_ones(settings: dict[str, Any]) -> None:
    recipe, networks = built("ambient_gan", **{"sigma": 0.0, **settings, "black": -0.8, "white": 0.8})
    clean, measured, lost = (
        sampled(recipe, networks, [0, 1, 2], **options)
        for options in ({}, {"noise": 1.0}, {"clean": 0.0, "noise": 1.0})
    )
    assert not torch.allclose(clean, measured)
    inside = lost.abs() < 1  # what is shown is clipped
    torch.testing.assert_close((measured - clean)[inside], lost[inside], rtol=0, atol=1e-5)
    torch.testing.assert_close(sampled(recipe, networks, [2], noise=1.0), measured[2:], rtol=1e-5, atol=1e-5)


def test_a_measurement_without_corruption_is_none() -> None:
    none = dict(sigma=0, poisson=0, multiplicative=0, speckle=0, salt_pepper=0, mask=0, blur=0)
    x = torch.rand(4, 1, 6, 6) * 2 - 1
    measure = measurement(**none, black=-0.5, white=0.7)  # type: ignore[arg-type]
    torch.testing.assert_close(measure(SampleDraws(0, range(4)), x, 1), x)


@pytest.mark.parametrize(("black", "white"), [(-1.0, 1.0), (-0.5, 0.5)])
def test_sigma_is_a_share_of_the_way_from_black_to_white_and_sums_are_clipped(black: float, white: float) -> None:
    settings = dict(poisson=0, multiplicative=0, speckle=0, salt_pepper=0, mask=0, blur=0, black=black, white=white)
    x = torch.zeros(4, 1, 60, 60)
    measured = measurement(sigma=0.1, **settings)(SampleDraws(0, range(4)), x, 1)  # type: ignore[arg-type]
    assert float(measured.std()) == pytest.approx(0.1 * (white - black), rel=0.03)
    strong = measurement(sigma=2.0, **settings)(SampleDraws(0, range(4)), x, 1)  # type: ignore[arg-type]
    assert (float(strong.min()), float(strong.max())) == (-1, 1)


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("name", ["nrgan_si1", "nrgan_si2", "nrgan_sd1", "nrgan_sd2"])
def test_nr_gan_samples_clean_noise_noisy_and_sigma(name: str, residual: bool) -> None:
    recipe, networks = built(name, residual=residual)
    clean, noise, sigma = (
        sampled(recipe, networks, [0, 1, 2], **options)
        for options in ({}, dict(clean=0.0, noise=1.0), dict(sigma=True))
    )
    noisy = sampled(recipe, networks, [0, 1, 2], noise=1.0)
    inside = (noisy.abs() < 1) & (noise.abs() < 1)  # what is shown is clipped
    assert int(inside.sum()) > 20
    torch.testing.assert_close(noisy[inside], (clean + noise)[inside], rtol=0, atol=1e-5)
    assert clean.shape == noise.shape == sigma.shape
    assert float(sigma.min()) >= 0
    for options in (dict(clean=0.0, noise=1.0), dict(sigma=True)):
        alone = sampled(recipe, networks, [1], **options)
        torch.testing.assert_close(alone, sampled(recipe, networks, [0, 1, 2], **options)[1:2], rtol=1e-5, atol=1e-5)


def spread_over_draws(name: str, seeds: int, **changes: Any) -> tuple[Tensor, Tensor]:
    """Return many draws of the noise of one picture (z and z_n held still), and its estimated deviation."""
    recipe, networks = built(name, **changes)

    class Still(SampleDraws):
        def normal(self, stream: str, *shape: int) -> Tensor:
            drawn = super().normal(stream, *shape)
            return drawn if stream == "noise" else drawn[:1].expand_as(drawn)

    draws, label = Still(1, range(seeds)), torch.zeros(seeds, dtype=torch.long)
    with torch.inference_mode():
        noise = recipe.sample(networks, draws, label, clean=0.0, noise=1.0)  # type: ignore[misc]
        sigma = recipe.sample(networks, draws, label, sigma=True)  # type: ignore[misc]
    return noise, sigma[0]


@pytest.mark.parametrize("name", ["nrgan_si1", "nrgan_sd1", "nrgan_sd2"])
def test_the_estimated_sigma_is_the_deviation_of_the_noise(name: str) -> None:
    noise, sigma = spread_over_draws(name, 4000, residual=False)
    small = sigma < 0.25  # beyond that the clipping to [-1, 1] shows
    assert int(small.sum()) > 5
    torch.testing.assert_close(noise.std(0)[small], sigma[small], rtol=0.1, atol=1e-4)


@pytest.mark.parametrize(("power", "black", "white"), [(1.0, -1.0, 1.0), (0.5, -0.6, 0.4)])
def test_signal_dependent_noise_follows_the_intensity(power: float, black: float, white: float) -> None:
    recipe, networks = built("nrgan_sd1", residual=False, power=power, black=black, white=white)
    clean, sigma = sampled(recipe, networks, [0, 1]), sampled(recipe, networks, [0, 1], sigma=True)
    plain, _ = built("nrgan_sd1", residual=False, power=0.0, black=black, white=white)
    strength = sampled(plain, networks, [0, 1], sigma=True)
    intensity = ((clean - black) / (white - black)).clamp_min(0)
    torch.testing.assert_close(sigma, strength * intensity**power, rtol=1e-4, atol=1e-5)


def test_only_the_noise_of_sd2_depends_on_the_picture_and_its_label() -> None:
    for name, expected in (("nrgan_si1", False), ("nrgan_si2", False), ("nrgan_sd2", True)):
        recipe, networks = built(name, residual=False)
        draws = SampleDraws(0, [0])
        first, second = (recipe.sample(networks, draws, torch.tensor([y]), sigma=True) for y in (0, 1))  # type: ignore[misc]
        assert torch.equal(first, second) is not expected, name


def test_the_statistics_and_the_diversity_term_are_reported(tmp_path: Path) -> None:
    training = prepare("nrgan_si1", tmp_path)
    assert [phase.player for phase in training.recipe.phases] == ["D", "G", "D", "G_n"]
    step(training, 3, "nrgan_si1")
    found = training.collector.read()
    assert found["G_n/sigma"] > 0
    assert found["G_n/diversity_sensitive"] < 0
    without = prepare("nrgan_si1", tmp_path / "without", diversity_weight=0.0)
    step(without, 3, "nrgan_si1")
    assert "G_n/diversity_sensitive" not in without.collector.read()


@pytest.mark.parametrize("residual", [False, True])
def test_the_noise_starts_as_strong_as_asked(residual: bool) -> None:
    torch.manual_seed(0)
    tiny = {**catalogue.tiny_settings("nrgan_si1"), "residual": residual}
    networks = nets.build(catalogue.build("nrgan_si1", {**tiny, "sigma_start": 0.3}), torch.device("cpu"))
    torch.nn.init.zeros_(networks.G_n.out.weight)  # what is left is where the strength starts from, whatever z_n is
    strength = networks.G_n(torch.randn(5, 8)).detach()
    torch.testing.assert_close(strength, torch.full_like(strength, 0.3))


@pytest.mark.parametrize("draw", [field, level])
def test_no_two_fakes_of_a_real_share_their_noise(draw: Callable[..., Tensor]) -> None:
    drawn = draw(SampleDraws(0, range(3)), "noise", (2, 2), 2)
    assert drawn.shape == (6, 2, 2)
    assert len({tuple(row) for row in drawn.flatten(1).tolist()}) == 6
    assert draw(SampleDraws(0, range(3)), "noise", ()).shape == (3,)
