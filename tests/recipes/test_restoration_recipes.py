"""Recipes that restore pictures keep the contract of recipes, and do what they promise to an input."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_runs import copies, freeze_batch_statistics, named_parameters, same
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.engine.progress import Counters, Progress, due
from gantlet.engine.run import Run
from gantlet.engine.state import State
from gantlet.errors import UserError
from gantlet.layers.degradations import upscale
from gantlet.networks.noise_model import NoiseModel
from gantlet.recipe import Recipe
from gantlet.recipes import catalogue
from gantlet.recipes.translation.degrading import bicubic, second_order
from gantlet.recipes.translation.denoise import noise

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "srgan": ("srgan", {}),
    "srgan without norms": ("srgan", dict(norm=False, direct=True, unet=True)),
    "srgan of patches": ("srgan", dict(norm=False, direct=True, d_stages=2)),
    "esrgan": ("srgan", dict(rrdb=True, relativistic=True, adversarial_weight=1.0)),
    "real esrgan": ("srgan", dict(rrdb=True, unet=True, second_order_degradation=True, scale=4)),
    "srresnet": ("srgan", dict(adversarial_weight=0.0)),
    "denoise": ("denoise", {}),
    "denoise blind": ("denoise", dict(sigma=55.0, sigma_least=0.0, norm=False, adversarial_weight=0.0)),
    "denoise in blocks": ("denoise", dict(shrink=2)),
    "denoise all": ("denoise", dict(events=30.0, multiplicative=0.1, looks=4, salt_and_pepper=0.05, clip=True)),
    "denoise_unpaired": ("denoise_unpaired", {}),
    "inpaint": ("inpaint", dict(marks=1.0, halves=1.0)),
    "inpaint filled": ("inpaint", dict(filled=True, refine=True)),
    "inpaint in two stages": ("inpaint", dict(refine=True, feature_weight=1.0)),
    "inpaint with fourier": ("inpaint", dict(fourier=True, fourier_blocks=1)),
    "context_encoder": ("context_encoder", {}),
}
OF_THE_WHOLE_BATCH = {"esrgan": 1, "denoise_unpaired": 2}  # the phase whose loss is of the batch as one


def name_of(case: str) -> str:
    return CASES[case][0]


def arguments(case: str, **changes: Any) -> dict[str, Any]:
    """Return a case's keyword arguments as run.json gives them back."""
    tiny = {**catalogue.tiny_settings(name_of(case)), **CASES[case][1], **changes}
    return dict(json.loads(json.dumps(catalogue.resolve(name_of(case), tiny, False, tiny))))


def build(case: str, seed: int = 0, **changes: Any) -> Recipe:
    torch.manual_seed(seed)
    return catalogue.build(name_of(case), arguments(case, **changes))


