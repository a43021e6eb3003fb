"""U-Net, PatchGAN and residual translators: published sizes, any picture size, volumes, styles."""

from __future__ import annotations

import pytest
import torch
from network_counts import batch_norm, conv, parameters, shapes
from torch import nn

from gantlet.layers.instance_norm import plain
from gantlet.networks.patch_discriminator import PatchDiscriminator, patch_layers, patch_side
from gantlet.networks.resnet_translator import StyleTranslator, Translator, reach, translator_blocks
from gantlet.networks.unet import UNet, unet_levels


def test_unet_256_has_the_published_size() -> None:
    """54.414 M (authors' code, printed at the start of training): 64, 128, 256, 512 x 5 and back, no idle biases."""
    network = UNet(3, 3, levels=8, width=64)
    downs = [64, 128, 256, 512, 512, 512, 512, 512]
    by_hand = sum(conv(a, b, 4, bias=False) for a, b in zip([3, *downs[:-1]], downs, strict=True))
    by_hand += sum(batch_norm(w) for w in downs[1:-1])
    by_hand += conv(512, 512, 4, bias=False) + 3 * conv(1024, 512, 4, bias=False) + 4 * batch_norm(512)
    for a, b in ((1024, 256), (512, 128), (256, 64)):
        by_hand += conv(a, b, 4, bias=False) + batch_norm(b)
    by_hand += conv(128, 3, 4)
    assert parameters(network) == by_hand == 54_413_955
    assert network.dropped == [False, True, True, True, False, False, False]
    assert shapes(network, nn.Conv2d, torch.zeros(1, 3, 256, 256))[-1] == (512, 1, 1)


def test_patch_discriminator_has_the_published_sizes() -> None:
    """2.769 M beside a source of three channels, 2.765 M alone with an instance norm that learns nothing (code)."""
    assert parameters(PatchDiscriminator(6)) == 2_768_705
    assert parameters(PatchDiscriminator(3, norm=plain)) == 2_764_737
    shown = shapes(PatchDiscriminator(6), nn.Conv2d, torch.zeros(1, 6, 256, 256))
    assert shown == [(64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 31, 31), (1, 30, 30)]


def test_translator_has_the_published_size() -> None:
    """11.378 M with nine blocks (authors' code)."""
    by_hand = conv(3, 64, 7) + conv(64, 128, 3) + conv(128, 256, 3) + 18 * conv(256, 256, 3)
    by_hand += conv(256, 128, 3) + conv(128, 64, 3) + conv(64, 3, 7)
    assert parameters(Translator(3, 3, 64, 9)) == by_hand == 11_378_179


def test_depth_follows_the_resolution() -> None:
    assert [unet_levels(side) for side in (512, 256, 128, 28, 8, 2)] == [8, 8, 7, 4, 3, 1]
    assert unet_levels([64, 16, 32]) == 4
    assert unet_levels(256, most=5) == 5
    assert [patch_side(layers) for layers in (1, 2, 3)] == [16, 34, 70]
    assert [patch_layers(side) for side in (8, 33, 34, 69, 70, 256)] == [1, 1, 2, 2, 3, 3]
    assert [translator_blocks(side) for side in (256, 128, [300, 64], 63)] == [9, 6, 6, 3]


