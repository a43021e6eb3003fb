"""pix2pix, cyclegan and stylize: the contract that every recipe keeps, and what each has of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_runs import arguments, build, copies, freeze_batch_statistics, named_parameters, prepare, same
from torch import Tensor, nn

from gantlet.engine import loop, nets
from gantlet.engine.health import Guard
from gantlet.engine.progress import Counters, Progress
from gantlet.engine.state import State
from gantlet.layers.edges import smooth_edges
from gantlet.recipes import catalogue
from gantlet.recipes.translation.patch_game import constant_then_linear
from gantlet.recipes.translation.stylize import code

CASES = ["pix2pix", "cyclegan", "stylize"]
PIX2PIX, CYCLEGAN, STYLIZE = CASES
CPU = torch.device("cpu")
LARGER = {"source_channels": 2, "target_channels": 2, "resolution": [16, 20]}
VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((case, {}) for case in CASES),
    (PIX2PIX, {"adversarial_weight": 0.0}),
    (PIX2PIX, {"batch_norm": True}),
    (PIX2PIX, {"source_channels": 2, "target_channels": 3}),
    (CYCLEGAN, {"source_channels": 2, "target_channels": 1}),
    (STYLIZE, {"edge_weight": 0.0, "color_weight": 1.0}),
    (STYLIZE, {"r1_gamma": 10.0, "normalise": False}),
    *((case, LARGER) for case in CASES),
]


def rows_of(case: str, **changes: Any) -> Callable[[int, int], dict[str, Tensor]]:
    """Return rows(start, count): noise as source, its negative with rings as target, each a function of position."""
    given = arguments(case, **changes)
    size = given["resolution"]
    sides = [size] * given.get("dims", 2) if isinstance(size, int) else size

    def picture(position: int, channels: int) -> Tensor:
        return torch.rand(channels, *sides, generator=torch.Generator().manual_seed(position)) * 2 - 1

    def rows(start: int, count: int) -> dict[str, Tensor]:
        at = range(start, start + count)
        return {
            "source": torch.stack([picture(i, given["source_channels"]) for i in at]),
            "target": torch.stack([-picture(i, given["target_channels"]) for i in at]),
            "target_label": torch.arange(start, start + count) % 3,
        }

    return rows


def step(training: loop.Training, number: int, case: str, **changes: Any) -> None:
    """Update one phase once, as the loop does."""
    progress = Progress(training.counters, training.run.seed, CPU, training.collector)
    training.collector.begin_step()
    phase = training.recipe.phases[number]
    loop.step_phase(training, phase, f"{number}.0", rows_of(case, **changes), 0, progress, Guard(CPU))


def train(case: str, out: Path, steps: int, seed: int = 0, **changes: Any) -> State:
    return loop.train(prepare(case, out, seed, {"steps": steps}, **changes), rows_of(case, **changes))


def terms_of(case: str, number: int, samples: int = 0, **changes: Any) -> tuple[dict[str, float], nets.Networks]:
    """Return the loss terms of one phase on the first rows, and the networks they are of."""
    recipe = build(case, **changes)
    networks = nets.build(recipe, CPU)
    terms = recipe.phases[number].loss(
        networks, rows_of(case, **changes)(0, 4), Progress(Counters(samples=samples), 0, CPU, rows=(0, 4, 4))
    )
    return {name: float(term.detach()) for name, term in terms.items()}, networks


@pytest.mark.parametrize("case", CASES)
def test_1_arguments_survive_json_and_the_seed_decides_the_weights(case: str) -> None:
    tiny = catalogue.tiny_settings(case)
    plain = catalogue.resolve(case, tiny, False, tiny)
    assert json.loads(json.dumps(plain)) == plain
    recipe, twin = build(case), build(case)
    assert {phase.player for phase in recipe.phases} == set(recipe.players)
    assert recipe.sample is None
    assert recipe.apply is not None
    for name, player in recipe.players.items():
        for network, other in zip(player.networks.values(), twin.players[name].networks.values(), strict=True):
            assert all(map(torch.equal, network.state_dict().values(), other.state_dict().values()))
    assert set(catalogue.quick_settings(case)) <= set(plain)
    assert all(parameter.comment for parameter in catalogue.parameters(catalogue.find(case)))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("case", "changes"), VARIANTS)
def test_2_every_loss_term_is_finite(case: str, changes: dict[str, Any], precision: str, tmp_path: Path) -> None:
    training = prepare(case, tmp_path, run={"precision": precision}, **changes)
    loop.iterate(training, rows_of(case, **changes), Guard(CPU))
    statistics = training.collector.read()
    assert all(torch.isfinite(torch.tensor(value)) for value in statistics.values()), statistics
    assert all(statistics[f"{player}/gradient_norm"] > 0 for player in training.recipe.players)
    assert ("D/accuracy" in statistics) == ("D" in training.recipe.players)
    tensors = [tensor for file in training.state.tensors().values() for tensor in file.values()]
    assert all(tensor.dtype != torch.bfloat16 for tensor in tensors)


@pytest.mark.parametrize("case", CASES)
def test_3_each_phase_changes_its_own_player_and_nothing_else(case: str, tmp_path: Path) -> None:
    training = prepare(case, tmp_path)
    for number, phase in enumerate(training.recipe.phases):
        before = {player: copies(named_parameters(training, player)) for player in training.recipe.players}
        step(training, number, case)
        for player, old in before.items():
            now = named_parameters(training, player)
            changed = [key for key, value in old.items() if not torch.equal(now[key], value)]
            assert bool(changed) == (player == phase.player)


@pytest.mark.parametrize(("case", "changes"), VARIANTS[:4])
def test_4_every_trainable_parameter_receives_a_gradient(case: str, changes: dict[str, Any], tmp_path: Path) -> None:
    training = prepare(case, tmp_path, **changes)
    idle = {f"{player}/{key}" for player in training.recipe.players for key in named_parameters(training, player)}
    for _ in range(3):
        for number, phase in enumerate(training.recipe.phases):
            step(training, number, case, **changes)
            for key, parameter in named_parameters(training, phase.player).items():
                if parameter.grad is not None and bool((parameter.grad != 0).any()):
                    idle.discard(f"{phase.player}/{key}")
    # Two hinges of three push the common bias, and while all logits are within the margins they do so alike.
    assert idle == set()


@pytest.mark.parametrize("case", CASES)
def test_5_two_halves_of_a_batch_give_the_gradients_of_the_whole(case: str, tmp_path: Path) -> None:
    for number in range(len(build(case).phases)):
        found = []
        for accumulate in (1, 2):
            training = prepare(case, tmp_path, run={"accumulate": accumulate})
            freeze_batch_statistics(training)
            step(training, number, case)
            named = named_parameters(training, training.recipe.phases[number].player)
            found.append({key: p.grad.clone() for key, p in named.items() if p.grad is not None})
        whole, halves = found
        worst = max(float((whole[key] - halves[key]).abs().max()) for key in whole)
        assert worst <= 5e-6 * max(1.0, *(float(value.abs().max()) for value in whole.values()))


@pytest.mark.parametrize(("case", "changes"), [(case, changes) for case in CASES for changes in ({}, LARGER)])
def test_6_a_resumed_run_is_the_run_bit_for_bit(case: str, changes: dict[str, Any], tmp_path: Path) -> None:
    """The pools of cyclegan are full and in use by then: 6 pictures, 4 a step."""
    whole = train(case, tmp_path / "whole", 6, **changes)
    train(case, tmp_path / "parts", 3, **changes)
    torch.manual_seed(99)
    resumed = train(case, tmp_path / "parts", 6, seed=1, **changes)
    assert same(whole, resumed) == []
    if case == CYCLEGAN:
        assert int(resumed.nets.pool_source.seen) == 24


@pytest.mark.parametrize("case", CASES)
def test_7_apply_keeps_the_size_and_rows_do_not_meet(case: str) -> None:
    recipe = build(case, **LARGER)
    networks = nets.build(recipe, CPU)
    assert recipe.apply is not None
    assert recipe.tiling is not None
    side = recipe.tiling.multiple
    inputs = torch.rand(3, 2, 3 * side, 2 * side) * 2 - 1
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        whole = recipe.apply(networks.averaged, inputs)
        alone = recipe.apply(networks.averaged, inputs[1:2])
    assert (whole.shape, whole.dtype) == (inputs.shape, torch.float32)
    assert float(whole.abs().max()) <= 1
    torch.testing.assert_close(alone, whole[1:2], rtol=1e-4, atol=1e-5)


def test_pix2pix_without_its_adversary_has_no_discriminator() -> None:
    recipe = build(PIX2PIX, adversarial_weight=0.0)
    assert list(recipe.players) == ["G"]
    assert [phase.player for phase in recipe.phases] == ["G"]
    assert (recipe.signs, list(terms_of(PIX2PIX, 0, adversarial_weight=0.0)[0])) == ((), ["l1"])


@torch.no_grad()
def test_terms_of_pix2pix() -> None:
    """D: half of the cross entropies of (x, y) and (x, G(x)); G: -log D and 100 times L1 (Eq. 3 and 4)."""
    changes = {"dropout": 0.0}
    found, networks = terms_of(PIX2PIX, 0, **changes)
    batch = rows_of(PIX2PIX)(0, 4)
    source, target = batch["source"], batch["target"]
    fake = networks.G(source)
    real_logits, fake_logits = (networks.D(torch.cat([source, x], 1)) for x in (target, fake))
    by_hand = 0.5 * (-F.logsigmoid(real_logits).mean() - F.logsigmoid(-fake_logits).mean())
    assert found == {"adversarial": pytest.approx(float(by_hand), rel=1e-5)}
    found, _ = terms_of(PIX2PIX, 1, **changes)
    assert found["l1"] == pytest.approx(100 * float((fake - target).abs().mean()), rel=1e-5)
    assert found["adversarial"] == pytest.approx(float(-F.logsigmoid(fake_logits).mean()), rel=1e-5)


@pytest.mark.parametrize("adversarial_weight", [0.0, 1.0])
def test_pix2pix_of_volumes_by_one_argument(adversarial_weight: float) -> None:
    changes = {"dims": 3, "adversarial_weight": adversarial_weight}
    recipe = build(PIX2PIX, **changes)
    networks = nets.Networks({name: n for player in recipe.players.values() for name, n in player.networks.items()})
    batch = rows_of(PIX2PIX, **changes)(0, 2)
    assert batch["source"].shape == (2, 1, 8, 8, 8)
    for phase in recipe.phases:
        losses = phase.loss(networks, batch, Progress(Counters(), 0, CPU, rows=(0, 2, 2)))
        assert all(torch.isfinite(term) for term in losses.values())
    assert recipe.apply is not None
    assert recipe.apply(networks, torch.rand(1, 1, 8, 16, 8)).shape == (1, 1, 8, 16, 8)


def test_pix2pix_learns_to_invert(tmp_path: Path) -> None:
    """The target is the negative of the source: after 60 steps L1 is far below that of a network that knows nothing."""
    case = PIX2PIX
    changes: dict[str, Any] = dict(resolution=16, most_levels=2, width=8, dropout=0.0, batch_size=8, lr=5e-3)
    training = prepare(case, tmp_path, run={"steps": 60}, lr_constant=None, **changes)
    state = loop.train(training, rows_of(case, **changes))
    batch = rows_of(case, **changes)(5000, 16)
    with torch.inference_mode(), nets.evaluating(state.nets):
        error = (training.recipe.apply(state.nets, batch["source"]) - batch["target"]).abs().mean()
    assert float(error) < 0.35  # a constant 0 has 0.5


@torch.no_grad()
def test_terms_of_cyclegan() -> None:
    """There and back, 10 times; the identity half as much; (D - 1)^2 from both sides (Zhu 2017, Eq. 1 to 3)."""
    found, N = terms_of(CYCLEGAN, 0)
    batch = rows_of(CYCLEGAN)(0, 4)
    x, y = batch["source"], batch["target"]
    cycle = (N.F(N.G(x)) - x).abs().mean() + (N.G(N.F(y)) - y).abs().mean()
    same_side = (N.G(y) - y).abs().mean() + (N.F(x) - x).abs().mean()
    fooled = (N.D_target(N.G(x)) - 1).square().mean() + (N.D_source(N.F(y)) - 1).square().mean()
    wanted = {"adversarial": fooled, "cycle": 10 * cycle, "identity": 5 * same_side}
    assert found == {name: pytest.approx(float(value), rel=1e-4) for name, value in wanted.items()}
    found, N = terms_of(CYCLEGAN, 1)
    judged = [(N.D_target, y, N.G(x)), (N.D_source, x, N.F(y))]
    halves = sum(0.5 * (D(real) - 1).square().mean() + 0.5 * D(fake).square().mean() for D, real, fake in judged)
    assert found["adversarial"] == pytest.approx(float(halves), rel=1e-4)


def test_cyclegan_between_other_channels_has_no_identity() -> None:
    assert "identity" not in terms_of(CYCLEGAN, 0, source_channels=2)[0]


def test_cyclegan_goes_both_ways() -> None:
    recipe = build(CYCLEGAN, source_channels=2)
    networks = nets.build(recipe, CPU)
    assert recipe.apply is not None
    assert recipe.apply(networks, torch.rand(1, 2, 8, 8)).shape == (1, 1, 8, 8)
    assert recipe.apply(networks, torch.rand(1, 1, 8, 8), direction="backward").shape == (1, 2, 8, 8)
    with pytest.raises(ValueError, match="not 'up'"):
        recipe.apply(networks, torch.rand(1, 2, 8, 8), direction="up")


def test_learning_rates_stay_and_then_fall_to_nothing() -> None:
    schedule = constant_then_linear(0.2, 100, 50)
    assert schedule is not None
    rates = [schedule(Progress(Counters(samples=n), 0, CPU))["lr"] for n in (0, 100, 125, 150, 999)]
    assert rates == [0.2, 0.2, pytest.approx(0.1), 0.0, 0.0]
    assert constant_then_linear(0.2, None, 50) is None


def awake(case: str, **changes: Any) -> tuple[Any, nets.Networks]:
    """Return the recipe and its networks with random weights: styles begin as the identity."""
    recipe = build(case, **changes)
    networks = nets.build(recipe, CPU)
    torch.manual_seed(1)
    for module in (networks.averaged.G, networks.G):
        for parameter in module.parameters():
            nn.init.normal_(parameter, 0.0, 0.1)
    return recipe, networks


def test_styles_strength_and_no_style() -> None:
    recipe, networks = awake(STYLIZE)
    x = torch.rand(2, 1, 8, 8) - 0.5
    with torch.inference_mode():
        made = {s: recipe.apply(networks.averaged, x, style=s) for s in range(4)}
        faint, half = (recipe.apply(networks.averaged, x, style=2, strength=s) for s in (0.0, 0.5))
    assert torch.equal(faint, made[0])
    assert all(not torch.allclose(made[a], made[b]) for a in range(4) for b in range(a))
    assert not torch.allclose(half, (made[0] + made[2]) / 2, atol=1e-3)  # parameters are blended, not pictures
    for wrong in (-1, 4):
        with pytest.raises(ValueError, match="1 to 3"):
            recipe.apply(networks, x, style=wrong)


def test_code_shares_add_up() -> None:
    shares = code(torch.tensor([0, 2]), 0.75, 2)
    assert shares.tolist() == [[1.0, 0.0, 0.0], [0.25, 0.0, 0.75]]


@torch.no_grad()
def test_terms_of_stylize() -> None:
    """Three hinges for D, the third on pictures with smoothed edges; G starts as the identity, so only D's remain."""
    found, networks = terms_of(STYLIZE, 0)
    batch = rows_of(STYLIZE)(0, 4)
    x, style, y = batch["source"], batch["target"], batch["target_label"]
    real, fake, smooth = (networks.D(picture, y) for picture in (style, x, smooth_edges(style)))
    assert found["adversarial"] == pytest.approx(float(F.relu(1 - real).mean() + F.relu(1 + fake).mean()), rel=1e-4)
    assert found["edges"] == pytest.approx(float(F.relu(1 + smooth).mean()), rel=1e-4)
    found, _ = terms_of(STYLIZE, 1)
    assert found["adversarial"] == pytest.approx(float(-fake.mean()), rel=1e-4)
    assert found["content"] == pytest.approx(0, abs=1e-6)


