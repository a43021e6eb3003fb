"""What recipes are made of: schedules, statistics, draws, signs of trouble, and the catalogue of arguments."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from math import cos, pi

import pytest
import test_restoration_recipes
import test_translation_recipes
import tiny_runs
import torch
from tiny_runs import build
from torch import Tensor, nn

from gantlet.draws import SampleDraws
from gantlet.engine.progress import Counters, Progress
from gantlet.engine.stats import Collector
from gantlet.errors import UserError
from gantlet.recipe import Recipe
from gantlet.recipes import NAMES, catalogue, signs
from gantlet.recipes.choose import choose
from gantlet.recipes.image_gan import apart, diversity, latents, normal, report_game, together, uniform
from gantlet.recipes.images.gan import schedule_2014
from gantlet.recipes.optimizers import adam, linear_decay, rmsprop, sgd


def at(step: int = 0, samples: int = 0) -> Progress:
    return Progress(Counters(step=step, samples=samples), 0, torch.device("cpu"), rows=(0, 4, 4))


def test_every_recipe_keeps_the_contract_somewhere() -> None:
    """A new name that no file of contract tests takes up is noticed here."""
    images = {tiny_runs.recipe_name(case) for case in tiny_runs.CASES}
    restored = {name for name, _ in test_restoration_recipes.CASES.values()}
    assert images | set(test_translation_recipes.CASES) | restored == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_names_its_paper_and_explains_every_argument(name: str) -> None:
    function = catalogue.find(name)
    assert catalogue.summary(function).endswith(".")
    assert len(catalogue.paper(function)) > 20
    described = catalogue.description(function)
    assert name == "classifier" or "arXiv:" in described or "openreview.net" in described
    parameters = catalogue.parameters(function)
    assert [parameter.name for parameter in parameters if not parameter.comment] == []
    assert [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty] == []
    assert name in inspect.getmodule(function).QUICK


@pytest.mark.parametrize("name", NAMES)
def test_quick_settings_are_arguments_of_the_recipe(name: str) -> None:
    quick = catalogue.quick_settings(name)
    facts = {"channels": 1, "resolution": 8, "num_classes": 3}
    resolved = catalogue.resolve(name, facts, True, {})
    assert {key: resolved[key] for key in quick} == quick
    assert isinstance(catalogue.build(name, resolved), Recipe)


# fmt: off
def example(
    *,
    width: int = 3,  # of the first layer
    sizes: int
    | Sequence[int] = 4,  # a number, or two
    rate: float = 0.1,  # of learning
    decay: int
    | None = None,  # none, or after how many
    flag: bool = False,  # on or off
) -> None:
    """An example."""
# fmt: on


def test_comments_are_read_beside_their_arguments_also_where_one_takes_two_lines() -> None:
    found = {parameter.name: parameter.comment for parameter in catalogue.parameters(example)}
    assert found == {
        "width": "of the first layer",
        "sizes": "a number, or two",
        "rate": "of learning",
        "decay": "none, or after how many",
        "flag": "on or off",
    }


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "7", 7), ("width", "1e3", 1000), ("sizes", "28", 28), ("sizes", "8x12", [8, 12]),
        ("rate", "2e-4", 2e-4), ("rate", "1", 1.0), ("decay", "none", None), ("decay", "5_000", 5000),
        ("flag", "true", True), ("flag", "No", False),
    ],
)  # fmt: skip
def test_options_are_read_by_their_type(name: str, text: str, value: object) -> None:
    parameter = next(parameter for parameter in catalogue.parameters(example) if parameter.name == name)
    found = catalogue.convert("example", parameter, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("width", "2.5"), ("width", "many"), ("width", "inf"), ("width", "nan"), ("sizes", "8x"), ("rate", "fast"),
     ("decay", "nothing"), ("flag", "maybe"), ("width", "none")],
)  # fmt: skip
def test_an_option_of_the_wrong_type_is_named(name: str, text: str) -> None:
    parameter = next(parameter for parameter in catalogue.parameters(example) if parameter.name == name)
    with pytest.raises(UserError, match=f"--{name} of recipe 'example' takes .*, not '{text}'"):
        catalogue.convert("example", parameter, text)


def test_names_and_options_get_suggestions() -> None:
    with pytest.raises(UserError, match=r"No recipe is called 'dcgn'\. Did you mean 'dcgan'"):
        catalogue.find("dcgn")
    with pytest.raises(UserError, match=r"has no option 'g_widht'\. Did you mean 'g_width'"):
        catalogue.resolve("dcgan", {}, False, {"g_widht": 3})
    with pytest.raises(UserError, match="needs labels and the data has none"):
        catalogue.resolve("acgan", {"channels": 1, "resolution": 8, "num_classes": 0}, False, {})
    with pytest.raises(UserError, match="Cannot import the recipe 'no_such_module:thing'"):
        catalogue.find("no_such_module:thing")
    with pytest.raises(UserError, match="is not a function"):
        catalogue.find("gantlet.recipes:NAMES")
    with pytest.raises(UserError, match="Recipe 'dcgan' does not accept these settings"):
        catalogue.build("dcgan", {"g_widht": 3})


def test_a_recipe_from_elsewhere_is_found_by_its_path() -> None:
    assert catalogue.find("gantlet.recipes.images.dcgan:dcgan") is catalogue.find("dcgan")
    assert catalogue.tiny_settings("gantlet.recipes.images.dcgan:dcgan") == catalogue.tiny_settings("dcgan")
    assert catalogue.quick_settings("gantlet.recipes.images.dcgan:dcgan") == catalogue.quick_settings("dcgan")


def test_settings_go_from_default_over_quick_and_facts_to_options() -> None:
    facts = {"channels": 1, "resolution": 28, "num_classes": 10}
    faithful = catalogue.resolve("dcgan", facts, False, {})
    assert (faithful["g_width"], faithful["channels"], faithful["resolution"]) == (128, 1, 28)
    assert "num_classes" not in faithful  # dcgan knows no labels
    quick = catalogue.resolve("dcgan", facts, True, {"latent_dim": 7, "channels": 3})
    assert (quick["g_width"], quick["latent_dim"], quick["channels"]) == (
        catalogue.quick_settings("dcgan")["g_width"],
        7,
        3,
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_refuses_numbers_below_zero(name: str) -> None:
    tiny = catalogue.tiny_settings(name)
    counts = [key for key, value in tiny.items() if isinstance(value, int) and not isinstance(value, bool)]
    for option in counts:
        flag = option.replace("_", "-")
        with pytest.raises(UserError, match=f"--{flag} of recipe '{name}' cannot be below 0, as -1 is"):
            catalogue.build(name, tiny | {option: -1})


def test_lists_are_not_below_zero_and_decibels_and_greys_may_be() -> None:
    with pytest.raises(UserError, match="--periods of recipe 'hifigan' cannot be below 0, as -3 is"):
        catalogue.build("hifigan", catalogue.tiny_settings("hifigan") | {"periods": [2, -3]})
    catalogue.build("speech_enhance", catalogue.tiny_settings("speech_enhance") | {"snr_low": -10.0})
    catalogue.build("ambient_gan", catalogue.tiny_settings("ambient_gan") | {"black": -0.5})


@pytest.mark.parametrize(("name", "option"), [("r1gan", "hidden"), ("dcgan", "g_width"), ("text_mle", "hidden")])
def test_a_layer_without_units_is_refused(name: str, option: str) -> None:
    """PyTorch builds such a layer; the first step would end in a traceback."""
    tiny = catalogue.tiny_settings(name)
    with pytest.raises(UserError, match=f"Recipe '{name}' does not accept these settings"):
        catalogue.build(name, {**tiny, option: 0})


@pytest.mark.parametrize(("classes", "on_gpu"), [(0, False), (10, False), (0, True), (10, True)])
def test_the_choice_for_the_data_exists_and_says_why(classes: int, on_gpu: bool) -> None:
    choice = choose({"channels": 1, "resolution": [20, 28], "num_classes": classes}, 1797, on_gpu)
    assert choice.recipe in NAMES
    assert choice.quick is not on_gpu
    assert "1,797 pictures of 28x20x1" in choice.reason
    assert ("10 classes" in choice.reason) == bool(classes)
    assert ("no labels" in choice.reason) == (not classes)


def test_without_labels_and_gpu_grey_pictures_and_colour_get_different_recipes() -> None:
    chosen = [choose({"channels": c, "resolution": 32, "num_classes": 0}, 100, False).recipe for c in (1, 3, 4)]
    assert chosen == ["infogan", "dcgan", "dcgan"]


def test_schedule_of_2014() -> None:
    """`mnist.yaml`: lr .1 / 1.000004^step down to 1e-6, momentum .5 to .7 over 250 epochs of 50,000."""
    assert schedule_2014(at()) == {"lr": 0.1, "momentum": 0.5}
    assert schedule_2014(at(step=1))["lr"] == pytest.approx(0.1 / 1.000004)
    assert schedule_2014(at(samples=125 * 50_000))["momentum"] == pytest.approx(0.6)
    late = schedule_2014(at(step=10**7, samples=10**9))
    assert (late["lr"], late["momentum"]) == (1e-6, pytest.approx(0.7))


def test_linear_decay_ends_at_zero_and_stays_there() -> None:
    schedule = linear_decay(2e-4, 1000)
    assert schedule is not None
    found = [schedule(at(samples=samples))["lr"] for samples in (0, 250, 1000, 5000)]
    assert found == pytest.approx([2e-4, 1.5e-4, 0.0, 0.0])
    assert linear_decay(2e-4, None) is None


def test_wgan_begins_with_a_hundred_updates_of_the_critic_and_repeats_them_every_500_steps() -> None:
    function = catalogue.find("wgan")
    phase = function(channels=1, resolution=8, g_width=2, d_width=2).phases[0]
    assert [phase.updates(at(step=step)) for step in (0, 24, 25, 499, 500, 501)] == [100, 100, 5, 5, 100, 5]
    cold = function(channels=1, resolution=8, g_width=2, d_width=2, warm_steps=0).phases[0]
    assert cold.updates(at(step=0)) == 5


def test_the_classifiers_rate_follows_a_cosine() -> None:
    recipe = catalogue.find("classifier")(total_samples=1000, lr=0.5)
    schedule = recipe.players["C"].schedule
    found = [schedule(at(samples=samples))["lr"] for samples in (0, 250, 500, 1000, 2000)]
    assert found == pytest.approx([0.5, 0.25 * (1 + cos(pi / 4)), 0.25, 0, 0])


def test_optimizers_take_whole_numbers_and_are_the_named_ones() -> None:
    weight = nn.Parameter(torch.zeros(2))
    made = adam(1, (0, 1 - 0.1))([weight])
    assert made.param_groups[0]["betas"] == (0.0, 0.9)
    assert made.param_groups[0]["lr"] == 1.0
    assert isinstance(made, torch.optim.Adam)
    assert isinstance(rmsprop(1)([weight]), torch.optim.RMSprop)
    assert rmsprop(1)([weight]).param_groups[0]["momentum"] == 0  # momentum destabilises the critic of WGAN
    assert sgd(1, 0.5)([weight]).param_groups[0]["momentum"] == 0.5


def test_latents() -> None:
    draws = SampleDraws(0, range(2000))
    assert normal(draws, 5).shape == (2000, 5)
    assert float(normal(draws, 5).std()) == pytest.approx(1, abs=0.03)
    flat = uniform(draws, 5)
    assert -1 <= float(flat.min()) < -0.99
    assert 0.99 < float(flat.max()) < 1
    assert torch.equal(latents(draws, normal, 5, 1), normal(draws, 5))
    several = latents(SampleDraws(0, range(4)), normal, 5, 3)
    assert several.shape == (12, 5)
    assert len({tuple(row) for row in several.tolist()}) == 12  # no z twice


def test_judging_together_and_apart_are_the_same_without_batch_statistics() -> None:
    D = nn.Sequential(nn.Flatten(), nn.Linear(6, 1), nn.Flatten(0))
    judged: list[int] = []

    def counted(x: Tensor, y: Tensor | None) -> Tensor:
        judged.append(len(x))
        return D(x)

    real, fake = torch.randn(3, 1, 2, 3), torch.randn(3, 1, 2, 3)
    for judge in (together, apart):
        logits = judge(counted, real, fake, None)  # type: ignore[arg-type]
        torch.testing.assert_close(logits, (D(real), D(fake)))
    assert judged == [6, 3, 3]


def test_labels_go_with_both_halves() -> None:
    y = torch.tensor([4, 5])
    logits = together(lambda x, y: y + x[:, 0], torch.tensor([[10.0], [20.0]]), torch.tensor([[30.0], [40.0]]), y)  # type: ignore[arg-type]
    assert [half.tolist() for half in logits] == [[14, 25], [34, 45]]


def test_diversity_is_one_for_data_and_zero_for_a_collapse() -> None:
    real = torch.randn(256, 1, 4, 4)
    assert float(diversity(real, torch.randn(256, 1, 4, 4))) == pytest.approx(1, abs=0.1)
    assert float(diversity(real, torch.randn(1, 1, 4, 4).expand(256, 1, 4, 4))) == pytest.approx(0, abs=1e-6)
    assert float(diversity(real, 0.2 * real)) == pytest.approx(0.2, rel=1e-4)


def test_statistics_of_the_game() -> None:
    collector = Collector()
    progress = Progress(Counters(), 0, torch.device("cpu"), collector, "D")
    report_game(progress, torch.tensor([1.0, -1.0, 3.0, 5.0]), torch.tensor([-2.0, 0.0, 1.0, -4.0]))
    found = collector.read()
    assert (found["D/real_logits"], found["D/fake_logits"]) == (2.0, -1.25)
    assert found["D/accuracy"] == 0.75  # 3 of 4 reals above the boundary, 3 of 4 fakes not above it
    spread = torch.tensor([1.0, -1.0, 3.0, 5.0, -2.0, 0.0, 1.0, -4.0]).std()
    assert found["D/logit_spread"] == pytest.approx(float(spread))
    report_game(progress, torch.tensor([0.6]), torch.tensor([0.4]), boundary=0.5)
    assert collector.read()["D/accuracy"] == 1.0


ILL = {
    "collapse": ({"G/diversity": 0.1}, "mode collapse"),
    "all_knowing_discriminator": ({"D/accuracy": 1.0, "G/gradient_norm": 1e-5}, "all-knowing"),
    "dead_discriminator": ({"D/logit_spread": 1e-6}, "dead"),
}
HEALTHY = {"G/diversity": 0.9, "D/accuracy": 0.8, "G/gradient_norm": 0.3, "D/logit_spread": 1.5}


@pytest.mark.parametrize("name", ILL)
def test_signs_of_trouble_speak_when_they_should(name: str) -> None:
    statistics, word = ILL[name]
    sign = getattr(signs, name)
    assert sign in signs.IMAGE_GAN
    message = sign({**HEALTHY, **statistics})
    assert message is not None
    assert word in message
    assert sign(HEALTHY) is None
    assert sign({}) is None


def test_an_all_knowing_discriminator_that_still_teaches_is_no_trouble() -> None:
    assert signs.all_knowing_discriminator({**HEALTHY, "D/accuracy": 1.0}) is None


def test_image_gans_watch_for_these_signs() -> None:
    assert build("dcgan").signs == signs.IMAGE_GAN
    assert build("acgan").signs == signs.IMAGE_GAN
