"""Networks of text: published sizes, one step against a whole row, and what sampling must be."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch

from gantlet.engine import average
from gantlet.layers.tokens import END, PAD, shifted
from gantlet.networks.language_model import LanguageModel, complete, log_likelihood, write, write_softly
from gantlet.networks.lstm import LSTM
from gantlet.networks.relational_memory import RelationalMemory
from gantlet.networks.text_cnn import ManyViews, TextCNN
from gantlet.networks.text_style import StateJudges, StyleTranslator

MAKE: list[Callable[[int], LanguageModel]] = [
    lambda size: LSTM(size, 5, 7, layers=2, num_classes=2),
    lambda size: RelationalMemory(size, 5, 2, 2, 3, num_classes=2),
]


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_published_sizes() -> None:
    """SeqGAN's tables with torch's second bias of the gates; RelGAN's D without the bias that cancels."""
    size = 5000
    assert parameters(LSTM(size)) == size * 32 + 4 * 32 * (32 + 32 + 2) + 33 * size
    filters = [(1, 100), *[(f, 200) for f in (2, 3, 4, 5)], *[(f, 100) for f in (6, 7, 8, 9, 10)], (15, 160), (20, 160)]
    convolutions = sum(f * 64 * maps + maps for f, maps in filters)
    assert parameters(TextCNN(size, 20)) == size * 64 + convolutions + 2 * (1720 * 1720 + 1720) + 1721
    highway = 2 * (1200 * 1200 + 1200)
    assert parameters(ManyViews(size, 20)) == size * 64 + 300 * (14 + 4) + highway + 1200 * 100 + 101
    norms, gates = 2 * (1536 + 512 + 512), 2 * 512 * 1024 + 1024
    linear = 33 * 512 + 512 * 1536 + 2 * 513 * 512 + 513 * size
    assert parameters(RelationalMemory(size)) == size * 32 + linear + norms + gates


@pytest.mark.parametrize("make", MAKE)
def test_steps_are_the_whole_row(make: Callable[[int], LanguageModel]) -> None:
    torch.manual_seed(0)
    network, tokens, y = make(11), torch.randint(4, 11, (3, 6)), torch.tensor([0, 1, 1])
    whole, state, found = network.features(shifted(tokens), y), network.begin(torch.zeros(3, 1), y), []
    for read in shifted(tokens).unbind(1):
        features, state = network.step(read, state)
        found.append(features)
    torch.testing.assert_close(torch.stack(found, 1), whole)
    changed = network(torch.cat([tokens[:, :3], 15 - tokens[:, 3:].clamp_min(5)], 1), y)
    torch.testing.assert_close(changed[:, :4], network(tokens, y)[:, :4])  # nothing looks ahead
    assert not torch.allclose(changed[:, 4:, 4:], network(tokens, y)[:, 4:, 4:])


@pytest.mark.parametrize("make", MAKE)
def test_the_probabilities_of_all_sentences_sum_to_one(make: Callable[[int], LanguageModel]) -> None:
    torch.manual_seed(1)
    network = make(6)
    sentences = [row for row in product([END, 3, 4, 5], repeat=3) if END not in row[:2]]
    sentences += [(a, END, PAD) for a in (3, 4, 5)] + [(END, PAD, PAD)]
    total = log_likelihood(network, torch.tensor(sentences)).sum(1).exp().sum()
    torch.testing.assert_close(total, torch.tensor(1.0))


def test_relational_attention_is_the_slow_one() -> None:
    torch.manual_seed(0)
    network = RelationalMemory(9, 5, 2, 2, 3)
    memory, x = torch.randn(4, 2, 6), torch.randn(4, 6)
    fast = network.attend(memory, x)
    for row, slot, head in product(range(4), range(2), range(2)):
        qkv = network.qkv_norm(network.qkv(torch.cat([memory[row], x[row, None]])))
        q, k, v = (part for part in qkv[:, head * 9 : head * 9 + 9].split(3, 1))
        weights = torch.softmax(k @ q[slot] / (3 * 3) ** 0.5, 0)
        torch.testing.assert_close(fast[row, slot, head * 3 : head * 3 + 3], weights @ v)


def constant(probabilities: list[float]) -> LSTM:
    """Return a network that writes each symbol from END on (PAD and BEGIN left out) with fixed probabilities."""
    network = LSTM(6, 4, 4)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias[[END, 3, 4, 5]] = torch.tensor(probabilities).log()
    return network


