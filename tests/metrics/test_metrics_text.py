"""BLEU and Self-BLEU against hand-computed values and a slow reference; novelty, the embedding, style, fluency."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from gantlet.errors import UserError
from gantlet.metrics.text import bleu, closest_lengths, novelty, paired_bleu, self_bleu, sentence_bleu
from gantlet.metrics.text_embedding import fit_embedding, frechet_text
from gantlet.metrics.text_judgement import Reader
from gantlet.metrics.text_style import StyleClassifier, Trigrams


def slow_bleu(sentence: list[int], references: list[list[int]], n: int) -> float:
    """The definition, word for word."""
    logs = []
    for k in range(1, n + 1):
        counts = Counter(tuple(sentence[i : i + k]) for i in range(len(sentence) - k + 1))
        most: Counter[tuple[int, ...]] = Counter()
        for reference in references:
            most |= Counter(tuple(reference[i : i + k]) for i in range(len(reference) - k + 1))
        hits = sum(min(count, most[gram]) for gram, count in counts.items())
        if k == 1 and not hits:
            return 0.0
        logs.append(math.log((hits or 0.1) / max(sum(counts.values()), 1)))
    closest = min((abs(len(reference) - len(sentence)), len(reference)) for reference in references)[1]
    penalty = 1.0 if len(sentence) >= closest else math.exp(1 - closest / len(sentence))
    return penalty * math.exp(sum(logs) / n)


def random_sentences(count: int, kinds: int, seed: int) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, kinds, rng.integers(1, 9)).tolist() for _ in range(count)]


def test_bleu_by_hand() -> None:
    """Papineni's example of clipping, and the brevity penalty."""
    assert bleu([["the"] * 7], [["the", "cat", "is", "on", "the", "mat", "."]], (1,))[1] == pytest.approx(2 / 7)
    assert bleu([["a", "b"]], [["a", "b", "c", "d"]], (2,))[2] == pytest.approx(math.exp(1 - 4 / 2))
    assert bleu([["a", "b", "c"]], [["a", "b"], ["x", "c", "y"]], (2,))[2] == pytest.approx((1 * 1 / 2) ** 0.5)
    assert bleu([["x"]], [["y"]])[2] == 0.0
    assert bleu([[]], [["y"]])[5] == 0.0
    assert bleu([["y"]], [["y"]], (2,))[2] == pytest.approx(0.1**0.5)  # it has no pair: a count of zero


@pytest.mark.parametrize("n", [1, 2, 4, 5])
def test_bleu_and_self_bleu_agree_with_the_definition(n: int) -> None:
    ours, theirs = random_sentences(40, 5, 0), random_sentences(25, 6, 1)
    expected = [slow_bleu(sentence, theirs, n) for sentence in ours]
    np.testing.assert_allclose(sentence_bleu(ours, theirs, (n,))[n], expected, rtol=1e-12)
    alone = [slow_bleu(sentence, ours[:i] + ours[i + 1 :], n) for i, sentence in enumerate(ours)]
    assert self_bleu(ours, (n,))[n] == pytest.approx(np.mean(alone), rel=1e-12)
    pairs = [slow_bleu(a, [b], n) for a, b in zip(ours, theirs)]
    assert paired_bleu(ours[:25], theirs, (n,))[n] == pytest.approx(np.mean(pairs), rel=1e-12)


def test_self_bleu_leaves_each_sentence_out() -> None:
    assert self_bleu([["a", "b"], ["c", "d"]])[2] == 0.0  # with itself among the references it would be 1
    assert self_bleu([["a", "b", "c"]] * 2, (3,))[3] == pytest.approx(1.0)
    assert closest_lengths(np.array([4]), np.array([3, 5]), alone=False).tolist() == [3]
    assert closest_lengths(np.array([4, 6]), np.array([4, 6]), alone=True).tolist() == [6, 4]
    with pytest.raises(UserError, match="two"):
        self_bleu([["a"]])


def test_novelty_counts_copies_and_repeats() -> None:
    assert novelty(["a", "a", "b", "c"], ["a", "z"]) == {"copied_share": 0.5, "distinct_share": 0.75}


def test_the_embedding_tells_other_text_from_the_same() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"w{k}" for k in range(60)])
    first, second = words[rng.integers(0, 40, (600, 8))].tolist(), words[rng.integers(0, 40, (600, 8))].tolist()
    other = words[rng.integers(20, 60, (600, 8))].tolist()
    embed = fit_embedding(first, "words")
    same, far = (frechet_text(embed(first), embed(rows)) for rows in (second, other))
    assert frechet_text(embed(first), embed(first)) == pytest.approx(0, abs=1e-6)
    assert far > 8 * same
    assert fit_embedding(first, "words").fingerprint == embed.fingerprint != fit_embedding(other, "words").fingerprint
    assert "600 training rows" in embed.name
    with pytest.raises(UserError, match="at least 10"):
        fit_embedding(first[:3], "words")


def test_a_reader_judges_pieces_of_words_as_words_and_knows_copies() -> None:
    training = [f"the cat number {k} sat down" for k in range(30)]
    reader = Reader.of("bpe", training[:10], training)
    copied, other = reader.numbers(training[10:20]), reader.numbers(["zzz yyy", "xxx www"])
    assert reader.unit == "word"
    assert copied["copied_share"] == 1.0
    assert other["copied_share"] == 0.0
    assert copied["bleu2"] > 0.7 > other["bleu2"]
    assert other["fed"] > copied["fed"]
    assert "leave one out" in reader.protocol()["self_bleu"]


def test_a_classifier_of_styles_and_a_trigram_model() -> None:
    good = [["good", "food", str(k)] for k in range(20)]
    bad = [["bad", "food", str(k)] for k in range(20)]
    labels = np.array([1] * 20 + [0] * 20)
    classifier = StyleClassifier(good + bad, labels)
    assert classifier.accuracy([["good", "soup"], ["bad", "soup"]], np.array([1, 0])) == 1.0
    assert classifier.accuracy([["good", "soup"], ["bad", "soup"]], np.array([0, 1])) == 0.0
    with pytest.raises(UserError, match="two classes"):
        StyleClassifier(good, np.ones(20))
    model = Trigrams([["a"], ["a"]])
    # p(a) = .6 + .3 + .1 x 3 / 7, and so is p(end | a): of four symbols two are a, two are ends, and one is unknown.
    assert model.perplexity([["a"]]) == pytest.approx(1 / (0.9 + 0.1 * 3 / 7))
    assert model.perplexity([["b"]]) > 5 * model.perplexity([["a"]])
