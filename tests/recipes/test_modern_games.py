"""What r3gan, mmd_gan and infogan have of their own: shared passes, schedules, hand-computed terms, codes."""

from __future__ import annotations

from math import cos, log, pi
from pathlib import Path

import pytest
import torch
from tiny_runs import build, prepare, rows_of, step
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.engine.progress import Counters, Progress
from gantlet.engine.stats import Collector
from gantlet.losses.kernels import rational_quadratic, unbiased_mmd2, witness
from gantlet.losses.penalties import gradient_norm_squared, interpolated_gradient_penalty
from gantlet.networks import r3gan as networks
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.images.infogan import Codes
from gantlet.recipes.images.mmd_gan import mean_squares, rank_hinge
from gantlet.recipes.images.r3gan import PRESETS, cosine, judge_with_gradients

CPU = torch.device("cpu")


def at(samples: int = 0, collector: Collector | None = None) -> Progress:
    return Progress(Counters(samples=samples), 0, CPU, collector, "D", rows=(0, 8, 8))


def random(network: nn.Module) -> nn.Module:
    """Return a network away from its start, where blocks do nothing and biases are 0."""
    torch.manual_seed(1)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.3)
    return network


def terms_of(recipe: Recipe, number: int, case: str) -> tuple[dict[str, Tensor], nets.Networks]:
    """Return the loss terms of one phase on the first rows, and the networks they are of."""
    phase, networks_of = recipe.phases[number], nets.build(recipe, CPU)
    terms = phase.loss(networks_of, rows_of(case)(0, 8), at())
    return {name: term.detach() for name, term in terms.items()}, networks_of


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_classes", [0, 3])
def test_one_pass_gives_the_logits_and_gradients_of_many(num_classes: int, precision: torch.dtype) -> None:
    D = random(networks.Discriminator(1, 8, 8, num_classes, 4, 1, 4))
    real, fake = torch.randn(2, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    y = torch.tensor([0, 2, 1, 1]) if num_classes else None
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == torch.bfloat16):
        found = judge_with_gradients(D, real, fake, y)
        r1, r2 = (gradient_norm_squared(lambda x: D(x, y), x) for x in (real, fake))
    for shared, alone in zip(found, (D(real, y), D(fake, y), r1, r2), strict=True):
        torch.testing.assert_close(shared, alone, rtol=1e-4, atol=1e-5)
        assert shared.dtype == torch.float32  # the penalties, and so the pass they share, never run in bfloat16
    (r1 + r2).sum().backward()
    wanted = [p.grad.clone() for p in D.parameters() if p.grad is not None]
    D.zero_grad()
    (found[2] + found[3]).sum().backward()
    gradients = [p.grad for p in D.parameters() if p.grad is not None]
    for ours, theirs in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_terms_of_r3gans_discriminator() -> None:
    """softplus(D(fake) - D(real)) per pair, and gamma / 2 times each penalty (Huang 2024, Eq. 7 and section 3.2)."""
    recipe = build("r3gan", gamma=3.0)
    random(recipe.players["D"].networks["D"])
    terms, found = terms_of(recipe, 0, "r3gan")
    batch = rows_of("r3gan")(0, 8)
    real, y, D = batch["image"], batch["label"], found.D
    fake = found.G(at().normal("z", 8), y).detach()
    pairs = zip(D(fake, y).tolist(), D(real, y).tolist(), strict=True)
    by_hand = sum(log(1 + 2.718281828459045 ** (f - r)) for f, r in pairs) / 8
    assert float(terms["adversarial"]) == pytest.approx(by_hand, rel=1e-4)
    for name, x in (("r1", real), ("r2", fake)):
        squares = gradient_norm_squared(lambda x: D(x, y), x).detach()
        assert float(terms[name]) == pytest.approx(3 / 2 * float(squares.mean()), rel=1e-4)


def test_cosines() -> None:
    """From the first to the last value over half a cosine, then constant: half way at half the time."""
    assert [cosine(2.0, 1.0, done) for done in (0, 0.5, 1, 7)] == pytest.approx([2, 1.5, 1, 1])
    assert cosine(0.9, 0.99, 0.25) == pytest.approx(0.99 - 0.09 * (1 + cos(pi / 4)) / 2)
    for player in build("r3gan", lr=2e-4, lr_end=5e-5, decay_samples=1000).players.values():
        assert player.schedule is not None
        start, middle, end = (player.schedule(at(samples)) for samples in (0, 500, 5000))
        assert [s["lr"] for s in (start, middle, end)] == pytest.approx([2e-4, 1.25e-4, 5e-5])
        assert start["betas"] == (0.0, pytest.approx(0.9))
        assert middle["betas"] == (0.0, pytest.approx(0.945))
        assert end["betas"] == (0.0, pytest.approx(0.99))


def test_gamma_falls_along_the_cosine() -> None:
    recipe = build("r3gan", gamma=2.0, gamma_end=0.5, decay_samples=1000)
    found, batch = nets.build(recipe, CPU), rows_of("r3gan")(0, 8)
    random(found.D)
    losses = [recipe.phases[0].loss(found, batch, at(samples)) for samples in (0, 500, 1000)]
    penalties = [float(terms["r1"].detach()) for terms in losses]
    assert [value / penalties[0] for value in penalties] == pytest.approx([1, 0.625, 0.25], rel=1e-4)