def rows_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): noisy gradients, each sample a function of its position alone."""
    given = arguments(case, **changes)
    channels = given.get("channels") or given["source_channels"]
    side = given["resolution"]
    height, width = (side, side) if isinstance(side, int) else side
    slope = torch.linspace(-1, 1, height)[:, None] * torch.linspace(-1, 1, width)

    def one(key: int) -> Tensor:
        noise = torch.rand(channels, height, width, generator=torch.Generator().manual_seed(key)) - 0.5
        return slope * (key % 3 - 1) * 0.5 + noise

    def rows(start: int, count: int) -> dict[str, Tensor]:
        names = ("source", "target") if name_of(case) == "denoise_unpaired" else ("image",)
        return {
            name: torch.stack([one(2 * position + i) for position in range(start, start + count)])
            for i, name in enumerate(names)
        }

    return rows


def prepare(case: str, out: Path, seed: int = 0, run: dict[str, Any] | None = None, **changes: Any) -> loop.Training:
    options = {"steps": 1, "device": "cpu", "precision": "fp32", **(run or {})}
    return loop.prepare(build(case, seed, **changes), Run(out=out, **options), {}, lambda message: None)


def step(training: loop.Training, number: int, case: str) -> None:
    progress = Progress(training.counters, training.run.seed, training.device, training.collector)
    phase = training.recipe.phases[number]
    loop.step_phase(training, phase, f"{number}.0", rows_of(case), 0, progress, Guard(training.device))


def train(case: str, out: Path, steps: int, seed: int = 0, **changes: Any) -> State:
    return loop.train(prepare(case, out, seed, {"steps": steps}, **changes), rows_of(case, **changes))


def networks_of(recipe: Recipe) -> Any:
    return nets.build(recipe, torch.device("cpu"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("case", CASES)
def test_it_builds_and_every_loss_term_is_finite(case: str, precision: str, tmp_path: Path) -> None:
    training = prepare(case, tmp_path, run={"precision": precision})
    assert {phase.player for phase in training.recipe.phases} == set(training.recipe.players)
    assert training.recipe.sample is None
    loop.iterate(training, rows_of(case), Guard(training.device))
    statistics = training.collector.read()
    assert all(torch.isfinite(torch.tensor(value)) for value in statistics.values()), statistics
    assert all(statistics[f"{player}/gradient_norm"] > 0 for player in training.recipe.players)
    tensors = [tensor for file in training.state.tensors().values() for tensor in file.values()]
    assert all(torch.isfinite(tensor).all() and tensor.dtype != torch.bfloat16 for tensor in tensors)


@pytest.mark.parametrize("case", CASES)
def test_each_phase_teaches_all_of_its_own_player_and_nobody_else(case: str, tmp_path: Path) -> None:
    training = prepare(case, tmp_path)
    names = {player: set(named_parameters(training, player)) for player in training.recipe.players}
    silent = {f"{player}/{name}" for player in names for name in names[player]}
    for _ in range(3):
        for number, phase in enumerate(training.recipe.phases):
            before = {player: copies(named_parameters(training, player)) for player in names}
            step(training, number, case)
            for player in set(names) - {phase.player}:
                now = named_parameters(training, player)
                assert all(torch.equal(now[name], value) for name, value in before[player].items())
            for name, parameter in named_parameters(training, phase.player).items():
                if parameter.grad is not None and bool((parameter.grad != 0).any()):
                    silent.discard(f"{phase.player}/{name}")
    # One cancels in a hinge while all logits are within the margins, the other in differences of logits (ESRGAN's).
    assert silent <= {"D/D.logit.bias", "D/D.head.3.bias"}


@pytest.mark.parametrize("case", CASES)
def test_two_halves_of_a_batch_give_the_gradients_of_the_whole(case: str, tmp_path: Path) -> None:
    for number in range(len(build(case).phases)):
        found = []
        for accumulate in (1, 2):
            training = prepare(case, tmp_path, run={"accumulate": accumulate})
            freeze_batch_statistics(training)
            step(training, number, case)
            named = named_parameters(training, training.recipe.phases[number].player)
            found.append({name: p.grad.clone() for name, p in named.items() if p.grad is not None})
        worst = max(float((found[0][name] - found[1][name]).abs().max()) for name in found[0])
        scale = max(float(value.abs().max()) for value in found[0].values())
        if OF_THE_WHOLE_BATCH.get(case) == number:
            assert worst > 1e-7 * scale, (number, worst, scale)
        else:
            assert worst <= 5e-6 * max(scale, 1)


@pytest.mark.parametrize("case", ["srgan", "denoise", "inpaint", "inpaint filled", "context_encoder"])
def test_without_an_adversarial_weight_there_is_no_discriminator(case: str, tmp_path: Path) -> None:
    """G begins as it does beside a D, and has the rest of its loss."""
    training, beside = prepare(case, tmp_path, adversarial_weight=0.0), build(case).players["G"]
    assert set(training.recipe.players) == {phase.player for phase in training.recipe.phases} == {"G"}
    begun = {f"{name}.{key}": p for name, net in beside.networks.items() for key, p in net.named_parameters()}
    assert all(torch.equal(value, begun[key]) for key, value in named_parameters(training, "G").items())
    loop.iterate(training, rows_of(case), Guard(training.device))
    statistics = training.collector.read()
    assert statistics["G/pixels"] > 0
    assert not {name for name in statistics if name.startswith("D/") or name.endswith("/adversarial")}


def test_matched_features_keep_the_discriminator_they_are_of(tmp_path: Path) -> None:
    training = prepare("inpaint", tmp_path, adversarial_weight=0.0, feature_weight=1.0)
    assert set(training.recipe.players) == {"G", "D"}
    loop.iterate(training, rows_of("inpaint"), Guard(training.device))
    statistics = training.collector.read()
    assert {"G/features", "D/adversarial"} <= set(statistics)
    assert "G/adversarial" not in statistics


@pytest.mark.parametrize("case", [*sorted({name_of(case) for case in CASES}), "real esrgan", "inpaint with fourier"])
def test_a_resumed_run_is_the_run_bit_for_bit(case: str, tmp_path: Path) -> None:
    whole = train(case, tmp_path / "whole", 4)
    train(case, tmp_path / "parts", 2)
    torch.manual_seed(99)
    assert same(whole, train(case, tmp_path / "parts", 4, seed=1)) == []


@pytest.mark.parametrize("case", [case for case in CASES if name_of(case) != "denoise_unpaired"])
def test_colour_that_is_not_square(case: str, tmp_path: Path) -> None:
    changes = dict(channels=3, resolution=[16, 24])
    training = prepare(case, tmp_path, **changes)
    loop.iterate(training, rows_of(case, **changes), Guard(training.device))
    assert applied(training.recipe, rows_of(case, **changes)(0, 2)["image"]).shape[:2] == (2, 3)


def applied(recipe: Recipe, inputs: Tensor, **options: Any) -> Tensor:
    assert recipe.apply is not None
    networks = networks_of(recipe)
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        return recipe.apply(networks.averaged, inputs, **options)


@pytest.mark.parametrize("case", CASES)
def test_apply_keeps_its_promises(case: str) -> None:
    """Shape, range and precision; a picture's result does not depend on its neighbours in the batch."""
    recipe = build(case)
    tiling = recipe.tiling
    torch.manual_seed(1)
    fixed = case == "context_encoder"
    height, width = (8, 8) if fixed else (12, 20)
    inputs = torch.rand(3, 1, height, width) * 2 - 1
    options = {"mask": (torch.rand(3, 1, height, width) < 0.3).float()} if "inpaint" in case else {}
    out = applied(recipe, inputs, **options)
    scale = tiling.scale if tiling is not None else 1
    assert scale == (arguments(case)["scale"] if name_of(case) == "srgan" else 1)
    assert out.shape == (3, 1, height * scale, width * scale)
    assert out.dtype == torch.float32
    assert float(out.abs().max()) <= 1
    one = applied(recipe, inputs[1:2], **{name: value[1:2] for name, value in options.items()})
    torch.testing.assert_close(one, out[1:2], rtol=1e-5, atol=1e-5)
    assert (tiling is None) == (case in ("context_encoder", "inpaint with fourier"))


