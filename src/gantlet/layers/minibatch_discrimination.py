"""Minibatch discrimination (Salimans 2016, section 3.2): D sees how close each sample is to the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class MinibatchDiscrimination(nn.Module):
    """Appends o(x_i)_b = sum_j exp(-|M_ib - M_jb|_1), M_i = T f(x_i): features [N, F] -> [N, F + kernels].

    T is [features, kernels, dim]. The sum leaves j = i out, whose term is always 1. All rows are compared.
    """

    def __init__(self, features: int, kernels: int = 100, dim: int = 5) -> None:
        super().__init__()
        self.T = nn.Parameter(torch.randn(features, kernels, dim) * 0.05)  # its scale in the authors' code

    def forward(self, x: Tensor) -> Tensor:
        M = torch.einsum("nf,fkd->nkd", x, self.T).float()
        distances = (M[:, None] - M[None]).abs().sum(3)  # [N, N, kernels]
        return torch.cat([x, (torch.exp(-distances).sum(1) - 1).type_as(x)], dim=1)
