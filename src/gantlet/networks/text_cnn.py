"""Convolutions over text, the largest answer of each kept (Kim 2014), with a highway layer (SeqGAN, RelGAN).

Both discriminators take tokens [N, T] int64 or softened symbols [N, T, V], which carry gradients.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SEQGAN_FILTERS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 20)  # SeqGAN's code, as all that follows
SEQGAN_MAPS = (100, 200, 200, 200, 200, 100, 100, 100, 100, 100, 160, 160)


def embedded(x: Tensor, weight: Tensor) -> Tensor:
    """Return vectors [N, T, E] of tokens, or the mixtures of them that softened symbols stand for (no bias)."""
    return x.type_as(weight) @ weight if x.is_floating_point() else F.embedding(x, weight)


class Pooled(nn.Module):
    """Convolutions [N, E, T] -> the largest value of each map [N, maps]; filters longer than a row are shortened."""

    def __init__(self, width: int, length: int, filters: Sequence[int], maps: Sequence[int]) -> None:
        super().__init__()
        sizes = [min(size, length) for size in filters]
        self.convs = nn.ModuleList(nn.Conv1d(width, each, size) for size, each in zip(sizes, maps, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([F.relu(conv(x).amax(2)) for conv in self.convs], 1)  # relu after max: the same, less work


class Highway(nn.Module):
    """gate * relu(W x) + (1 - gate) * x, gate = sigmoid(V x + b) (Srivastava 2015); b is learnt and begins at `bias`.

    The layer of SeqGAN's code has -2 as its default, and both SeqGAN and RelGAN call it with 0.
    """

    def __init__(self, size: int, bias: float = 0.0) -> None:
        super().__init__()
        self.change, self.gate = nn.Linear(size, size), nn.Linear(size, size)
        nn.init.constant_(self.gate.bias, bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.lerp(x, F.relu(self.change(x)), torch.sigmoid(self.gate(x)).type_as(x))


class TextCNN(nn.Module):
    """SeqGAN's discriminator (Yu 2016): 12 filter sizes, highway, dropout; one logit [N].

    Its two-way softmax is this logit's sigmoid. A class, where there are any, is projected onto the features (Miyato
    2018).
    """

    def __init__(
        self,
        vocab_size: int,
        length: int,
        width: int = 64,
        filters: Sequence[int] = SEQGAN_FILTERS,
        maps: Sequence[int] = SEQGAN_MAPS,
        dropout: float = 0.25,
        num_classes: int = 0,
        highway_bias: float = 0.0,
    ) -> None:
        super().__init__()
        size = sum(maps)
        self.embedding = nn.Parameter(torch.empty(vocab_size, width).uniform_(-1.0, 1.0))  # SeqGAN's code
        self.pooled = Pooled(width, length, filters, maps)
        self.highway = Highway(size, highway_bias)
        self.drop = nn.Dropout(dropout)
        self.logit = nn.Linear(size, 1)
        self.classes = nn.Embedding(num_classes, size) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None, dropout: bool = True) -> Tensor:
        """Return logits [N]; without dropout where they are rewards."""
        features = self.highway(self.pooled(embedded(x, self.embedding).transpose(1, 2)))
        features = self.drop(features) if dropout else features
        logits: Tensor = self.logit(features)[:, 0]
        return logits if self.classes is None or y is None else logits + (self.classes(y) * features).sum(1)


class ManyViews(nn.Module):
    """RelGAN's discriminator (Nie 2019): several embedded views of a row, judged one by one, [N, views].

    A view has width / views numbers a symbol (one, as published); all views share their filters.
    """

    def __init__(
        self,
        vocab_size: int,
        length: int,
        width: int = 64,
        views: int = 64,
        filters: Sequence[int] = (2, 3, 4, 5),
        maps: int = 300,
        dropout: float = 0.25,
        num_classes: int = 0,
        highway_bias: float = 0.0,
    ) -> None:
        super().__init__()
        if width % views:
            raise ValueError(f"width must be a multiple of views, not {width} of {views}")
        size = maps * len(filters)
        self.views = views
        self.embedding = nn.Parameter(torch.empty(vocab_size, width).uniform_(-1.0, 1.0))
        self.pooled = Pooled(width // views, length, filters, [maps] * len(filters))
        self.highway = Highway(size, highway_bias)
        self.drop = nn.Dropout(dropout)
        self.dense = nn.Linear(size, 100, bias=False)  # one would cancel in a relativistic loss
        self.logit = nn.Linear(100, 1)
        self.classes = nn.Embedding(num_classes, 100) if num_classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return logits [N, views]."""
        views = embedded(x, self.embedding).view(*x.shape[:2], self.views, -1).permute(0, 2, 3, 1)  # [N, views, e, T]
        features = self.dense(self.drop(self.highway(self.pooled(views.flatten(0, 1)))))
        logits: Tensor = self.logit(features).view(-1, self.views)
        if self.classes is None or y is None:
            return logits
        return logits + torch.einsum("nvf,nf->nv", features.view(len(logits), self.views, -1), self.classes(y))
