"""VAE, VAE/GAN and BiGAN: whose gradient comes from where, the two verdicts of BiGAN, and that a VAE learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_runs import named_parameters, prepare, rows_of, step
from torch import Tensor, nn

from gantlet.data import Order, open_images
from gantlet.engine import loop
from gantlet.engine.progress import Counters, Progress
from gantlet.losses.likelihood import bernoulli_nll
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.images.bigan import bigan
from gantlet.recipes.images.vae import posterior_collapse, vae


def gradient_of(phase: int, player: str, out: Path, changed: str = "", **changes: object) -> dict[str, Tensor]:
    """Return the gradients of one phase of a tiny VAE/GAN, D's parameters named `changed...` altered before."""
    training = prepare("vae_gan", out, **changes)
    with torch.no_grad():
        for name, parameter in training.state.nets.D.named_parameters():
            if changed and name.startswith(changed):
                parameter.mul_(-1.5)
    step(training, phase, "vae_gan")
    return {key: p.grad.clone() for key, p in named_parameters(training, player).items() if p.grad is not None}


def apart(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return max(float((a[key] - b[key]).abs().max()) for key in a)


def test_the_encoder_of_vae_gan_sees_features_and_never_the_verdict(tmp_path: Path) -> None:
    plain = gradient_of(0, "E", tmp_path)
    assert apart(plain, gradient_of(0, "E", tmp_path, changed="logit")) == 0
    assert apart(plain, gradient_of(0, "E", tmp_path, changed="head")) == 0
    assert apart(plain, gradient_of(0, "E", tmp_path, changed="body")) > 0


def test_the_generator_of_vae_gan_adds_gamma_times_the_likelihood(tmp_path: Path) -> None:
    """Its gradient is linear in gamma, so half-way is the mean; the verdict enters whatever gamma is."""
    none, half, whole = (gradient_of(1, "G", tmp_path, gamma=gamma) for gamma in (0.0, 0.5, 1.0))
    assert apart(none, whole) > 1e-3
    for key, value in half.items():
        torch.testing.assert_close(value, (none[key] + whole[key]) / 2, rtol=1e-4, atol=1e-4)
    assert apart(none, gradient_of(1, "G", tmp_path, gamma=0.0, changed="logit")) > 1e-4


def test_the_discriminator_of_vae_gan_has_one_term(tmp_path: Path) -> None:
    training = prepare("vae_gan", tmp_path)
    step(training, 2, "vae_gan")
    terms = set(training.collector.read())
    assert {name for name in terms if name in ("D/adversarial", "D/likelihood", "D/kl")} == {"D/adversarial"}


def losses_of(recipe: Recipe, logits: dict[str, float]) -> dict[str, float]:
    """Return BiGAN's losses under a D whose verdict on (x, E(x)) and on (G(z), z) is fixed."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.calls = 0

        def forward(self, x: Tensor, z: Tensor) -> Tensor:
            self.calls += 1
            return torch.full((len(x),), logits["real" if self.calls % 2 else "fake"])

    class Nets:
        G, E, D = recipe.players["G"].networks["G"], recipe.players["G"].networks["E"], Fixed()

    class Silent(Progress):
        def __init__(self) -> None:
            self.counters = Counters()

        def uniform(self, stream: str, *shape: int) -> Tensor:
            return torch.rand(8, *shape)

        def report(self, name: str, value: Tensor) -> None:
            pass

    batch = {"image": torch.rand(8, 1, 8, 8)}
    return {p.player: float(p.loss(Nets(), batch, Silent())["adversarial"]) for p in recipe.phases}  # type: ignore[arg-type]


def test_the_two_sides_of_bigan_want_opposite_verdicts() -> None:
    recipe = bigan(resolution=8, latent_dim=4, width=8)
    right, wrong = losses_of(recipe, {"real": 5.0, "fake": -5.0}), losses_of(recipe, {"real": -5.0, "fake": 5.0})
    assert right["D"] == pytest.approx(wrong["G"])
    assert right["G"] == pytest.approx(wrong["D"])
    assert right["D"] == pytest.approx(2 * 0.006715, rel=1e-3)  # 2 log(1 + e^-5)
    assert right["G"] == pytest.approx(2 * 5.006715, rel=1e-3)  # 2 log(1 + e^5)


def test_the_published_bigan_has_no_penalty_and_a_rate_that_falls_to_a_hundredth() -> None:
    recipe = bigan()
    assert [phase.player for phase in recipe.phases] == ["D", "G"]
    schedule = recipe.players["G"].schedule
    assert schedule is not None

    class At:
        def __init__(self, samples: int) -> None:
            self.samples = samples

    rates = [schedule(At(millions * 1_000_000))["lr"] for millions in (0, 12, 18, 24, 99)]  # type: ignore[arg-type]
    assert rates == pytest.approx([2e-4, 2e-4, 2e-5, 2e-6, 2e-6])


def test_a_latent_that_says_nothing_is_noticed() -> None:
    assert posterior_collapse({"G/kl": 20.0}) is None
    assert posterior_collapse({}) is None
    message = posterior_collapse({"G/kl": 0.01})
    assert message is not None
    assert "posterior collapse" in message


def test_a_vae_learns_more_than_the_mean_picture(tmp_path: Path) -> None:
    """On scikit-learn's digits the bound falls well below what independent pixels reach, and the latent is used."""
    images = open_images("digits")
    torch.manual_seed(0)
    recipe = replace(vae(resolution=8, latent_dim=8, hidden=64), batch_size=64)
    run = loop.Run(out=tmp_path, steps=600, device="cpu", precision="fp32")
    order = Order(len(images), 0)
    training = loop.prepare(recipe, run, {}, lambda message: None)
    loop.train(training, lambda start, count: images.batch(order.indices(start, count)))
    training.collector.read()
    everything = images.batch(order.indices(0, len(images)))["image"]
    with torch.no_grad():
        mean, log_variance = training.state.nets.E(everything)
        logits = training.state.nets.G.logits(mean + (log_variance / 2).exp() * torch.randn(mean.shape))
        share = ((everything + 1) / 2).mean(0, keepdim=True).clamp(1e-4, 1 - 1e-4)
        independent = bernoulli_nll(share.logit().expand_as(everything), (everything + 1) / 2).mean()
        likelihood = bernoulli_nll(logits, (everything + 1) / 2).mean()
        kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(1).mean() / 2
    assert kl > 1
    assert likelihood + kl < independent - 1.5


def test_quick_settings_are_arguments() -> None:
    for name in ("vae", "vae_conv", "vae_gan", "bigan"):
        catalogue.build(name, catalogue.resolve(name, {"channels": 1, "resolution": 8}, True, {}))
        assert rows_of(name)(0, 2)["image"].shape == (2, 1, 8, 8)
