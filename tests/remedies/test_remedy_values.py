"""Every remedy's formula on a game computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import SGD
from toy_game import Brightness, batch, fakes, progress, terms, toy

from gantlet.errors import UserError
from gantlet.losses.adversarial import nonsaturating
from gantlet.recipe import Losses, Nets, Recipe
from gantlet.remedies.adversarial_samples import adversarial_samples, direction
from gantlet.remedies.apa import apa
from gantlet.remedies.consistency import bcr, zcr
from gantlet.remedies.feature_matching import feature_matching
from gantlet.remedies.historical_averaging import historical_averaging
from gantlet.remedies.holdout import holdout, split
from gantlet.remedies.instance_noise import instance_noise
from gantlet.remedies.label_smoothing import label_smoothing
from gantlet.remedies.lecam import lecam
from gantlet.remedies.minibatch import minibatch_std
from gantlet.remedies.mode_seeking import mode_seeking
from gantlet.remedies.multi_scale import coarser, multi_scale
from gantlet.remedies.optimization import gradient_clipping, sgd
from gantlet.remedies.packing import packing, packs
from gantlet.remedies.structure import first_layers, last_layer, widen
from gantlet.remedies.surgery import after, in_parts
from gantlet.remedies.top_k import keep, top_k

REAL = 2 * torch.tensor([0.1, 0.2, 0.3, 0.6])  # logits of the toy's D


def value(recipe: Recipe, player: str, name: str, **when: int) -> float:
    return terms(recipe, player, progress(**when))[0][name].item()


def test_label_smoothing_is_cross_entropy_with_a_target_below_one() -> None:
    found = terms(label_smoothing(toy(nonsaturating), target=0.9), "D")[0]
    real = F.binary_cross_entropy_with_logits(REAL, torch.full((4,), 0.9))
    fake = F.binary_cross_entropy_with_logits(2 * fakes(), torch.zeros(4))
    torch.testing.assert_close(found["adversarial"] + found["smoothing"], real + fake)
    assert "smoothing" not in terms(label_smoothing(toy()), "G")[0]


def test_label_smoothing_of_least_squares_has_the_gradient_of_that_target() -> None:
    logits = torch.tensor([0.3, -2.0], requires_grad=True)
    term = (0.5 * (logits - 1).square() + 0.1 * logits).sum()
    (gradient,) = torch.autograd.grad(term, logits)
    torch.testing.assert_close(gradient, logits.detach() - 0.9)


def test_lecam() -> None:
    """Before `start` the averages are those of the batch; after it they move by a hundredth."""
    fake = 2 * fakes()
    expected = F.relu(REAL - fake.mean()).square().mean() + F.relu(REAL.mean() - fake).square().mean()
    found, networks = terms(lecam(toy(), weight=0.5, start=100), "D")
    torch.testing.assert_close(found["lecam"], 0.5 * expected)
    assert networks.lecam.real.item() == pytest.approx(0.6)
    found, networks = terms(lecam(toy(), decay=0.99, start=0), "D")
    assert networks.lecam.real.item() == pytest.approx(0.006)
    assert found["lecam"].requires_grad


def test_feature_matching_replaces_the_adversarial_loss() -> None:
    found = terms(feature_matching(toy(), weight=3.0), "G")[0]
    torch.testing.assert_close(found["features"], 3 * (0.3 - fakes().mean()).square())  # D's feature is the mean pixel
    assert found.keys() == {"features"}
    both = terms(feature_matching(toy(), adversarial=0.5), "G")[0]
    torch.testing.assert_close(both["adversarial"], 0.5 * terms(toy(), "G")[0]["adversarial"])


def test_top_k_keeps_what_d_finds_most_real() -> None:
    assert keep(torch.tensor([1.0, 3.0, 2.0, 0.0]), 0.5).tolist() == [3.0, 2.0]
    assert keep(torch.tensor([1.0, 3.0]), 0.01).tolist() == [3.0]
    best = (2 * fakes()).topk(2).values
    found = terms(top_k(toy(), decay=0.1, epoch=10), "G", progress(samples=10))[0]
    torch.testing.assert_close(found["adversarial"], -best.mean())
    start = terms(top_k(toy()), "G")[0]
    assert torch.equal(start["adversarial"], terms(toy(), "G")[0]["adversarial"])
    assert torch.equal(
        terms(top_k(toy(), epoch=1), "D", progress(samples=99))[0]["adversarial"], terms(toy(), "D")[0]["adversarial"]
    )


def test_mode_seeking() -> None:
    z = progress().normal("z", 2)
    pictures = 0.5 * z[:, 0]
    ratio = (pictures.roll(1) - pictures).abs().mean() / (z.roll(1, 0) - z).abs().mean()
    found = terms(mode_seeking(toy(), weight=2.0), "G")[0]
    torch.testing.assert_close(found["mode_seeking"], 2 / (ratio + 1e-5))


def test_zcr() -> None:
    noise = progress().normal("zcr", 2)[:, 0]
    moved = 0.03 * 0.5 * noise  # of every pixel; twice that of every logit
    recipe = zcr(toy(), d_weight=5.0, g_weight=0.5, sigma=0.03)
    torch.testing.assert_close(terms(recipe, "D")[0]["consistency"], 5 * (2 * moved).square().mean())
    torch.testing.assert_close(terms(recipe, "G")[0]["variety"], -0.5 * moved.square().mean())


def test_bcr_is_zero_where_d_does_not_mind_and_not_where_it_does() -> None:
    """Pictures that are black at the border lose nothing when moved, and the mean pixel does not see a flip."""
    inside = torch.zeros(4, 1, 4, 4)
    inside[:, :, 1:3, 1:3] = torch.randn(4, 1, 2, 2)
    recipe = bcr(toy(), fake_weight=0.0)
    assert terms(recipe, "D", given={"image": inside})[0]["consistency"].item() < 1e-9
    assert terms(recipe, "D")[0]["consistency"].item() > 1e-4  # a grey picture loses what is moved out


def test_historical_averaging() -> None:
    recipe = historical_averaging(toy(), weight=2.0)
    found, networks = terms(recipe, "D")
    assert found["history"].item() == 0  # there is no past yet
    with torch.no_grad():
        networks.D.logit.weight.fill_(5.0)
    again = recipe.phases[0].loss(networks, batch(), progress())
    assert again["history"].item() == pytest.approx(2 * (5 - 2) ** 2)
    assert float(networks.history_D.mean0) == pytest.approx((2 + 5) / 2)
    assert networks.history_D.count == 2


def test_adversarial_samples_move_each_picture_to_where_d_is_wrong() -> None:
    """The toy's gradient is positive everywhere: reals get darker by the radius, fakes brighter."""
    base, found = (
        terms(recipe, "D")[0]["adversarial"] for recipe in (toy(), adversarial_samples(toy(), radius=0.1, steps=3))
    )
    fake = fakes()
    assert (found - base).item() == pytest.approx(0.2 + 2 * float(((fake + 0.1).clamp(-1, 1) - fake).mean()), abs=1e-6)
    real = torch.zeros(2, 1, 4, 4)
    assert direction(real, real).tolist() == [-1, -1]
    assert direction(torch.cat([real, real]), real).tolist() == [-1, -1, 1, 1]
    assert direction(real.clone(), real).tolist() == [1, 1]