def test_srgan_content_first_then_the_game() -> None:
    recipe = build("srgan", warm_up=100)
    active = [
        [phase.player for phase in recipe.phases if due(phase, Counters(samples=samples))] for samples in (0, 99, 100)
    ]
    assert active == [["G"], ["G"], ["D", "G"]]
    alone = build("srresnet", warm_up=100)
    assert list(alone.players) == ["G"]
    assert due(alone.phases[0], Counters(samples=10**9))


def test_srgan_has_one_discriminator() -> None:
    with pytest.raises(UserError, match="set d_stages to 0"):
        build("srgan", unet=True, d_stages=2)


def test_srgan_learning_rate_falls_in_both_stages() -> None:
    recipe = build("srgan", warm_up=100, lr=1e-3, lr_last=0.1, adversarial_lr=5e-4, adversarial_lr_drop=50)
    schedule = recipe.players["G"].schedule
    assert schedule is not None
    at = [schedule(Progress(Counters(samples=s), 0, torch.device("cpu")))["lr"] for s in (0, 50, 100, 149, 150)]
    assert at == pytest.approx([1e-3, 5.5e-4, 5e-4, 5e-4, 5e-5])


def test_degradations_are_small_clipped_and_of_one_sample_alone() -> None:
    torch.manual_seed(0)
    image = torch.rand(4, 3, 32, 48) * 2 - 1
    for degrade in (bicubic, second_order):
        whole = degrade(image, 4, Progress(Counters(), 0, torch.device("cpu"), rows=(0, 4, 4)))
        part = degrade(image[2:], 4, Progress(Counters(), 0, torch.device("cpu"), rows=(2, 2, 4)))
        assert whole.shape == (4, 3, 8, 12)
        assert float(whole.abs().max()) <= 1
        torch.testing.assert_close(whole[2:], part, rtol=0, atol=0.02)  # JPEG may round a coefficient otherwise