def test_stylize_with_r1_is_the_non_saturating_game() -> None:
    """Its penalty is that of D's mean over patches; pictures with smoothed edges are fakes like others."""
    found, networks = terms_of(STYLIZE, 0, r1_gamma=4.0)
    batch = rows_of(STYLIZE)(0, 4)
    x, style, y = batch["source"], batch["target"], batch["target_label"]
    with torch.no_grad():
        real, fake, smooth = (networks.D(picture, y) for picture in (style, x, smooth_edges(style)))
    wanted = F.softplus(-real).mean() + F.softplus(fake).mean()
    assert found["adversarial"] == pytest.approx(float(wanted), rel=1e-4)
    assert found["edges"] == pytest.approx(float(F.softplus(smooth).mean()), rel=1e-4)
    found, _ = terms_of(STYLIZE, 2, r1_gamma=4.0)
    assert found["adversarial"] == pytest.approx(float(F.softplus(-fake).mean()), rel=1e-4)
    found, _ = terms_of(STYLIZE, 1, r1_gamma=4.0)
    seen = style.clone().requires_grad_()
    gradient = torch.autograd.grad(networks.D(seen, y).mean((1, 2, 3)).sum(), seen)[0]
    assert found["r1"] == pytest.approx(float(2 * gradient.square().sum((1, 2, 3)).mean()), rel=1e-4)


