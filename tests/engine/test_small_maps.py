"""Convolutions of small maps in bf16: gradients are written whole, whatever lay in memory before."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gantlet.engine import loop
from gantlet.engine.run import Run
from gantlet.engine.small_maps import mend
from gantlet.recipe import Player, Recipe
from gantlet.recipes.optimizers import adam

KINDS: dict[str, Any] = {
    "1d": nn.Conv1d, "2d": nn.Conv2d, "3d": nn.Conv3d,
    "transposed 1d": nn.ConvTranspose1d, "transposed 2d": nn.ConvTranspose2d, "transposed 3d": nn.ConvTranspose3d,
}  # fmt: skip


def spoil() -> None:
    """Leave memory of many sizes full of NaN behind."""
    blocks = [torch.full((2**power,), float("nan")) for power in range(4, 17) for _ in range(2)]
    blocks.clear()


def gradients(layer: nn.Module, x: Tensor, dtype: torch.dtype) -> list[Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        y = layer(x)
    spoil()
    parameters = list(layer.parameters())
    slope = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return [y.detach(), *torch.autograd.grad(y, [x, *parameters], slope)]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kernel", [3, 4, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_mended_layer_is_the_layer(kind: str, stride: int, kernel: int, dtype: torch.dtype) -> None:
    dimensions = int(kind[-2])
    for sides, extra in itertools.product(((1, 1, 1), (2, 3, 1), (2, 2, 2), (4, 4, 4)), (0, 1) if stride > 1 else (0,)):
        torch.manual_seed(0)
        options = {"output_padding": extra} if "transposed" in kind else {}
        plain = KINDS[kind](16, 32, kernel, stride, kernel // 2 if kernel % 2 else 1, **options).double()
        layer = KINDS[kind](16, 32, kernel, stride, kernel // 2 if kernel % 2 else 1, **options)
        layer.load_state_dict(plain.state_dict())
        mend(layer)
        x = torch.randn(4, 16, *sides[-dimensions:])
        if any(side + 2 * (kernel // 2 if kernel % 2 else 1) < kernel for side in sides[-dimensions:]):
            continue
        exact = gradients(plain, x.double(), torch.float64)
        for found, wanted in zip(gradients(layer, x, dtype), exact, strict=True):
            assert found.shape == wanted.shape
            error = float((found.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1e-9))
            assert error < (0.05 if dtype == torch.bfloat16 else 1e-4)


def test_only_layers_that_can_go_wrong_are_looked_at() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1), nn.Conv2d(8, 8, 4, 2, 1), nn.ConvTranspose2d(8, 8, 4, 2, 1))
    mend(network)
    assert [len(layer._forward_hooks) for layer in network] == [0, 1, 1]


@pytest.mark.parametrize(("precision", "hooks"), [("fp32", 0), ("bf16", 1)])
def test_runs_in_bf16_are_mended(precision: str, hooks: int, tmp_path: Path) -> None:
    layer = nn.Conv2d(1, 1, 4, 2, 1)
    player = Player(networks={"D": layer}, optimizer=adam(1e-3, (0.0, 0.9)))
    recipe = Recipe(players={"D": player}, phases=(), batch_size=2, sample=None)
    loop.prepare(recipe, Run(out=tmp_path, steps=1, device="cpu", precision=precision), {}, print)
    assert len(layer._forward_hooks) == hooks