def test_instance_noise_fades() -> None:
    recipe = instance_noise(toy(), sigma=0.2, fade=1000)
    base = value(toy(), "D", "adversarial")
    changes = [abs(value(recipe, "D", "adversarial", samples=samples) - base) for samples in (0, 500, 1000)]
    assert changes[0] > changes[1] > changes[2] == 0
    assert changes[1] == pytest.approx(changes[0] / 2, rel=1e-3)  # the same noise at half its size


def test_apa_shows_fakes_as_reals() -> None:
    found, networks = terms(apa(toy(), start=0.85), "D")
    chosen = progress().uniform("apa") < 0.85
    pseudo = progress().normal("apa/z", 2)[:, 0] * 0.5
    real = 2 * torch.where(chosen, pseudo, REAL / 2)
    torch.testing.assert_close(found["adversarial"], (2 * fakes() - real).mean())
    assert int(chosen.sum()) > 0
    assert networks.apa.count == 4


def test_packs_hold_each_picture_once_at_their_head() -> None:
    x = torch.arange(4.0)[:, None, None, None].expand(-1, 1, 2, 2)
    assert packs(x, 2)[:, :, 0, 0].tolist() == [[0, 1], [1, 0], [2, 3], [3, 2]]
    assert packs(x, 4)[2, :, 0, 0].tolist() == [2, 3, 0, 1]


