"""Recipes that take noise off speech: what they mix, what D learns, any length, pieces, strength."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tiny_runs import arguments, build, prepare, train
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import nets
from gantlet.metrics.speech import si_sdr
from gantlet.recipe import Nets, Recipe
from gantlet.recipes.audio import speech_enhance
from gantlet.recipes.audio.enhancement import Mixing, damaged_speech
from gantlet.recipes.audio.speech_enhance import Pace, Shape, Weights, compressed, enhancement, normalised_si_sdr

NAMES = ("speech_enhance", "speech_enhance_stoi", "segan")


def networks_of(recipe: Recipe) -> Nets:
    networks = nets.build(recipe, torch.device("cpu"))
    for module in networks.modules.values():
        module.eval()
    return networks


def batch_of(length: int = 4096, count: int = 4) -> dict[str, Tensor]:
    t = torch.arange(length) / 8000
    tone = torch.sin(2 * torch.pi * 300 * t) * (torch.sin(2 * torch.pi * 3 * t) > 0)
    noise = torch.randn(count, 1, length, generator=torch.Generator().manual_seed(1))
    return {"audio": 0.3 * tone.expand(count, 1, -1), "noise": noise}


def test_mixtures_have_drawn_ratios_and_some_are_clean() -> None:
    batch, draws = batch_of(8000, 400), SampleDraws(0, range(400))
    noisy, clean = Mixing(8000, -5.0, 20.0, clean_share=0.1)(batch, draws)
    added = (noisy - clean).square().mean((1, 2))
    ratio = 10 * (0.045 / added[added > 0]).log10()  # a tone of .3: power .045 where it sounds
    assert ratio.min() > -5.5  # the power of a draw of noise, and of frames cut by the tone
    assert ratio.max() < 20.5
    assert 15 < (added == 0).sum() < 70
    assert abs(ratio.mean() - 7.5) < 1.5
    again, _ = Mixing(8000, -5.0, 20.0, clean_share=0.1)({k: v[7:8] for k, v in batch.items()}, SampleDraws(0, [7]))
    torch.testing.assert_close(again, noisy[7:8])
    loud, quiet = Mixing(8000, 10.0, 10.0, gain_low=-6.0206, gain_high=-6.0206)(batch, draws)
    torch.testing.assert_close(quiet, 0.5 * batch["audio"], atol=1e-5, rtol=0)
    assert (loud - quiet).abs().mean() > 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("length", [1, 100, 2048, 5003])
def test_apply_takes_any_length_and_channel(name: str, length: int) -> None:
    recipe = build(name)
    networks, waves = networks_of(recipe), torch.rand(2, 3, length) - 0.5
    with torch.inference_mode():
        made = recipe.apply(networks, waves)
        assert made.shape == waves.shape
        torch.testing.assert_close(recipe.apply(networks, waves[1:, 2:]), made[1:, 2:], atol=1e-5, rtol=1e-4)
        assert torch.equal(recipe.apply(networks, waves, strength=0.0), waves)
        half = recipe.apply(networks, waves, strength=0.5)
    torch.testing.assert_close(half, (waves + made) / 2)


@pytest.mark.parametrize("name", ["speech_enhance", "speech_enhance_stoi"])
def test_the_margin_is_all_that_a_piece_depends_on(name: str) -> None:
    recipe = build(name)
    hearing, networks = recipe.hearing, networks_of(recipe)
    assert hearing.sample_rate == 8000
    margin, wave = hearing.margin, torch.rand(1, 1, 60 * hearing.multiple + 2 * hearing.margin) - 0.5
    with torch.inference_mode():
        whole = recipe.apply(networks, wave)
        start = 20 * hearing.multiple
        piece = recipe.apply(networks, wave[..., start : start + 2 * margin + 5 * hearing.multiple])
    inner = slice(margin, margin + 5 * hearing.multiple)
    torch.testing.assert_close(piece[..., inner], whole[..., start:][..., inner], atol=1e-5, rtol=1e-4)
    assert margin % hearing.multiple == 0


def test_margin_of_segan_is_whole() -> None:
    hearing = build("segan").hearing
    assert hearing.multiple == 64
    assert hearing.margin % 64 == 0


def test_si_sdr_as_a_quality() -> None:
    s, n = torch.tensor([[1.0, -1, 1, -1]]), torch.tensor([[1.0, 1, -1, -1]])
    for added, wanted in ((0.1, 0.75), (1.0, 0.25), (10.0, 0.0), (0.0, 1.0), (1e-3, 1.0)):
        assert normalised_si_sdr(s + added * n, s) == pytest.approx(wanted, abs=1e-3)
    assert normalised_si_sdr(s, 0 * s).isnan().all()


def test_compression_keeps_the_direction() -> None:
    x = torch.tensor([3 + 4j, 0j])
    made = compressed(x, 0.5, 0.0 + 1e-12)
    torch.testing.assert_close(made[0], x[0] / 5 * 5**0.5, atol=1e-5, rtol=0)
    x.requires_grad_()
    compressed(x, 0.3).abs().square().sum().backward()
    assert torch.isfinite(x.grad.abs()).all()


def run(metric: Any, steps: int = 40, **weights: float) -> dict[str, float]:
    """Train D of a tiny recipe against a metric and return the statistics of the last step."""
    from gantlet.engine import loop
    from gantlet.engine.health import Guard
    from gantlet.engine.run import Run

    torch.manual_seed(0)
    mix = Mixing(8000, -5.0, 20.0)
    parts = Weights(0.1, 0.9, 0.2, weights.get("adversarial", 0.05), int(weights.get("start", 0)))
    recipe = enhancement(metric, Shape(8000, 0.3, (4, 6), 8, 2, 4), mix, parts, Pace(5e-4, 3e-3, None, 5.0, 4, 100))
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        options = Run(out=Path(folder), steps=steps, device="cpu", precision="fp32")
        training = loop.prepare(recipe, options, {}, lambda message: None)
        errors = []
        for _ in range(steps):
            loop.iterate(training, lambda start, count: batch_of(count=count), Guard(training.device))
            errors.append(training.collector.read())
    known = [e["D/error"] for e in errors if "D/error" in e]
    return {"first": known[0], "last": sum(known[-5:]) / 5, "all": len(known), **errors[-1]}


def test_d_learns_the_metric_it_is_given() -> None:
    """1 for clean speech and .3 for everything else: D's error falls to a fraction of its first."""
    found = run(lambda estimate, reference: torch.full_like(estimate[:, 0], 0.3))
    assert found["last"] < 0.6 * found["first"]