def test_the_defaults_are_those_of_cifar10_and_every_preset_is_accepted() -> None:
    facts = {"channels": 3}
    default = catalogue.resolve("r3gan", facts, False, {})
    assert {**default, "num_classes": 10} == catalogue.resolve("r3gan", facts, False, PRESETS["cifar10"])
    for preset in PRESETS.values():
        assert set(preset) <= set(default)


def test_samples_of_r3gan_are_cut_to_the_range() -> None:
    recipe = build("r3gan")
    found = nets.build(recipe, CPU)
    with torch.no_grad():
        found.averaged.G.out.weight.mul_(100)
    pictures = recipe.sample(found.averaged, SampleDraws(0, range(4)), label=torch.tensor([0, 1, 2, 0]))
    assert float(pictures.detach().abs().max()) == 1.0
    assert 0.0 < float((pictures.detach().abs() < 1).float().mean()) < 1.0


def test_terms_of_the_mmd_critic() -> None:
    """Minus the unbiased MMD^2; (|grad witness| - 1)^2 between real and fake; the mean squares of both batches."""
    recipe = build("mmd_gan", scales=[0.5, 2.0], linear=0.3, gp_weight=2.0, activation_weight=0.7)
    random(recipe.players["D"].networks["D"])
    terms, found = terms_of(recipe, 0, "mmd_gan")
    kernel, D, real = rational_quadratic([0.5, 2.0], 0.3), found.D, rows_of("mmd_gan")(0, 8)["image"]
    fake = found.G(at().uniform("z", 8) * 2 - 1).detach()
    codes = D(real).detach(), D(fake).detach()
    assert float(terms["adversarial"]) == pytest.approx(-float(unbiased_mmd2(kernel, *codes)), rel=1e-3, abs=1e-5)
    penalty = interpolated_gradient_penalty(lambda x: witness(kernel, D(x), *codes), real, fake, at().uniform("mix"))
    assert float(terms["penalty"]) == pytest.approx(2 * float(penalty.detach().mean()), rel=1e-3)
    squares = sum(float(layer.detach().square().mean()) for x in (real, fake) for layer in D.layers(x))
    assert float(terms["activation"]) == pytest.approx(0.7 * squares, rel=1e-4)
    of_g, _ = terms_of(recipe, 1, "mmd_gan")
    assert set(of_g) == {"adversarial"}


def test_mean_squares_by_hand() -> None:
    layers = [torch.tensor([[1.0, 3.0], [0.0, 2.0]]), torch.tensor([[[2.0]], [[4.0]]])]
    assert mean_squares(layers).tolist() == [5 + 4, 2 + 16]


def test_the_rank_hinge_looks_at_one_side_only() -> None:
    """Means of real 1 and 0, of fake 0 and 2: only the second feature is on the wrong side, by 2; the mean is -1."""
    real, fake = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, 3.0]])
    assert float(rank_hinge(real, fake)) == -1.0
    assert float(rank_hinge(fake, real)) == -0.5


def test_only_the_encoder_is_clipped(tmp_path: Path) -> None:
    training = prepare("mmd_gan_2017", tmp_path, clip=0.003)
    D = training.state.nets.modules["D"]
    for _ in range(2):
        assert max(float(p.detach().abs().max()) for p in D.encoder.parameters()) == pytest.approx(0.003)
        assert max(float(p.detach().abs().max()) for p in D.decoder.parameters()) > 0.5  # gains near 1
        step(training, 0, "mmd_gan_2017")


def test_terms_of_the_autoencoder() -> None:
    """D: minus the root of MMD^2, minus the hinge, plus 8 times the mean square error of both; G: the first two."""
    recipe = build("mmd_gan_2017")
    terms, found = terms_of(recipe, 0, "mmd_gan_2017")
    real = rows_of("mmd_gan_2017")(0, 8)["image"]
    fake = found.G(at().normal("z", 8)).detach()
    errors = sum(float((found.D(x)[1] - x).detach().square().mean()) for x in (real, fake))
    assert float(terms["rebuild"]) == pytest.approx(8 * errors, rel=1e-3)
    assert float(terms["adversarial"]) < 0 <= float(terms["hinge"])
    of_g, _ = terms_of(recipe, 1, "mmd_gan_2017")
    assert float(of_g["adversarial"]) > 0 >= float(of_g["hinge"])


def test_codes_are_drawn_evenly_per_sample_and_can_be_set() -> None:
    drawn = Codes(SampleDraws(0, range(3000)), latent_dim=4, codes=3, continuous=2)
    assert torch.bincount(drawn.code).tolist() == pytest.approx([1000] * 3, abs=100)
    assert float(drawn.values.min()) >= -1
    assert float(drawn.values.max()) < 1
    joined = drawn.joined()
    assert joined.shape == (3000, 4 + 3 + 2)
    assert torch.equal(joined[:, 4:7].argmax(1), drawn.code)
    noise, first = drawn.noise.clone(), drawn.values[:, 0].clone()
    drawn.fixed(2, [None, 0.5])
    assert set(drawn.code.tolist()) == {2}
    assert set(drawn.values[:, 1].tolist()) == {0.5}
    assert torch.equal(drawn.values[:, 0], first)
    assert torch.equal(drawn.noise, noise)


