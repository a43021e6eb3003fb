"""A named embedding of sentences, fitted on training text alone, and the Frechet distance between sets of sentences.

Counts of hashed symbols and pairs of symbols, damped, each row of length one, projected on the leading singular
vectors of the training rows (latent semantic analysis, Deerwester et al. 1990, over feature hashing, Weinberger et al.
2009). The Frechet distance of such features is that of Semeniuta, Severyn & Gelly 2018, "On Accurate Evaluation of GANs
for Language Generation" (arXiv 1806.04936), with our embedding in place of InferSent: compare numbers of one embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gantlet.errors import UserError
from gantlet.metrics.frechet import Moments, frechet_distance
from gantlet.metrics.text import Symbols

BUCKETS = 2**16
SIZE = 64  # features
FITTED = 50_000  # training rows the projection is fitted on, at most


@dataclass(frozen=True)
class SentenceEmbedding:
    """Sentences to features [N, F]; `name` and `fingerprint` stand beside every number made with it."""

    name: str
    fingerprint: str
    components: NDArray[np.float32]  # [F, BUCKETS]

    def __call__(self, sentences: Sequence[Symbols]) -> NDArray[np.float32]:
        """Return features [N, F]."""
        return np.asarray(hashed(sentences) @ self.components.T, np.float32)


def hashed(sentences: Sequence[Symbols]) -> Any:
    """Return a sparse matrix [N, BUCKETS]: square roots of the counts of symbols and pairs, rows of length one."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.preprocessing import normalize

    vectorizer = HashingVectorizer(
        analyzer=_singles_and_pairs, n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32
    )
    counts = vectorizer.transform(sentences)
    counts.data = np.sqrt(counts.data)
    return normalize(counts, copy=False)


def _singles_and_pairs(sentence: Symbols) -> list[str]:
    words = [str(symbol) for symbol in sentence]
    return [*words, *(f"{a}\0{b}" for a, b in pairwise(words))]


def fit_embedding(sentences: Sequence[Symbols], unit: str, seed: int = 0) -> SentenceEmbedding:
    """Return the embedding fitted on training sentences; `unit` says in words what a symbol is.

    Raises UserError for fewer than 10 sentences.
    """
    from sklearn.decomposition import TruncatedSVD

    if len(sentences) < 10:
        raise UserError(f"An embedding is fitted on at least 10 sentences, and these are {len(sentences)}.")
    some = sentences
    if len(sentences) > FITTED:
        chosen = np.sort(np.random.default_rng(seed).permutation(len(sentences))[:FITTED])
        some = [sentences[index] for index in chosen]
    matrix = hashed(some)
    size = min(SIZE, len(some) - 1)
    fitted = TruncatedSVD(size, n_iter=4, random_state=seed).fit(matrix)
    components = np.asarray(fitted.components_, np.float32)
    # Rounded: the last bits of a singular vector differ from machine to machine.
    digest = hashlib.sha256(np.round(components.astype(np.float64), 3).tobytes()).hexdigest()
    name = f"hashed {unit} and pairs, {BUCKETS} buckets, {size} singular vectors of {len(some)} training rows"
    return SentenceEmbedding(name, digest, components)


def frechet_text(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Return the Frechet distance x 1000 between two sets of features [N, F]: rows have length at most one."""
    first, second = (Moments.of(torch.from_numpy(features)) for features in (ours, theirs))
    return 1000.0 * frechet_distance(first, second)
