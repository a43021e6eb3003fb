"""How a transfer of style is judged: by a named classifier of styles, BLEU to the source, a trigram model's fluency.

Accuracy says nothing alone: repeating one sentence of the other style has all of it and no content (Shen et al. 2017
report 78.4 % on Yelp; Mir et al. 2019, arXiv 1904.02295, why the three must stand together).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.metrics.text import Symbols
from gantlet.metrics.text_embedding import BUCKETS, hashed

WEIGHTS = (0.6, 0.3, 0.1)  # of the trigram, bigram and unigram estimate
BOUNDARY = "\0"  # before the first and after the last symbol


class StyleClassifier:
    """Logistic regression on hashed symbols and pairs, fitted on training sentences and their labels."""

    def __init__(self, sentences: Sequence[Symbols], labels: NDArray[Any]) -> None:
        from sklearn.linear_model import LogisticRegression

        if len(set(labels.tolist())) < 2:
            raise UserError("A classifier of styles needs sentences of at least two classes.")
        self._fitted = LogisticRegression(C=10.0, max_iter=300).fit(hashed(sentences), labels)
        self.name = f"logistic regression on hashed symbols and pairs ({BUCKETS} buckets), {len(sentences):,} sentences"

    def accuracy(self, sentences: Sequence[Symbols], labels: NDArray[Any]) -> float:
        """Return the share of sentences that are taken for these classes."""
        return float((self._fitted.predict(hashed(sentences)) == labels).mean())


class Trigrams:
    """A trigram model with fixed interpolation: .6 trigram, .3 bigram, .1 unigram with one more of each symbol."""

    def __init__(self, sentences: Sequence[Symbols]) -> None:
        self._counts: list[Counter[tuple[Any, ...]]] = [Counter() for _ in range(3)]
        self._before: list[Counter[tuple[Any, ...]]] = [Counter() for _ in range(3)]
        for sentence in sentences:
            row = (BOUNDARY, BOUNDARY, *sentence, BOUNDARY)
            for at in range(2, len(row)):
                for n in range(3):
                    gram = row[at - n : at + 1]
                    self._counts[n][gram] += 1
                    self._before[n][gram[:-1]] += 1
        self._kinds = len(self._counts[0]) + 1  # one for what was never seen

    def perplexity(self, sentences: Sequence[Symbols]) -> float:
        """Return the exponential of the mean negative log-probability per symbol, the end counted as one."""
        total, count = 0.0, 0
        for sentence in sentences:
            row = (BOUNDARY, BOUNDARY, *sentence, BOUNDARY)
            for at in range(2, len(row)):
                total -= math.log(self._probability(row[at - 2 : at + 1]))
                count += 1
        return math.exp(total / max(count, 1))

    def _probability(self, gram: tuple[Any, ...]) -> float:
        one = (self._counts[0][gram[-1:]] + 1) / (self._before[0][()] + self._kinds)
        two, three = (
            self._counts[n][gram[2 - n :]] / before if (before := self._before[n][gram[2 - n : -1]]) else one
            for n in (1, 2)
        )
        return float(np.dot(WEIGHTS, (three, two, one)))
