"""What recipes of sounds do beyond the contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from pathlib import Path

import pytest
import torch
from tiny_runs import build, prepare, rows_of, train
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.engine.run import Run
from gantlet.errors import UserError
from gantlet.layers.griffin_lim import first_phase, griffin_lim
from gantlet.layers.spectral_pictures import SpectralPictures
from gantlet.layers.stft import framed, from_polar, istft, stft
from gantlet.recipe import Recipe
from gantlet.recipes.audio.vocoder import mel_spec
from gantlet.remedies import NAMES as REMEDIES
from gantlet.remedies import catalogue as remedial

GENERATORS = ("specgan", "specgan_2018", "wavegan", "wavegan_gp")


class Fixed(nn.Module):
    """A generator that gives the same picture for all."""

    def __init__(self, picture: Tensor) -> None:
        super().__init__()
        self.picture = nn.Parameter(picture)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        return self.picture.expand(len(z), *self.picture.shape[1:])


def with_generator(recipe: Recipe, G: nn.Module) -> nets.Networks:
    players = {**recipe.players, "G": replace(recipe.players["G"], networks={"G": G})}
    return nets.build(replace(recipe, players=players), torch.device("cpu"))


@pytest.mark.parametrize("name", ["specgan", "wavegan"])
def test_without_labels(name: str, tmp_path: Path) -> None:
    training = prepare(name, tmp_path, num_classes=0)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        return {"audio": rows_of(name)(start, count)["audio"]}

    loop.iterate(training, rows, Guard(training.device))
    sample: Callable[..., Tensor] = training.recipe.sample  # type: ignore[assignment]
    assert sample(training.state.nets.averaged, SampleDraws(0, [0, 1])).shape == (2, 1, 2048)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_signs_of_health_are_fed(name: str, tmp_path: Path) -> None:
    training = prepare(name, tmp_path)
    loop.iterate(training, rows_of(name), Guard(training.device))
    assert {"G/diversity", "D/accuracy", "D/logit_spread"} <= set(training.collector.read())


def test_specgan_makes_audible_what_its_generator_draws() -> None:
    """A generator that draws the picture of a tone gives that tone, whatever the phases drawn."""
    recipe = build("specgan", n_fft=256, hop=64, fold=2, iterations=32)
    tone = 0.5 * torch.sin(2 * torch.pi * 500 * torch.arange(2048) / 8000)[None, None]
    picture = SpectralPictures(n_fft=256, hop=64, fold=2).draw(tone)
    networks = with_generator(recipe, Fixed(picture))
    assert recipe.sample is not None
    with torch.inference_mode():
        waves = recipe.sample(networks.averaged, SampleDraws(0, [0, 1]))
    assert not torch.allclose(waves[0], waves[1], atol=1e-2)
    lines = torch.fft.rfft(waves[:, 0] * torch.hann_window(2048)).abs().argmax(1)
    assert lines.tolist() == [128, 128]  # 500 Hz


def test_specgan_2018_learns_the_statistics_of_its_data(tmp_path: Path) -> None:
    state = train("specgan_2018", tmp_path, 4)
    statistics = state.nets.statistics
    assert int(statistics.seen) >= 24
    audio = rows_of("specgan_2018")(0, 64)["audio"]
    logs = (SpectralPictures(n_fft=64, hop=32).magnitudes(audio) + 1e-6).log().transpose(0, 2).flatten(1)
    torch.testing.assert_close(statistics.mean, logs.mean(1), atol=0.3, rtol=0)
    torch.testing.assert_close(statistics.deviation, logs.std(1), atol=0.3, rtol=0)
    assert float(statistics(logs[None, None]).abs().mean()) < 0.4  # 3 deviations are 1


def remedied(name: str, remedy: str, out: Path) -> loop.Training:
    """Return the training of a tiny recipe with a remedy."""
    recipe = remedial.apply(build(name), remedial.resolve(remedial.read([remedy]), 100))
    return loop.prepare(recipe, Run(out=out, steps=1, device="cpu", precision="fp32"), {}, lambda message: None)


@pytest.mark.parametrize("remedy", REMEDIES)
@pytest.mark.parametrize("name", ["specgan", "wavegan"])
def test_a_remedy_works_on_sounds_or_refuses_in_one_sentence(name: str, remedy: str, tmp_path: Path) -> None:
    refused = ""
    try:
        training = remedied(name, remedy, tmp_path)
        loop.iterate(training, rows_of(name), Guard(training.device))
    except UserError as error:
        refused = str(error)
    if refused:
        assert name == "wavegan" or remedy in ("apa", "virtual_batch_norm"), refused
        assert len(refused.splitlines()) == 1
        return
    assert all(isfinite(value) for value in training.collector.read().values())


def test_a_remedy_sees_the_pictures_of_held_out_sounds(tmp_path: Path) -> None:
    training = remedied("specgan", "holdout", tmp_path)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        batch = rows_of("specgan")(start, count)
        return {**batch, "holdout_audio": batch["audio"].flip(-1), "holdout_label": batch["label"]}

    loop.iterate(training, rows, Guard(training.device))
    assert "D/overfitting" in training.collector.read()


@pytest.mark.parametrize("name", ["vocos", "hifigan"])
def test_vocoders_take_what_their_hearing_gives(name: str) -> None:
    recipe = build(name)
    hearing = recipe.hearing
    assert hearing is not None
    assert hearing.features is not None
    assert recipe.apply is not None
    assert recipe.example is not None
    waves = rows_of(name)(0, 2)["audio"]
    networks = nets.build(recipe, torch.device("cpu"))
    mel = hearing.features(waves)
    assert mel.shape == (2, 12, 512 // 16)
    assert torch.equal(mel, recipe.example({"audio": waves}, SampleDraws(0, [0, 1]))["inputs"])
    assert {"sample_rate", "n_fft", "hop", "mels", "low", "high"} <= set(hearing.facts)
    stereo = hearing.features(torch.cat([waves, waves.flip(-1)], dim=1))
    with torch.inference_mode(), nets.evaluating(networks):
        sound, both = recipe.apply(networks, mel), recipe.apply(networks, stereo)
    assert sound.shape == (2, 1, 512)
    assert both.shape == (2, 2, 512)
    torch.testing.assert_close(both[:, :1], sound, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), [("vocos", {}), ("vocos", {"iterations": 2}), ("hifigan", {})])
def test_a_long_mel_may_be_cut_with_the_margin_that_is_stated(name: str, options: dict[str, int]) -> None:
    recipe = build(name, **options)
    assert recipe.hearing is not None
    assert recipe.hearing.features is not None
    assert recipe.apply is not None
    margin, hop = recipe.hearing.margin, recipe.hearing.multiple
    assert margin % hop == 0
    networks = nets.build(recipe, torch.device("cpu"))
    wave = torch.rand(1, 1, 4 * margin + 64 * hop, generator=torch.Generator().manual_seed(0)) - 0.5
    start = 2 * margin  # a piece: 32 hops in the middle, the margin around them
    piece = wave[..., start - margin : start + 32 * hop + margin]
    with torch.inference_mode(), nets.evaluating(networks):
        whole = recipe.apply(networks, recipe.hearing.features(wave))
        part = recipe.apply(networks, recipe.hearing.features(piece))
    inner = part[..., margin : margin + 32 * hop]
    torch.testing.assert_close(inner, whole[..., start : start + 32 * hop], atol=1e-5, rtol=1e-4)


def test_vocos_begins_with_what_griffin_lim_reaches() -> None:
    recipe = build("vocos", iterations=3)
    assert recipe.hearing is not None
    assert recipe.hearing.features is not None
    assert recipe.apply is not None
    networks = nets.build(recipe, torch.device("cpu"))
    nn.init.zeros_(networks.G.head.weight)
    wave = torch.rand(2, 1, 640, generator=torch.Generator().manual_seed(0)) - 0.5
    mel = recipe.hearing.features(wave)
    with torch.inference_mode(), nets.evaluating(networks):
        made = recipe.apply(networks, mel)
    spec = mel_spec(8000, 64, 16, 12, 0.0, None, htk=True, floor=1e-7)
    magnitudes, padding = spec.to_magnitudes(mel[:, None]).clamp_min(1e-5), framed(64, 16)
    phase = first_phase(magnitudes[..., :1]).expand_as(magnitudes)
    heard = griffin_lim(magnitudes, 64, 16, 640, 3, phase=phase, padding=padding)
    expected = from_polar(magnitudes, stft(heard, 64, 16, padding).angle())
    torch.testing.assert_close(made, istft(expected, 64, 16, padding=padding), atol=1e-5, rtol=1e-4)
    nn.init.normal_(networks.G.head.weight)  # and it is learnt on: a gradient passes
    networks.G(mel).square().sum().backward()
    assert float(networks.G.embed.weight.grad.abs().sum()) > 0


def test_a_vocoder_warms_up_without_discriminators(tmp_path: Path) -> None:
    training = prepare("vocos", tmp_path, warm_up=4)
    guard = Guard(training.device)
    loop.iterate(training, rows_of("vocos"), guard)
    assert not any(name.startswith("D/") for name in training.collector.read())
    loop.iterate(training, rows_of("vocos"), guard)
    assert "D/adversarial" in training.collector.read()