def test_packing_needs_a_batch_of_whole_packs() -> None:
    from remedied import build

    recipe = build("dcgan", ["packing:samples=4"])
    assert recipe.players["D"].networks["D"].body[0].in_channels == 4
    with pytest.raises(UserError, match="A batch of 6 does not divide into packs of 4"):
        terms(recipe, "D", given={"image": torch.zeros(6, 1, 8, 8)})
    with pytest.raises(ValueError, match="Conv2d of 1 channels, or a Linear"):
        packing(toy())


def test_widening_keeps_old_weights_and_draws_new_ones_from_them() -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 64, 3)
    old = layer.weight.detach().clone()
    widen(layer, 3)
    assert layer.weight.shape == (64, 6, 3, 3)
    assert torch.equal(layer.weight[:, :3], old)
    assert set(layer.weight[:, 3:].flatten().tolist()) <= set(old.flatten().tolist())
    assert layer.weight[:, 3:].std().item() == pytest.approx(old.std().item(), rel=0.05)
    assert layer(torch.zeros(1, 6, 5, 5)).shape == (1, 64, 3, 3)


def test_a_widened_layer_keeps_its_spectral_norm() -> None:
    from gantlet.layers.spectral_norm import power_iteration, spectral_norm

    layer = spectral_norm(nn.Linear(8, 8))
    widen(layer, 8)
    for _ in range(50):
        power_iteration(layer)
    assert layer.weight.shape == (8, 16)
    assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, rel=1e-3)


def test_layers_of_another_kind_are_refused() -> None:
    class Own(nn.Linear):
        pass

    for layer in (Own(2, 1), nn.Conv2d(4, 4, 3, groups=2), nn.utils.parametrizations.weight_norm(nn.Linear(2, 1))):
        with pytest.raises(ValueError, match="of its own kind"):
            widen(layer, 1)


def test_first_and_last_layers_are_found() -> None:
    from gantlet.networks import mlp, resnet

    D = resnet.Discriminator(3, 8, 8)
    assert first_layers(D, 3, 192) == [D.blocks[0].conv1, D.blocks[0].shortcut]
    assert last_layer(D) is D.logit
    plain = mlp.Discriminator(1, 8, num_classes=3)
    assert first_layers(plain, 1, 64) == [plain.layers[0]]
    with pytest.raises(ValueError, match="one output"):
        last_layer(nn.Linear(3, 2))