def test_samples_take_codes_and_refuse_others() -> None:
    recipe = build("infogan")
    found = nets.build(recipe, CPU).averaged
    with torch.inference_mode(), nets.evaluating(found):
        one, two = (recipe.sample(found, SampleDraws(0, range(4)), code=code, values=[0.0, 0.0]) for code in (0, 1))
        alone = recipe.sample(found, SampleDraws(0, [2]), code=1, values=[0.0, 0.0])
        assert not torch.allclose(one, two)
        torch.testing.assert_close(two[2:3], alone, rtol=1e-5, atol=1e-5)
        with pytest.raises(ValueError, match=r"one of 0 \.\. 2, not 3"):
            recipe.sample(found, SampleDraws(0, [0]), code=3)
        with pytest.raises(ValueError, match="2 numbers"):
            recipe.sample(found, SampleDraws(0, [0]), values=[0.5])


def test_labels_are_the_code_of_ss_infogan_and_are_read_off_real_pictures_too() -> None:
    recipe = build("ss_infogan", class_weight=0.5)
    found, batch = nets.build(recipe, CPU), rows_of("ss_infogan")(0, 8)
    terms = recipe.phases[0].loss(found, batch, at())
    real = -found.D(batch["image"])[1].log_softmax(1)[torch.arange(8), batch["label"]].mean().detach()
    assert float(terms["class"].detach()) == pytest.approx(0.5 * float(real), rel=1e-4)
    averaged = found.averaged
    with torch.inference_mode(), nets.evaluating(averaged):
        labels = torch.tensor([0, 1, 2, 0])
        made = recipe.sample(averaged, SampleDraws(0, range(4)), labels)
        other = recipe.sample(averaged, SampleDraws(0, range(4)), labels.roll(1))
        assert torch.allclose(made, recipe.sample(averaged, SampleDraws(0, range(4)), labels))
        assert not torch.allclose(made, other)


def test_information_is_the_likelihood_of_the_codes_that_were_given() -> None:
    """-log q(c) of the categorical code, and half the squared error of the others, each times its lambda."""
    recipe = build("infogan", code_weight=0.5, continuous_weight=0.1)
    collector = Collector()
    found, batch = nets.build(recipe, CPU), rows_of("infogan")(0, 8)
    terms = recipe.phases[1].loss(found, batch, at(collector=collector))
    drawn = Codes(at(), 8, 3, 2)
    _, class_logits, means = found.D(found.G(drawn.joined()))
    log_q = class_logits.log_softmax(1)[torch.arange(8), drawn.code].detach()
    squares = (drawn.values - means).square().sum(1).mean().detach()
    assert float(terms["code"].detach()) == pytest.approx(-0.5 * float(log_q.mean()), rel=1e-4)
    assert float(terms["continuous"].detach()) == pytest.approx(0.05 * float(squares), rel=1e-4)
    assert collector.read()["D/code_information"] == pytest.approx(log(3) + float(log_q.mean()), rel=1e-3)


def test_infogan_learns_to_write_its_code_into_the_picture(tmp_path: Path) -> None:
    """After 200 steps the bound on the mutual information is most of log 3 = 1.10 nats; at first it is about 0."""
    training = prepare("infogan", tmp_path, g_lr=2e-3, d_lr=2e-3, batch_size=32)
    rows = rows_of("infogan", batch_size=32)
    stored = rows(0, 64)
    bounds = []
    for number in range(200):
        loop.iterate(training, lambda start, count: {k: v[:count] for k, v in stored.items()}, Guard(CPU))
        if number in (0, 199):
            bounds.append(training.collector.read()["G/code_information"])
        elif number == 190:
            training.collector.read()
    assert bounds[0] < 0.3
    assert bounds[1] > 0.8


def test_r3gan_learns_the_mean_picture_of_each_class(tmp_path: Path) -> None:
    """Three classes of one noisy gradient each: samples of a class come to lie near its own mean, not another's."""
    training = prepare("r3gan", tmp_path, lr=3e-3, lr_end=3e-3, beta2=0.99, batch_size=32, average_halflife=500)
    stored = rows_of("r3gan", batch_size=32)(0, 96)
    rows = lambda start, count: {k: v[torch.arange(start, start + count) % 96] for k, v in stored.items()}  # noqa: E731
    for _ in range(250):
        loop.iterate(training, rows, Guard(CPU))
    means = torch.stack([stored["image"][stored["label"] == y].mean(0) for y in range(3)])
    y = torch.arange(60) % 3
    with torch.inference_mode():
        samples = training.recipe.sample(training.state.nets.averaged, SampleDraws(0, range(60)), label=y)
    nearest = torch.cdist(samples.flatten(1), means.flatten(1)).argmin(1)
    assert float((nearest == y).float().mean()) > 0.9
