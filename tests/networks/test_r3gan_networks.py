"""R3GAN's networks: published parameter counts, layer by layer; the start that needs no norm; sizes; derivatives."""

from __future__ import annotations

import itertools
from math import sqrt

import pytest
import torch
from network_counts import linear, parameters, shapes
from torch import nn
from torch.autograd import gradgradcheck
from torch.func import functional_call

from gantlet.networks import r3gan as networks
from gantlet.recipes import catalogue
from gantlet.recipes.images.r3gan import PRESETS


def block(width: int, group_width: int = 16) -> int:
    """1x1 to twice the width, grouped 3x3, 1x1 back; a bias for each of the two activations, none after the last."""
    hidden = 2 * width
    return width * hidden + hidden + hidden * group_width * 9 + hidden + hidden * width


def stages(widths: list[int], group_width: int = 16) -> int:
    """Two blocks each, a 1x1 without bias where the width changes."""
    changes = sum(a * b for a, b in itertools.pairwise(widths) if a != b)
    return sum(2 * block(width, group_width) for width in widths) + changes


SIZES = {  # maps per stage from 4 pixels up, maps per group, (G, D) with three colours; authors' train.py, by hand
    "cifar10": ([768] * 4, 16, (20_781_952, 21_280_512)),
    "ffhq64": ([768] * 4 + [384], 16, (22_429_824, 22_381_440)),
    "ffhq256": ([768] * 4 + [384, 192, 96], 16, (23_057_952, 23_009_568)),
    "imagenet32": ([1536] * 4, 32, (82_914_304, 86_548_992)),
    "imagenet64": ([1536] * 5, 32, (103_570_432, 107_205_120)),
}


@pytest.mark.parametrize("name", PRESETS)
def test_published_sizes(name: str) -> None:
    """FFHQ-256 are the 23.06 and 23.01 million of Config E in the paper's roadmap (Huang 2024)."""
    widths, group_width, (of_g, of_d) = SIZES[name]
    given = catalogue.resolve("r3gan", {}, False, PRESETS[name])
    sizes = {key: given[key] for key in ("width", "num_classes", "full_width_side", "blocks", "group_width")}
    with torch.device("meta"):
        G = networks.Generator(given["latent_dim"], 3, given["resolution"], **sizes)
        D = networks.Discriminator(3, given["resolution"], **sizes)
    classes, wide = given["num_classes"], widths[0]
    inputs = 64 * (2 if classes else 1)
    by_hand_g = wide * 16 + linear(inputs, wide, bias=False) + classes * 64
    by_hand_g += stages(widths, group_width) + linear(widths[-1], 3, bias=False)
    by_hand_d = linear(3, widths[-1], bias=False) + stages(widths[::-1], group_width) + wide * 16
    by_hand_d += linear(wide, wide if classes else 1, bias=False) + classes * wide
    assert (parameters(G), parameters(D)) == (by_hand_g, by_hand_d) == (of_g, of_d)
    convolutions = [module for module in D.modules() if isinstance(module, nn.Conv2d)]
    assert {module.groups for module in convolutions if module.in_channels == 2 * wide} == {96}  # the cardinality


def test_stages_double_the_grid_and_halve_the_maps() -> None:
    G = networks.Generator(8, 3, 64, width=16, full_width_side=16, blocks=1, group_width=4)
    out = shapes(G, networks.Block, torch.zeros(2, 8))
    assert out == [(16, 4, 4), (16, 8, 8), (16, 16, 16), (8, 32, 32), (4, 64, 64)]
    D = networks.Discriminator(3, 64, width=16, full_width_side=16, blocks=1, group_width=4)
    assert shapes(D, networks.Block, torch.zeros(2, 3, 64, 64)) == out[::-1]
    assert networks.stage_widths(28, 64, 8) == [64, 32, 16]  # 7, 14, 28
    assert networks.stage_widths((32, 64), 64, 8) == [64, 64, 32, 16]  # 4, 8, 16, 32 by the short side


