"""StyleGAN2's networks: published counts layer by layer, the parts of G for use alone, labels, any size."""

from __future__ import annotations

import itertools
from math import sqrt

import pytest
import torch
import torch.nn.functional as F
from network_counts import conv, linear, parameters
from torch.autograd import gradgradcheck

from gantlet.networks.stylegan2 import Discriminator, DownBlock, Generator, Mapping, StyledConv

WIDTHS = [512, 512, 512, 512, 512, 256, 128, 64, 32]  # 4 to 1024 pixels, channel_base 32768
PAIRS = list(itertools.pairwise(WIDTHS))
Y = torch.tensor([0, 2, 1, 1])


def tiny(channels: int = 1, size: tuple[int, int] = (16, 16), num_classes: int = 0) -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    G = Generator(6, channels, size, 64, 8, 2, num_classes=num_classes)
    return G, Discriminator(channels, size, 64, 8, num_classes=num_classes, mapping_layers=2)


def styled(inputs: int, outputs: int, kernel: int) -> int:
    """Affine map to the style, kernel, bias."""
    return linear(512, inputs) + conv(inputs, outputs, kernel)


def test_parameters_of_the_generator_at_1024_pixels() -> None:
    """30.37M; logs of stylegan2-ada-pytorch print 28,794,124 with two layers of mapping, each of 262,656, and per layer
    2622465 (conv 512 -> 512 with noise strength), 264195 (torgb), 1442561 (b128.conv0), 16515 (b1024.torgb).
    """
    G = Generator(512, 3, 1024)
    assert parameters(G.mapping) == 8 * linear(512, 512) == 8 * 262_656
    noisy = 1  # a strength for each 3x3 layer
    by_hand = 512 * 4 * 4 + styled(512, 512, 3) + noisy
    by_hand += sum(styled(a, b, 3) + styled(b, b, 3) + 2 * noisy for a, b in PAIRS)
    by_hand += sum(styled(width, 3, 1) for width in WIDTHS)
    assert parameters(G.synthesis) == by_hand
    assert parameters(G) == 30_370_060 == 28_794_124 + 6 * 262_656
    assert [parameters(layer) for layer in G.synthesis.layers[:2]] == [2_622_465] * 2
    assert parameters(G.synthesis.layers[9]) == 1_442_561
    assert [parameters(G.synthesis.to_picture[level]) for level in (0, -1)] == [264_195, 16_515]
    assert (G.synthesis.num_layers, len(G.synthesis.noise_shapes)) == (18, 17)
    assert G.synthesis.noise_shapes[:3] == ((4, 4), (8, 8), (8, 8))
    assert G.synthesis.noise_shapes[-1] == (1024, 1024)


def test_parameters_of_the_discriminator_at_1024_pixels() -> None:
    """29,012,513, as the logs of stylegan2-ada-pytorch print it."""
    by_hand = conv(3, 32, 1)
    by_hand += sum(conv(b, b, 3) + conv(b, a, 3) + conv(b, a, 1, bias=False) for a, b in PAIRS)
    by_hand += conv(513, 512, 3) + linear(512 * 4 * 4, 512) + linear(512, 1)
    assert parameters(Discriminator(3, 1024)) == by_hand == 29_012_513
    plain = by_hand - sum(conv(b, a, 1, bias=False) for a, b in PAIRS)
    assert parameters(Discriminator(3, 1024, residual=False)) == plain


def test_constants_are_no_parameters_and_fill_no_checkpoint() -> None:
    G, D = tiny()
    assert [name for name in G.state_dict() if name not in dict(G.named_parameters())] == ["w_average"]
    assert set(D.state_dict()) == set(dict(D.named_parameters()))


