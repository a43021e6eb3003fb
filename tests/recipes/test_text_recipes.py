"""Recipes of text: their stages, schedules and rewards, and that likelihood learns a language."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from tiny_runs import arguments, build, prepare, rows_of, train
from torch import Tensor

from gantlet.draws import BatchDraws, SampleDraws
from gantlet.engine import loop, nets
from gantlet.engine.run import Run
from gantlet.layers.tokens import END
from gantlet.networks.lstm import LSTM
from gantlet.recipes.text import relgan, seqgan, text_mle, text_style, writing
from gantlet.recipes.text.seqgan import PolicyGame, verdicts
from gantlet.recipes.text.writing import Writing, pair_codes, repetition, score, staged_adam


def at(samples: int) -> Any:
    return SimpleNamespace(samples=samples, step=samples // 4)


def test_a_new_stage_takes_adam_as_if_it_began() -> None:
    """The moving average under the schedule is the bias-corrected one of the gradients of the new stage alone."""
    schedule = staged_adam(1e-2, 1e-4, (0.9, 0.999), start=400, batch_size=4)
    assert schedule(at(396)) == {"lr": 1e-2}
    gradients, mean, new = [3.0, -1.0, 2.0, 0.5], 777.0, 0.0
    for step, gradient in enumerate(gradients):
        beta = schedule(at(400 + 4 * step))["betas"][0]
        mean, new = beta * mean + (1 - beta) * gradient, 0.9 * new + 0.1 * gradient
        assert mean == pytest.approx(new / (1 - 0.9 ** (step + 1)))
    assert schedule(at(4_000_000))["betas"] == pytest.approx((0.9, 0.999))
    assert staged_adam(1e-2, 1e-4, (0.9, 0.999), 0, 4)(at(0)) == {"lr": 1e-4}


def test_stages_of_seqgan(tmp_path: Path) -> None:
    """Likelihood alone, D alone, both; D takes its many updates in the game only."""
    training = prepare("seqgan", tmp_path, pretrain=8, d_pretrain=4, d_updates=3)
    seen = []
    for _ in range(4):
        loop.iterate(training, rows_of("seqgan"), loop.Guard(training.device))
        statistics = training.collector.read()
        seen.append({name for name in statistics if name.endswith(("likelihood", "adversarial"))})
    assert seen == [{"G/likelihood"}, {"G/likelihood"}, {"D/adversarial"}, {"G/adversarial", "D/adversarial"}]
    assert training.counters.position == 4 * (1 + 1 + 1 + 3)


def test_rewards_are_mean_verdicts_on_endings_and_the_verdict_on_the_row() -> None:
    torch.manual_seed(0)
    recipe = build("seqgan")
    networks = nets.build(recipe, torch.device("cpu"))
    draws: Any = BatchDraws((0,), 0, 3, 3, torch.device("cpu"))
    fake = torch.tensor([[5, 6, 7, 8, 9, 10, 11, 4], [5, END, 0, 0, 0, 0, 0, 0], [4] * 8])
    y = torch.tensor([0, 1, 1])
    rewards = PolicyGame(Writing(8), 2, False, 0.0).rewards(networks, fake, y, draws)
    whole = torch.sigmoid(networks.D(fake, y, dropout=False)).detach()
    torch.testing.assert_close(rewards[:, -1], whole)
    torch.testing.assert_close(rewards[1, 1:], whole[1].expand(7))  # it has ended: there is one ending
    assert float((rewards[0, :3] - whole[0]).abs().min()) > 0
    assert bool(((rewards > 0) & (rewards < 1)).all())
    alone = PolicyGame(Writing(8), 0, False, 0.0).rewards(networks, fake, y, draws)
    torch.testing.assert_close(alone, whole[:, None].expand(3, 8))


def test_verdicts_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    networks, rows = nets.build(build("seqgan"), torch.device("cpu")), torch.randint(4, 12, (5, 8))
    whole = [verdicts(networks, rows, y) for y in (None, torch.arange(5) % 2)]
    monkeypatch.setattr(seqgan, "JUDGED", 2)
    for y, before in zip((None, torch.arange(5) % 2), whole, strict=True):
        torch.testing.assert_close(verdicts(networks, rows, y), before)


def test_sharpness_rises_exponentially_over_the_game_alone() -> None:
    game = relgan.SoftGame(8, 12, start=1000, sharpness=100.0, sharpness_samples=400)
    assert [game.sharpness_at(samples) for samples in (0, 1000, 1200, 1400, 9999)] == [1, 1, 10, 100, 100]


def test_the_score_of_a_labelled_model_is_that_of_all_labels() -> None:
    networks: Any = SimpleNamespace(G=LSTM(12, 6, 8, num_classes=2))
    tokens = torch.randint(4, 12, (3, 8))
    each = [writing.log_likelihood(networks.G, tokens, torch.full((3,), y)).sum(1).exp() for y in (0, 1)]
    torch.testing.assert_close(score(networks, tokens), ((each[0] + each[1]) / 2).log())


def test_variety_counts_pairs_and_the_sign_says_so() -> None:
    tokens = torch.tensor([[4, 5, 4, 5, 1, 0], [4, 5, 1, 0, 0, 0]])
    assert pair_codes(tokens).unique().numel() == 1 + 3  # nothing, 45, 54, 5 END
    assert repetition({"G/diversity": 0.5}) is None
    assert "10%" in str(repetition({"G/diversity": 0.1}))


def test_the_gate_opens_when_every_judge_knows_something() -> None:
    verdict = text_style.Verdict(2)
    assert bool((verdict.loss > 1.2).all())
    verdict.keep(torch.tensor([1.0, 1.2, 0.5]), torch.tensor([0, 0, 0]))
    torch.testing.assert_close(verdict.loss, torch.tensor([0.9, 1.3863]))
    verdict.keep(torch.tensor([1.0, 0.25]), torch.tensor([0, 1]))
    torch.testing.assert_close(verdict.loss, torch.tensor([1.0, 0.25]))


@pytest.mark.parametrize(("gate", "open_"), [(1.0, False), (10.0, True)])
def test_a_closed_gate_leaves_the_likelihood_alone(gate: float, open_: bool, tmp_path: Path) -> None:
    training = prepare("text_style", tmp_path, gate=gate, warm_up=0)
    loop.iterate(training, rows_of("text_style"), loop.Guard(training.device))
    statistics = training.collector.read()
    assert (statistics["G/adversarial"] > 0) == open_
    assert statistics["G/gate_open"] == float(open_)


@pytest.mark.parametrize("warm_up", [0, 4])
def test_without_an_adversarial_weight_the_auto_encoder_learns_alone(warm_up: int, tmp_path: Path) -> None:
    """Behind what would be the warm-up too, and from the weights that it has beside judges."""
    training = prepare("text_style", tmp_path, adversarial_weight=0.0, warm_up=warm_up)
    assert set(training.recipe.players) == {"G"}
    twin = build("text_style").players["G"].networks["G"]
    assert all(map(torch.equal, training.state.nets.modules["G"].state_dict().values(), twin.state_dict().values()))
    for _ in range(3):
        loop.iterate(training, rows_of("text_style"), loop.Guard(training.device))
        statistics = training.collector.read()
        assert statistics["G/likelihood"] > 0
        assert not {name for name in statistics if name.startswith("D/") or name.endswith("/adversarial")}


def test_styles_are_checked_and_named() -> None:
    recipe = build("text_style")
    networks = nets.build(recipe, torch.device("cpu"))
    assert recipe.apply is not None
    networks.G.eval()
    tokens = torch.tensor([[5, 6, END, 0, 0, 0, 0, 0]])
    assert torch.equal(recipe.apply(networks, tokens, to=1), recipe.apply(networks, tokens, to=torch.tensor([1])))
    with pytest.raises(ValueError, match="styles are 0 to 1"):
        recipe.apply(networks, tokens, to=2)
    with pytest.raises(ValueError, match="two or more"):
        text_style.text_style(num_classes=1)
    assert text_style.StyleGame(8, 2, 1.0, 1.2, 0.5, 1e-3, 100).sharpness(250) == 4.0


def counting(start: int, count: int) -> dict[str, Tensor]:
    """Rows that count upwards from a random symbol and end at 11."""
    first = 4 + (torch.arange(start, start + count) * 7919) % 7
    tokens = first[:, None] + torch.arange(8)
    return {"tokens": torch.where(tokens < 12, tokens, torch.where(tokens == 12, END, 0))}


def test_likelihood_learns_to_count(tmp_path: Path) -> None:
    """Entropy is log 7 for the first symbol and 0 for the rest."""
    torch.manual_seed(0)
    recipe = text_mle.text_mle(vocab_size=12, length=8, batch_size=32)
    training = loop.prepare(recipe, Run(out=tmp_path, steps=250, device="cpu", precision="fp32"), {}, print)
    loop.train(training, counting)
    networks = training.state.nets
    assert recipe.sample is not None
    made = recipe.sample(networks, SampleDraws(0, range(200)))
    counted = [row.tolist() for row in made if row[0] >= 4]
    right = sum(follows(row) for row in counted)
    assert right >= 190
    assert float(-score(networks, counting(0, 70)["tokens"]).mean()) < 2.1  # log 7 = 1.946


def follows(row: list[int]) -> bool:
    """Tell whether a row counts up by one to 11 and ends there, or fills its length."""
    words = row[: row.index(END)] if END in row else row
    whole = words == list(range(words[0], words[0] + len(words)))
    return whole and (words[-1] == 11 or len(words) == 8)


def test_a_game_goes_on_bit_for_bit_from_its_middle(tmp_path: Path) -> None:
    """The contract tests resume after two steps, when the game has begun at the tiny size: this keeps it so."""
    for name in ("seqgan", "maligan", "relgan"):
        given = arguments(name)
        assert given["pretrain"] + given.get("d_pretrain", 0) == given["batch_size"]
    assert train("relgan", tmp_path, 2).counters.samples == 8