def test_at_the_start_every_block_is_the_identity_and_the_scale_is_kept() -> None:
    """The last weight of a block is 0; the others are N(0, (gain L^(-1/4))^2 / fan-in), L = 6 blocks."""
    torch.manual_seed(0)
    D = networks.Discriminator(3, 16, width=64, num_classes=10, group_width=16)
    blocks = [module for module in D.modules() if isinstance(module, networks.Block)]
    assert len(blocks) == 6
    x = torch.randn(2, 64, 4, 4)
    assert torch.equal(blocks[-1](x), x)
    gain = sqrt(2 / 1.04) * 6**-0.25
    assert float(blocks[0].expand.weight.detach().std()) == pytest.approx(gain / sqrt(64), rel=0.05)
    assert float(blocks[0].grouped.weight.detach().std()) == pytest.approx(gain / sqrt(16 * 9), rel=0.05)
    assert float(D.logit.weight.detach().std()) == pytest.approx(1 / 8, rel=0.05)
    assert float(D.embedding.weight.detach().std()) == pytest.approx(1 / sqrt(64 * 10), rel=0.1)
    pictures = networks.Generator(64, 3, 16, width=64)(torch.randn(64, 64))
    assert 0.2 < float(pictures.detach().std()) < 0.6  # 1 on the base grid; each enlarging leaves .625 of it


def test_a_pointwise_layer_is_the_1x1_convolution() -> None:
    layer, x = networks.Pointwise(5, 3), torch.randn(2, 5, 4, 6)
    wanted = nn.functional.conv2d(x, layer.weight[:, :, None, None], layer.bias)
    torch.testing.assert_close(layer(x), wanted)
    assert layer(x.contiguous(memory_format=torch.channels_last)).is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20)])
def test_any_size_and_every_pixel(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    sizes = dict(width=8, num_classes=3, full_width_side=4, blocks=1, group_width=2)
    y = torch.tensor([0, 2, 1])
    assert networks.Generator(6, 3, size, **sizes)(torch.randn(3, 6), y).shape == (3, 3, *size)
    D, x = networks.Discriminator(3, size, **sizes), torch.randn(3, 3, *size, requires_grad=True)
    for parameter in D.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)
    logits = D(x, y)
    assert logits.shape == (3,)
    assert not torch.equal(logits, D(x, (y + 1) % 3))
    (gradient,) = torch.autograd.grad(logits.sum(), x)
    assert bool((gradient.abs().sum((0, 2, 3)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 2)) > 0).all())
    assert bool((gradient.abs().sum((0, 1, 3)) > 0).all())


@pytest.mark.parametrize("num_classes", [0, 3])
def test_second_derivatives(num_classes: int) -> None:
    torch.manual_seed(0)
    D = networks.Discriminator(1, 8, 4, num_classes, 4, 1, 2).double()
    for parameter in D.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)
    names, y = [name for name, _ in D.named_parameters()], torch.tensor([0, 2, 1]) if num_classes else None
    x = torch.randn(3, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    values = [parameter.detach().requires_grad_() for parameter in D.parameters()]

    def function(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        return functional_call(D, dict(zip(names, values, strict=True)), (x, y)).tanh()

    assert gradgradcheck(function, (x, *values), fast_mode=True, atol=1e-4)


def test_the_label_is_a_projection_without_an_unconditional_term() -> None:
    """Twice the embedding, twice the logit; a zero embedding gives zero."""
    torch.manual_seed(0)
    D, x, y = networks.Discriminator(1, 8, 8, 3, 4, 1, 4), torch.randn(3, 1, 8, 8), torch.tensor([0, 2, 1])
    once = D(x, y)
    with torch.no_grad():
        D.embedding.weight.mul_(2)
    torch.testing.assert_close(D(x, y), 2 * once)