def test_what_is_written_has_the_probabilities_of_the_model() -> None:
    tokens = write(constant([0.2, 0.1, 0.3, 0.4]), torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)))
    shares = tokens[:, 0].bincount(minlength=6) / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.0, 0.2, 0.0, 0.1, 0.3, 0.4]), atol=0.015, rtol=0)
    assert bool((tokens[tokens[:, 0] == END][:, 1:] == PAD).all())
    assert abs(float((tokens[:, 2] == PAD).float().mean()) - 0.36) < 0.015  # 1 - .8^2 have ended before


def test_prefix_and_greed() -> None:
    network, uniform = constant([0.2, 0.1, 0.3, 0.4]), torch.rand(5, 4)
    written = write(network, uniform, temperature=0.0, prefix=torch.tensor([3, 4]))
    assert written.tolist() == [[3, 4, 5, 5]] * 5
    each = write(network, uniform, prefix=torch.arange(3, 6).repeat(2)[:5, None])
    assert each[:, 0].tolist() == [3, 4, 5, 3, 4]
    assert write(network, uniform, prefix=torch.full((9,), 4)).tolist() == [[4] * 4] * 5


def test_soft_symbols_sum_to_one_carry_gradients_and_are_words_when_sharp() -> None:
    torch.manual_seed(0)
    network, uniform = LSTM(9, 5, 7), torch.rand(64, 6, 9)
    soft = write_softly(network, uniform, 1.0)
    torch.testing.assert_close(soft.sum(2), torch.ones(64, 6))
    (soft[:, -1, 5]).sum().backward()
    assert network.layers[0].weight_hh_l0.grad.abs().sum() > 0  # through all steps
    sharp = write_softly(network, uniform, 1e4)
    torch.testing.assert_close(sharp.amax(2), torch.ones(64, 6), atol=1e-2, rtol=0)
    words = sharp.argmax(2)
    assert torch.equal(words, soft.argmax(2))  # what is written does not depend on the sharpness
    ended = (words == END).cumsum(1) - (words == END).long() > 0
    assert bool(ended.any())
    assert bool((words[ended] == PAD).all())
    assert not bool((words[~ended] == PAD).any())


@pytest.mark.parametrize("make", MAKE)
def test_endings_of_all_beginnings_are_those_written_one_by_one(make: Callable[[int], LanguageModel]) -> None:
    torch.manual_seed(0)
    network, y = make(8), torch.tensor([0, 1, 0, 1])
    tokens, numbers = write(network, torch.rand(4, 5), y), torch.rand(4, 3, 4, 5)
    endings = complete(network, tokens, numbers, y)
    assert endings.shape == (4, 3, 4, 5)
    assert bool((tokens == END)[:, :3].any())
    for place, repeat in product(range(4), range(3)):
        for row in range(4):
            slow = write(network, numbers[row, repeat, place][None], y[row : row + 1], prefix=tokens[row, : place + 1])
            assert torch.equal(endings[place, repeat, row], slow[0])


def test_a_moving_average_still_bars_what_is_barred() -> None:
    live, averaged = LSTM(6, 4, 4), LSTM(6, 4, 4)
    average.update(averaged, live, 0.5)
    assert averaged(torch.tensor([[4]]))[0, 0].isinf().tolist() == [True, False, True, False, False, False]


@pytest.mark.parametrize("network", [TextCNN(9, 6, 4, [2, 9], [3, 5]), ManyViews(9, 6, 4, 2, [2, 3], 4)])
def test_sharp_symbols_are_judged_as_tokens(network: torch.nn.Module) -> None:
    tokens = torch.randint(0, 9, (3, 6))
    network.eval()
    torch.testing.assert_close(network(tokens), network(torch.nn.functional.one_hot(tokens, 9).float()))


def test_style_translator_reads_up_to_the_end_and_is_silent_behind_it() -> None:
    torch.manual_seed(0)
    G = StyleTranslator(9, 2, 5, 3, 4, dropout=0.0)
    tokens, y = torch.tensor([[5, 6, END, PAD, PAD], [5, 6, END, 7, 8]]), torch.tensor([1, 1])
    short = G.encode(tokens[:1, :3], y[:1])
    torch.testing.assert_close(G.encode(tokens[:1], y[:1]), short)
    assert not torch.allclose(G.encode(tokens[:1], 1 - y[:1]), short)
    z = torch.randn(40, 4)
    spoken = G.speak(z, torch.zeros(40, dtype=torch.int64), torch.rand(40, 5, 9), 100.0)
    silent = (spoken == 0).all(2)
    assert spoken.shape == (40, 5, 7)
    assert bool(silent.any())
    assert not bool(silent[:, 0].any())
    assert bool((silent[:, 1:] >= silent[:, :-1]).all())
    judged = StateJudges(7, 5, 2, [2, 3], 4, dropout=0.0)(spoken, torch.arange(40) % 2)
    assert judged.shape == (40,)
