"""What every remedy keeps with every kind of recipe: it works, or it refuses in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from remedied import CLASSES, RECIPES, build, different, iterate, prepare, rows, train
from torch import Tensor

from gantlet.draws import SampleDraws
from gantlet.engine import nets
from gantlet.errors import UserError
from gantlet.feeding import Balance
from gantlet.recipes import catalogue
from gantlet.remedies import NAMES
from gantlet.remedies import catalogue as remedial

PAIRS = [(remedy, recipe) for remedy in NAMES for recipe in RECIPES]
REFUSED = ("virtual_batch_norm", "acgan")  # its G has no batch norm at this size
WORKING = [pair for pair in PAIRS if pair != REFUSED]
CHANGING = [pair for pair in WORKING if pair[0] not in ("holdout", "auto")]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize(("remedy", "recipe"), WORKING)
def test_one_iteration_is_finite_and_every_player_learns(
    remedy: str, recipe: str, precision: str, tmp_path: Path
) -> None:
    training = prepare(build(recipe, [remedy]), tmp_path, precision=precision)
    before = {
        player: [p.detach().clone() for p in training.state.trainable.of[player]] for player in training.recipe.players
    }
    statistics = iterate(training)
    assert all(torch.isfinite(torch.tensor(value)) for value in statistics.values()), statistics
    for player, old in before.items():
        assert statistics[f"{player}/gradient_norm"] > 0
        now = training.state.trainable.of[player]
        assert any(not torch.equal(a, b) for a, b in zip(old, now, strict=True))
    tensors = [tensor for file in training.state.tensors().values() for tensor in file.values()]
    assert all(torch.isfinite(tensor).all() for tensor in tensors)


@pytest.mark.parametrize(("remedy", "recipe"), CHANGING)
def test_it_changes_what_is_learnt(remedy: str, recipe: str, tmp_path: Path) -> None:
    options = {"top_k": ":epoch=4,decay=0.5", "lecam": ":start=0", "apa": ":start=0.5", "ada": ":start=0.5"}
    if remedy == "gradient_clipping":
        options[remedy] = ":norm=1e-6"
    with_it = train(build(recipe, [remedy + options.get(remedy, "")]), tmp_path / "with", 2)
    without = train(build(recipe), tmp_path / "without", 2)
    assert any(name.startswith(("weights/D.", "weights/G.")) for name in different(with_it, without))


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_healthy_run_needs_no_treatment_and_gets_none(recipe: str, tmp_path: Path) -> None:
    with_it = train(build(recipe, ["auto"]), tmp_path / "with", 3)
    assert different(with_it, train(build(recipe), tmp_path / "without", 3)) == ["weights/auto.values"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_looking_at_held_out_pictures_changes_nothing(recipe: str, tmp_path: Path) -> None:
    with_it = train(build(recipe, ["holdout:every=1"]), tmp_path / "with", 3)
    assert different(with_it, train(build(recipe), tmp_path / "without", 3)) == []


@pytest.mark.parametrize("recipe", RECIPES)
def test_no_remedy_is_the_recipe_bit_for_bit(recipe: str, tmp_path: Path) -> None:
    base = build(recipe)
    assert remedial.apply(base, {}) is base
    off = [
        "instance_noise:sigma=0",
        "little_data:num_pictures=100000",
        "diffaugment:probability=0",
        "label_smoothing:target=1",
        "lecam:weight=0",
    ]
    state = train(build(recipe, off), tmp_path / "off", 3)
    names = different(state, train(build(recipe), tmp_path / "base", 3))
    assert sorted(names) == ["weights/lecam.fake", "weights/lecam.real"]  # averages that nothing reads


@pytest.mark.parametrize("remedy", NAMES)
def test_it_resumes_bit_for_bit(remedy: str, tmp_path: Path) -> None:
    options = {"ada": ":start=0.5,speed=100", "apa": ":start=0.5,speed=100", "top_k": ":epoch=8"}
    asked = [remedy + options.get(remedy, "")]
    whole = train(build("dcgan", asked), tmp_path / "whole", 6)
    train(build("dcgan", asked), tmp_path / "parts", 3)
    torch.manual_seed(99)
    assert different(whole, train(build("dcgan", asked, seed=1), tmp_path / "parts", 6)) == []


@pytest.mark.parametrize("remedy", NAMES)
def test_two_parts_of_a_batch_work_too(remedy: str, tmp_path: Path) -> None:
    training = prepare(build("sngan", [remedy]), tmp_path, accumulate=2)
    assert all(torch.isfinite(torch.tensor(value)) for value in iterate(training).values())


@pytest.mark.parametrize(("remedy", "recipe"), WORKING)
def test_a_sample_depends_on_its_own_number_alone(remedy: str, recipe: str) -> None:
    built = build(recipe, [remedy])
    networks = nets.build(built, torch.device("cpu"))
    assert built.sample is not None
    with torch.inference_mode(), nets.evaluating(networks.averaged):
        whole, alone = (
            built.sample(networks.averaged, SampleDraws(5, numbers), label=torch.tensor(numbers) % CLASSES)
            for numbers in ([0, 1, 2, 3], [2])
        )
    assert whole.shape == (4, 1, 8, 8)
    torch.testing.assert_close(alone, whole[2:3], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("remedy", NAMES)
def test_its_arguments_survive_json_and_are_explained(remedy: str) -> None:
    resolved = remedial.resolve({remedy: {}}, 500)
    assert json.loads(json.dumps(resolved)) == resolved
    assert set(resolved) - {"holdout"} == {remedy} - {"holdout"}
    assert all(parameter.comment for parameter in remedial.parameters(remedy))
    assert 10 < len(remedial.symptom(remedy)) < 120
    assert "20" in catalogue.paper(remedial.find(remedy))


@pytest.mark.parametrize("remedy", [name for name in NAMES if name != "gradient_clipping"])
def test_it_refuses_a_recipe_without_a_game(remedy: str) -> None:
    with pytest.raises(UserError, match=f"'{'(holdout|' + remedy + ')'}' does not fit this recipe: "):
        build("classifier", [remedy])


def test_it_refuses_a_recipe_whose_networks_do_not_have_what_it_needs() -> None:
    with pytest.raises(UserError, match="'virtual_batch_norm' does not fit this recipe: it needs a G with batch norm"):
        build("acgan", ["virtual_batch_norm"])
    with pytest.raises(UserError, match="a batch of 8 does not divide into packs of 3"):
        build("dcgan", ["packing:samples=3"])


@pytest.mark.parametrize("remedy", NAMES)
def test_weights_of_classes_are_heeded_or_refused(remedy: str, tmp_path: Path) -> None:
    def weighted(start: int, count: int) -> dict[str, Tensor]:
        return {**rows(start, count), "weight": torch.linspace(0.5, 1.5, count)}

    recipe = build("sngan", [remedy + (":epoch=4,decay=0.5" if remedy == "top_k" else "")])
    if remedy in ("top_k", "multi_scale"):
        with pytest.raises(UserError, match="losses of recipe 'sngan' do not heed --class-weights"):
            Balance(class_weights=0.99).check(recipe.heeds, "sngan")
        return
    Balance(class_weights=0.99).check(recipe.heeds, "sngan")
    training = prepare(recipe, tmp_path)
    for _ in range(2):
        assert all(torch.isfinite(torch.tensor(value)) for value in iterate(training, weighted).values())


@pytest.mark.parametrize("remedy", ["bcr", "adversarial_samples", "feature_matching"])
def test_it_refuses_batches_of_something_else(remedy: str, tmp_path: Path) -> None:
    def pairs(start: int, count: int) -> dict[str, Tensor]:
        return {"source": torch.rand(count, 1, 16, 16), "target": torch.rand(count, 1, 16, 16)}

    training = prepare(build("pix2pix", [remedy]), tmp_path)
    with pytest.raises(UserError, match="This remedy needs batches of pictures"):
        iterate(training, pairs)


def test_all_at_once(tmp_path: Path) -> None:
    """Remedies do not know of each other; twenty of them still make a recipe."""
    training = prepare(build("sngan", list(NAMES)), tmp_path, batch_size=8)
    for _ in range(2):
        assert all(torch.isfinite(torch.tensor(value)) for value in iterate(training).values())


@pytest.mark.parametrize("recipe", ["dcgan", "sngan"])
def test_colour_and_other_shapes(recipe: str, tmp_path: Path) -> None:
    def feed(start: int, count: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(start)
        image = torch.rand(count, 3, 8, 12, generator=generator) * 2 - 1
        return {"image": image, "label": torch.arange(count) % CLASSES}

    for remedy in NAMES:
        training = prepare(build(recipe, [remedy], channels=3, resolution=[8, 12]), tmp_path / remedy)
        assert all(torch.isfinite(torch.tensor(value)) for value in iterate(training, feed).values()), remedy