def test_reals_and_fakes_are_compared_apart() -> None:
    seen: list[int] = []

    def network(x: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        seen.append(len(x))
        return x[:, 0] + (0 if y is None else y)

    x = torch.arange(8.0)[:, None]
    assert torch.equal(in_parts(network, 4)(x, None), x[:, 0])
    assert torch.equal(in_parts(network, 4)(x, torch.ones(8)), x[:, 0] + 1)
    assert torch.equal(in_parts(network, 3)(x, None), x[:, 0])
    assert seen == [4, 4, 4, 4, 8]


def test_minibatch_std_adds_the_spread_of_the_group() -> None:
    recipe = minibatch_std(toy(), group=4)
    D = recipe.players["D"].networks["D"]
    assert isinstance(D, Brightness)
    weight = D.logit[1].weight.detach()[0]
    assert weight.tolist() == [2, 2]  # the one old weight is all there is to draw from
    real, fake = torch.tensor([0.1, 0.2, 0.3, 0.6]), fakes()
    expected = 2 * (fake.mean() + fake.std(correction=0) - real.mean() - real.std(correction=0))
    torch.testing.assert_close(terms(recipe, "D")[0]["adversarial"], expected, rtol=1e-4, atol=1e-5)


def test_multi_scale_judges_at_every_scale() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert coarser(x, 2)[0, 0].tolist() == [[2.5, 2.5, 4.5, 4.5]] * 2 + [[10.5, 10.5, 12.5, 12.5]] * 2
    recipe = multi_scale(toy(), scales=3)
    assert list(recipe.players["D"].networks) == ["D", "D2", "D4"]
    # The mean pixel is the same at every scale, and the loss is averaged over the scales.
    torch.testing.assert_close(terms(recipe, "D")[0]["adversarial"], terms(toy(), "D")[0]["adversarial"])


def test_optimizers_and_clipping() -> None:
    recipe = sgd(gradient_clipping(toy(), norm=0.3), lr=0.2, momentum=0.5)
    assert [player.clip_norm for player in recipe.players.values()] == [0.3, 0.3]
    made = recipe.players["D"].optimizer([nn.Parameter(torch.zeros(1))])
    assert isinstance(made, SGD)
    assert (made.param_groups[0]["lr"], made.param_groups[0]["momentum"]) == (0.2, 0.5)
    assert not isinstance(recipe.players["G"].optimizer([nn.Parameter(torch.zeros(1))]), SGD)
    scheduled = toy()
    scheduled = replace(
        scheduled, players={n: replace(p, schedule=lambda _: {"betas": 0}) for n, p in scheduled.players.items()}
    )
    assert sgd(scheduled).players["D"].schedule is None
    assert sgd(scheduled).players["G"].schedule is not None


def test_holdout_reports_how_much_d_overfits() -> None:
    from gantlet.engine.stats import Collector

    collector = Collector()
    when = progress()
    when._collector, when._player = collector, "D"
    given = {**batch(), "holdout_image": batch((0.1, 0.1, 0.1, 0.1))["image"]}
    terms(holdout(toy()), "D", when, given)
    found = collector.read()
    assert found["D/train_logits"] == pytest.approx(0.6)
    assert found["D/holdout_logits"] == pytest.approx(0.2)
    gap = max(0.6 - float((2 * fakes()).mean()), 1e-3)
    assert found["D/overfitting"] == pytest.approx(min(0.4 / gap, 1))
    terms(holdout(toy()), "D", replace_step(when, 1), given)
    assert "D/holdout_logits" not in collector.read()


def replace_step(when, step: int):  # type: ignore[no-untyped-def]
    later = progress(step=step)
    later._collector, later._player = when._collector, "D"
    return later


SPLITS = [(1000, 0.1, 1000, 100), (60_000, 0.1, 1000, 1000), (5, 0.1, 10, 0), (3, 1, 9, 2)]


@pytest.mark.parametrize(("count", "share", "most", "held"), SPLITS)
def test_the_split_is_a_partition(count: int, share: float, most: int, held: int) -> None:
    kept, out = split(count, share, most)
    assert len(out) == held
    assert sorted([*kept.tolist(), *out.tolist()]) == list(range(count))
    assert torch.equal(split(count, share, most)[1], out)


def test_a_remedy_that_finds_no_logits_says_so() -> None:
    recipe = toy()
    silent = replace(recipe, phases=tuple(replace(p, loss=lambda *_: {}) for p in recipe.phases))
    with pytest.raises(UserError, match="reads the real_logits that D's loss reports"):
        terms(label_smoothing(silent), "D")
    with pytest.raises(UserError, match="asks nothing"):
        terms(mode_seeking(silent), "G")


def test_a_recipe_that_asks_d_by_another_door_is_told() -> None:
    def loss(nets: Nets, *_: object) -> Losses:
        return {"x": nets.D.logit(torch.ones(1, 1))}

    recipe = toy()
    other = replace(recipe, phases=tuple(replace(p, loss=loss) for p in recipe.phases))
    assert terms(other, "D")[0]["x"].item() == 2
    with pytest.raises(UserError, match=r"asks D by another door, D\.logit"):
        terms(instance_noise(other), "D")


def test_a_term_meets_lazy_penalties_nowhere() -> None:
    recipe = toy()
    lazy = replace(recipe.phases[0], every=16, loss=lambda *_: {"r1": torch.zeros(())})
    with_r1 = replace(recipe, phases=(lazy, *recipe.phases))
    changed = after(with_r1, "D", lambda moment: {**moment.terms, "more": torch.zeros(())})
    assert [terms(replace(changed, phases=(p,)), p.player)[0].keys() for p in changed.phases] == [
        {"r1"}, {"adversarial", "more"}, {"adversarial"},
    ]  # fmt: skip