@pytest.mark.parametrize("layers", [1, 2])
def test_a_logit_sees_its_patch_and_no_more(layers: int) -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(1, layers, 4, plain).double()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight)
    network.body = nn.Sequential(*(m for m in network.body if isinstance(m, nn.Conv2d)))  # norms see everything
    x = torch.zeros(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    logits = network(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert int(seen[-1] - seen[0]) + 1 == patch_side(layers)


def test_reach_is_half_the_receptive_field() -> None:
    torch.manual_seed(0)
    network = Translator(1, 1, 2, 1).double()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight)
    network.body = nn.Sequential(*(_linear(m) for m in network.body))
    x = torch.randn(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    network.body(x)[0, 0, 48, 48].backward()  # without tanh, which saturates
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero().flatten()
    furthest = max(48 - int(seen[0]), int(seen[-1]) - 48)
    assert reach(1) - 8 <= furthest <= reach(1)


def _linear(module: nn.Module) -> nn.Module:
    """Return the module without norms and activations, through which everything sees everything or nothing."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return module
    if hasattr(module, "body"):
        module.body = nn.Sequential(*(_linear(m) for m in module.body))
        return module
    return nn.Identity()


@pytest.mark.parametrize("size", [(8, 8), (9, 14), (30, 17)])
def test_pictures_of_any_size_keep_it(size: tuple[int, int]) -> None:
    x = torch.rand(2, 2, *size)
    code = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert UNet(2, 3, 3, 4)(x).shape == (2, 3, *size)
    assert Translator(2, 3, 4, 1)(x).shape == (2, 3, *size)
    for fine in (0, 2):
        assert StyleTranslator(2, 2, 4, 1, fine=fine)(x, code).shape == (2, 2, *size)


def test_volumes_are_pictures_with_one_more_dimension() -> None:
    volume = torch.rand(2, 1, 8, 12, 9)
    network = UNet(1, 2, 3, 4, dims=3)
    assert network(volume).shape == (2, 2, 8, 12, 9)
    assert PatchDiscriminator(1, 1, 4, dims=3)(volume).shape == (2, 1, 2, 4, 2)
    flat = UNet(1, 2, 3, 4)
    assert sum(p.dim() == 5 for p in network.parameters()) == sum(p.dim() == 4 for p in flat.parameters()) == 6
    assert shapes(network, nn.Conv3d, torch.zeros(1, 1, 8, 8, 8)) == [(4, 4, 4, 4), (8, 2, 2, 2), (16, 1, 1, 1)]


def test_a_class_adds_its_own_filter_to_the_common_one() -> None:
    torch.manual_seed(0)
    network = PatchDiscriminator(1, 1, 4, num_classes=3)
    x = torch.randn(3, 1, 16, 16)
    maps = network.logit(network.body(x))
    judged = network(x, torch.tensor([0, 2, 1]))
    for row, y in enumerate((0, 2, 1)):
        assert torch.equal(judged[row, 0], maps[row, 0] + maps[row, 1 + y])
    assert torch.equal(network(x), maps[:, :1])


@pytest.mark.parametrize("fine", [0, 2])
def test_every_style_starts_as_the_identity_and_styles_part_ways(fine: int) -> None:
    torch.manual_seed(0)
    network = StyleTranslator(3, 3, 4, 1, fine=fine)
    x, code = torch.rand(2, 3, 12, 12), torch.eye(3)[:2]
    assert torch.equal(network(x, code), x)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.3)
    same = network(x[:1].repeat(3, 1, 1, 1), torch.eye(3))
    assert torch.equal(same[0], x[0])  # style 0 is the picture itself
    assert not torch.allclose(same[1], same[2])
    idle = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d) and module.bias is None]
    assert len(idle) == 1 + 2 + 2 + 2 + fine  # no bias before a norm; the last convolution keeps its own


def test_fine_layers_see_the_photograph_at_full_size() -> None:
    torch.manual_seed(0)
    network, code = StyleTranslator(1, 2, 2, 1, normalise=False, fine=2).double(), torch.eye(2)[1:].double()
    nn.init.normal_(network.out.weight)
    nn.init.zeros_(network.downs[0].weight)  # nothing passes through smaller maps
    nn.init.zeros_(network.ups[1].weight)
    x = torch.randn(1, 1, 96, 96, dtype=torch.float64, requires_grad=True)
    network(x, code)[0, 0, 48, 48].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert (int(seen[0]), int(seen[-1])) == (48 - 6, 48 + 6)  # 1 + 1 + 1 of the last three layers, 3 of the first
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0.0, 0.5)
    x.grad = None
    network(x, code)[0, 0, 48, 48].backward()
    assert x.grad is not None
    seen = x.grad[0, 0].abs().sum(0).nonzero().flatten()
    assert 6 < max(48 - int(seen[0]), int(seen[-1]) - 48) <= reach(1, 2)