def test_the_margin_of_srgan_is_enough() -> None:
    """A tile with its margin gives the inner pixels that the whole picture gives."""
    recipe = build("srgan without norms")
    assert recipe.tiling is not None
    margin, scale = recipe.tiling.margin, recipe.tiling.scale
    for parameter in recipe.players["G"].networks["G"].parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.2)
    inputs = torch.rand(1, 1, 2 * margin + 20, 2 * margin + 24) * 0.2
    whole = applied(recipe, inputs)
    tile = applied(recipe, inputs[..., 4 : 4 + 2 * margin + 8, 6 : 6 + 2 * margin + 8])
    inner, first = slice(margin * scale, (margin + 8) * scale), ((4 + margin) * scale, (6 + margin) * scale)
    wanted = whole[..., first[0] : first[0] + 8 * scale, first[1] : first[1] + 8 * scale]
    torch.testing.assert_close(tile[..., inner, inner], wanted, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(wanted, upscale(inputs, scale)[..., : 8 * scale, : 8 * scale])


def test_denoise_strength() -> None:
    recipe, inputs = build("denoise"), torch.rand(2, 1, 8, 8) * 2 - 1
    assert torch.equal(applied(recipe, inputs, strength=0.0), inputs)
    assert not torch.equal(applied(recipe, inputs), inputs)


def test_blind_noise_has_the_strengths_asked_for() -> None:
    progress = Progress(Counters(), 0, torch.device("cpu"), rows=(0, 400, 400))
    clean = torch.zeros(400, 1, 16, 16)
    fixed = noise(25.0, None, 0.0, 0.0, 0, 0.0, False)(clean, progress)
    assert float(fixed.std()) == pytest.approx(2 * 25 / 255, rel=0.02)  # [-1, 1] is twice as wide as [0, 1]
    each = noise(50.0, 10.0, 0.0, 0.0, 0, 0.0, False)(clean, progress).flatten(1).std(1) * 127.5
    assert 9 < float(each.min()) < 13
    assert 45 < float(each.max()) < 56
    spoilt = noise(0.0, None, 0.0, 0.0, 0, 0.2, True)(clean, progress)
    assert float((spoilt != 0).float().mean()) == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("case", ["inpaint", "inpaint in two stages", "inpaint with fourier"])
def test_inpaint_gives_back_what_is_known_bit_for_bit(case: str) -> None:
    recipe, inputs = build(case), torch.rand(2, 1, 16, 24) * 2 - 1
    mask = torch.zeros(2, 1, 16, 24)
    mask[..., 3:9, 5:12] = 1
    out = applied(recipe, inputs, mask=mask)
    assert torch.equal(out[mask == 0], inputs[mask == 0])
    assert not torch.equal(out[mask == 1], inputs[mask == 1])
    assert torch.equal(applied(recipe, inputs), inputs)


def test_inpaint_refuses_holes_of_no_kind() -> None:
    with pytest.raises(Exception, match="one must be above 0"):
        build("inpaint", rectangles=0.0, strokes=0.0, marks=0.0, halves=0.0)


def test_context_encoder_fills_the_centre_and_nothing_else() -> None:
    recipe, inputs = build("context_encoder", resolution=16, overlap=1), torch.rand(2, 1, 16, 16) * 2 - 1
    out = applied(recipe, inputs)
    changed = (out != inputs).any(0).any(0).nonzero()
    assert (changed.min(0).values.tolist(), changed.max(0).values.tolist()) == ([5, 5], [10, 10])


def test_unpaired_channels_must_agree() -> None:
    with pytest.raises(Exception, match="noisy pictures have 1 channels, clean ones 3"):
        build("denoise_unpaired", target_channels=3)


def test_the_noise_model_learns_noise_that_depends_on_intensity(tmp_path: Path) -> None:
    """Deviation 10 grey levels at black and 40 at white, seen only on pictures without clean twins."""
    truth = NoiseModel(1, knots=2, kernel=1)
    with torch.no_grad():
        truth.log_sigma.copy_(torch.tensor([[10.0, 40.0]]).div(127.5).log())

    def rows(start: int, count: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(start)
        low = torch.rand(2, count, 1, 4, 4, generator=generator) * 1.6 - 0.8
        noisy, clean = (torch.nn.functional.interpolate(x, (16, 16), mode="bilinear") for x in low)
        with torch.no_grad():
            noisy = truth(noisy, torch.randn(count, 1, 16, 16, generator=generator))
        return {"source": noisy.clamp(-1, 1), "target": clean}

    settings = dict(resolution=16, knots=5, d_width=8, batch_size=16, r1_every=16, noise_lr=5e-3, sigma=25.0)
    recipe = build("denoise_unpaired", **settings, warm_up=10**9, average_halflife=1000)
    training = loop.prepare(
        replace(recipe, signs=()),
        Run(out=tmp_path, steps=300, device="cpu", precision="fp32"),
        {},
        lambda message: None,
    )
    state = loop.train(training, rows)
    with torch.no_grad():
        learnt = state.nets.averaged.N.sigma(torch.tensor([-0.6, 0.0, 0.6]).view(1, 1, 1, 3)).flatten() * 127.5
    torch.testing.assert_close(learnt, torch.tensor([16.0, 25.0, 34.0]), rtol=0.1, atol=0)


@pytest.mark.parametrize("case", CASES)
def test_the_example_of_held_out_data_is_what_apply_takes(case: str) -> None:
    recipe = build(case)
    given = arguments(case)
    side = given["resolution"]
    channels = given.get("source_channels", given.get("channels"))
    batch = {name: torch.rand(3, channels, side, side) * 2 - 1 for name in ("image", "source", "target")}
    if recipe.example is None:
        assert catalogue.data_kind(name_of(case)) != "patches"
        return
    draws = SampleDraws(0, range(3))
    example = dict(recipe.example(batch, draws))
    again = recipe.example(batch, SampleDraws(0, range(3)))
    assert all(torch.equal(example[name], again[name]) for name in example)
    networks = nets.build(recipe, torch.device("cpu"))
    inputs = example.pop("inputs")
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        assert recipe.apply is not None
        assert recipe.apply(networks.averaged, inputs, **example).shape == batch["image"].shape