def test_stylize_refuses_other_channels_and_takes_a_set_without_classes() -> None:
    with pytest.raises(Exception, match="make them equal"):
        build(STYLIZE, source_channels=3)
    recipe = build(STYLIZE, num_styles=1)
    batch = {name: tensor for name, tensor in rows_of(STYLIZE)(0, 4).items() if name != "target_label"}
    terms = recipe.phases[0].loss(nets.build(recipe, CPU), batch, Progress(Counters(), 0, CPU, rows=(0, 4, 4)))
    assert torch.isfinite(terms["adversarial"])


def test_stylize_learns_two_styles_apart(tmp_path: Path) -> None:
    """Noise made paler in one style and darker in the other: by 0.4 each, while style 0 is what it was."""
    changes: dict[str, Any] = dict(resolution=16, num_styles=2, width=8, d_width=8, batch_size=8, lr=5e-3, d_lr=2e-3)
    changes["content_weight"] = 0.5
    plain = rows_of(STYLIZE, **changes)

    def rows(start: int, count: int) -> dict[str, Tensor]:
        batch, y = plain(start, count), torch.arange(start, start + count) % 2
        shift = (0.4 - 0.8 * y)[:, None, None, None]
        return {"source": batch["source"] / 2, "target": batch["target"] / 2 + shift, "target_label": y}

    training = prepare(STYLIZE, tmp_path, run={"steps": 120}, **changes)
    state = loop.train(training, rows)
    x = rows(5000, 16)["source"]
    with torch.inference_mode(), nets.evaluating(state.nets):
        pale, dark, same_again = (training.recipe.apply(state.nets, x, style=s) for s in (1, 2, 0))
    assert float(pale.mean()) > 0.2
    assert float(dark.mean()) < -0.2
    assert torch.equal(same_again, x)