SIZES = [(8, 8), (8, 12), (5, 9), (28, 28), (33, 20)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_any_size(size: tuple[int, int], channels: int) -> None:
    G, D = tiny(channels, size, num_classes=3)
    assert G(torch.randn(4, 6), Y).shape == (4, channels, *size)
    x = torch.randn(4, channels, *size, requires_grad=True)
    logits = D(x, Y)
    assert logits.shape == (4,)
    assert not torch.allclose(logits, D(x, (Y + 1) % 3))
    (gradient,) = torch.autograd.grad(logits.square().sum(), x)
    for axes in ((0, 2, 3), (0, 1, 2), (0, 1, 3)):
        assert bool((gradient.abs().sum(axes) > 0).all())


def test_mapping_by_hand() -> None:
    """z and the embedded label, each of unit mean square, side by side; LeakyReLU(.2) * sqrt(2) after each layer."""
    torch.manual_seed(0)
    mapping = Mapping(6, 5, 2, num_classes=3)
    z = 100 * torch.randn(4, 6)
    label = mapping.embedding.weight.t()[Y] / sqrt(3) + mapping.embedding.bias
    h = torch.cat([v / v.square().mean(1, keepdim=True).sqrt() for v in (z, label)], dim=1)
    for layer in mapping.layers:
        h = h @ layer.weight.t() * 0.01 / sqrt(h.shape[1]) + 0.01 * layer.bias
        h = F.leaky_relu(h, 0.2) * sqrt(2)
    torch.testing.assert_close(mapping(z, Y), h, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mapping(z, Y), mapping(3 * z, Y), rtol=1e-4, atol=1e-5)  # z on a sphere


def test_a_smaller_label_moves_w_less() -> None:
    moved = []
    for label_size in (1.0, 0.1):
        torch.manual_seed(0)
        mapping = Mapping(6, 5, 1, num_classes=3, lr_multiplier=1.0, label_size=label_size)
        mapping.layers[0].weight.data.abs_()
        z = 3 + torch.rand(4, 6)  # positive sums: the layer is linear here
        mapping.embedding.weight.data.abs_()
        moved.append((mapping(z, Y) - mapping(z, (Y + 1) % 3)).detach())
    torch.testing.assert_close(moved[1], 0.1 * moved[0], rtol=1e-3, atol=1e-6)


def test_one_w_for_all_layers_or_one_for_each() -> None:
    G, _ = tiny()
    w = G.mapping(torch.randn(4, 6))
    wide = w[:, None].expand(-1, G.synthesis.num_layers, -1)
    torch.testing.assert_close(G.synthesis(w), G.synthesis(wide))
    whole = G.synthesis(wide)
    for layer in range(G.synthesis.num_layers):  # each layer reads its own, and no other sample's
        changed = wide.clone()
        changed[0, layer] += 1
        pictures = G.synthesis(changed)
        assert not torch.allclose(pictures[0], whole[0], atol=1e-5)
        torch.testing.assert_close(pictures[1:], whole[1:])


def test_the_picture_of_a_level_reads_the_w_of_the_layer_that_follows() -> None:
    """So the last w is read by the last picture alone, in which it acts linearly: half way is half the change."""
    G, _ = tiny()
    a = torch.randn(1, G.synthesis.num_layers, 6)
    b = a.clone()
    b[:, -1] += 1
    middle = G.synthesis((a + b) / 2)
    torch.testing.assert_close(middle, (G.synthesis(a) + G.synthesis(b)) / 2, rtol=1e-4, atol=1e-5)


def test_noise_begins_without_effect_and_acts_where_it_is() -> None:
    G, _ = tiny()
    w = G.mapping(torch.randn(2, 6))
    noise = [torch.randn(2, 1, *shape) for shape in G.synthesis.noise_shapes]
    assert G.synthesis.noise_shapes == ((4, 4), (8, 8), (8, 8), (16, 16), (16, 16))
    torch.testing.assert_close(G.synthesis(w, noise), G.synthesis(w))
    for layer in G.synthesis.layers:
        torch.nn.init.constant_(layer.noise_strength, 0.3)
    other = [layer.clone() for layer in noise]
    other[0][1] += 1
    changed = (G.synthesis(w, noise) - G.synthesis(w, other)).detach().abs().amax((1, 2, 3))
    assert float(changed[0]) == 0
    assert float(changed[1]) > 1e-3


def test_styled_convolution_by_hand() -> None:
    """act(demodulated convolution + strength * noise + bias) * sqrt(2), the gain once and behind."""
    torch.manual_seed(0)
    layer = StyledConv(3, 4, 5, up=False)
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.constant_(layer.noise_strength, 0.7)
    x, w, noise = torch.randn(2, 3, 5, 6), torch.randn(2, 5), torch.randn(2, 1, 5, 6)
    y, gain = layer.conv(x, w)
    by_hand = sqrt(2) * F.leaky_relu(y * gain + 0.7 * noise + layer.bias[:, None, None], 0.2)
    torch.testing.assert_close(layer(x, w, noise), by_hand, rtol=1e-4, atol=1e-5)


def test_truncation_moves_w_towards_its_running_mean() -> None:
    G, _ = tiny()
    w = torch.randn(4, 6)
    G.follow(w)
    torch.testing.assert_close(G.w_average, 0.005 * w.mean(0))
    G.follow(w)
    torch.testing.assert_close(G.w_average, (0.005 + 0.995 * 0.005) * w.mean(0))
    assert G.truncate(w, 1.0) is w
    torch.testing.assert_close(G.truncate(w, 0.0), G.w_average.expand(4, 6))
    torch.testing.assert_close(G.truncate(w, 0.7), 0.3 * G.w_average + 0.7 * w)


def test_labels_enter_d_as_a_projection_of_their_mapping() -> None:
    _, D = tiny(num_classes=3)
    heads: list[torch.Tensor] = []
    D.logit.register_forward_hook(lambda module, inputs, out: heads.append(out))
    logits = D(torch.randn(4, 1, 16, 16), Y)
    torch.testing.assert_close(logits, (heads[0] * D.mapping(None, Y)).sum(1) / sqrt(8))


@pytest.mark.parametrize("residual", [False, True])
def test_down_block_written_plainly(residual: bool) -> None:
    """Each activation times sqrt(2); both ways of a residual block times sqrt(1/2), so that the sum keeps variance."""
    torch.manual_seed(0)
    block = DownBlock(4, 6, residual)
    x = torch.randn(2, 4, 8, 6)
    for layer in (block.conv0, block.conv1):
        torch.nn.init.normal_(layer.bias)
    scale = 1 / sqrt(4 * 9)
    h = sqrt(2) * F.leaky_relu(F.conv2d(x, block.conv0.weight * scale, block.conv0.bias, padding=1), 0.2)
    h = F.conv2d(block.blur(h), block.conv1.weight * scale, block.conv1.bias, stride=2)
    h = sqrt(2) * F.leaky_relu(h, 0.2)
    if residual:
        h = (h + F.conv2d(block.downsample(x), block.skip.weight / sqrt(4))) * sqrt(0.5)
    torch.testing.assert_close(block(x), h, rtol=1e-4, atol=1e-5)


def test_second_derivatives_of_the_discriminator() -> None:
    torch.manual_seed(0)
    D = Discriminator(1, 8, 16, 2, group_size=2, num_classes=3, mapping_layers=2, mapping_lr=1.0).double()
    for parameter in D.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.7)
    x = torch.randn(2, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    assert gradgradcheck(lambda x: torch.tanh(D(x, Y[:2])), x, fast_mode=True, atol=1e-4)
    (gradient,) = torch.autograd.grad(D(x, Y[:2]).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters() if p.dim() > 1)


def test_second_derivatives_of_the_generator_in_w_reach_its_weights() -> None:
    torch.manual_seed(0)
    G = Generator(4, 1, 8, 16, 2, 2, 1.0).double()
    z = torch.randn(2, 4, dtype=torch.float64)
    w = G.mapping(z)
    assert gradgradcheck(lambda w: torch.tanh(G.synthesis(w)), w.detach().requires_grad_(), fast_mode=True, atol=1e-4)
    (gradient,) = torch.autograd.grad(G.synthesis(w).square().sum(), w, create_graph=True)
    gradient.square().sum().backward()
    weights = [p for name, p in G.named_parameters() if p.dim() > 1]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)
