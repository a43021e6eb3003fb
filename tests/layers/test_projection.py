"""Labels projected onto features."""

from __future__ import annotations

import torch
from torch import nn

from gantlet.layers.projection import projected_logits


def test_the_product_with_the_labels_embedding_is_added_to_psi() -> None:
    logit, embedding, h = nn.Linear(2, 1), nn.Embedding(3, 2), torch.tensor([[1.0, 2.0], [-3.0, 0.5]])
    with torch.no_grad():
        logit.weight.copy_(torch.tensor([[2.0, -1.0]]))
        logit.bias.fill_(0.25)
        embedding.weight.copy_(torch.tensor([[1.0, 1.0], [0.0, 4.0], [2.0, -2.0]]))
    assert projected_logits(h, None, logit, None).tolist() == [0.25, -6.25]
    assert projected_logits(h, torch.tensor([1, 2]), logit, embedding).tolist() == [8.25, -13.25]