def test_an_unknown_quality_teaches_d_nothing() -> None:
    found = run(lambda estimate, reference: torch.full_like(estimate[:, 0], math.nan), steps=2)
    assert math.isfinite(found["D/adversarial"])
    assert math.isfinite(found["G/adversarial"])


def test_d_and_its_verdict_begin_at_their_start() -> None:
    found = run(lambda estimate, reference: torch.full_like(estimate[:, 0], 0.3), steps=4, start=12)  # batches of 4
    assert found["all"] == 1
    assert math.isfinite(found["G/adversarial"])


def test_without_adversarial_weight_there_is_no_d() -> None:
    recipe = build("speech_enhance", adversarial_weight=0.0)
    assert set(recipe.players) == {"G"}
    assert len(recipe.phases) == 1


def test_it_learns_to_enhance(tmp_path: Any) -> None:
    """A tone in white noise: after a few steps the estimate is nearer to it than the mixture."""
    changes = dict(snr_low=0.0, snr_high=5.0, clean_share=0.0, lr=5e-3, adversarial_weight=0.0, time_weight=1.0)
    state = train("speech_enhance", tmp_path, 60, **changes)
    recipe = build("speech_enhance", **changes)
    batch = batch_of()
    networks = networks_of(recipe)
    networks.modules["G"].load_state_dict(state.nets.modules["G"].state_dict())
    from tiny_runs import rows_of

    clean = rows_of("speech_enhance")(1000, 4)["audio"]
    noisy = clean + 0.3 * batch["noise"][:, :, : clean.shape[2]] * clean.square().mean().sqrt()
    with torch.inference_mode():
        made = recipe.apply(networks, noisy)
    gain = si_sdr(made[:, 0], clean[:, 0]) - si_sdr(noisy[:, 0], clean[:, 0])
    assert gain.mean() > 1


def test_the_quick_settings_build_and_say_what_they_are() -> None:
    for name in ("speech_enhance", "speech_enhance_stoi"):
        assert set(speech_enhance.QUICK[name]) <= set(arguments(name))


def test_virtual_batch_norm_keeps_the_first_batch(tmp_path: Any) -> None:
    state = train("segan", tmp_path, 2)
    kept = state.nets.modules["reference"]
    assert bool(kept.filled)
    assert kept.rows.shape == (2, 2, 2048)
    assert kept.rows.abs().max() > 0
    assert prepare("segan", tmp_path).state.nets.modules["reference"].rows.equal(kept.rows)


def test_the_sign_of_damaged_speech() -> None:
    assert damaged_speech({"G/si_sdr_improvement": -3.0}) is not None
    assert damaged_speech({"G/si_sdr_improvement": 5.0}) is None
    assert damaged_speech({}) is None
