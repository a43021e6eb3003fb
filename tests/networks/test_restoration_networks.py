"""Networks that restore pictures: published sizes, shapes at any size, what they begin as."""

from __future__ import annotations

import itertools

import pytest
import torch
from network_counts import batch_norm, conv, linear, parameters, shapes
from torch import nn

from gantlet.layers.degradations import upscale
from gantlet.networks import context_encoder, dncnn, gated_unet, rrdb, sn_patchgan, srresnet
from gantlet.networks.noise_model import NoiseModel
from gantlet.networks.unet_discriminator import UNetDiscriminator


def test_srresnet_has_the_size_of_figure_4() -> None:
    """About 1.5 M (Ledig 2017, Fig. 4): 9x9 at the ends, 16 blocks, BN, a PReLU of one slope each."""
    block = 2 * (conv(64, 64, 3) + batch_norm(64)) + 1
    by_hand = conv(3, 64, 9) + 1 + 16 * block + conv(64, 64, 3) + batch_norm(64)
    by_hand += 2 * (conv(64, 256, 3) + 1) + conv(64, 3, 9)
    assert parameters(srresnet.SRResNet(3, 4)) == by_hand == 1_549_462


def test_plain_srresnet_has_the_published_size() -> None:
    """1,517,571: MSRResNet as BasicSR has it; "SRResNet 1,518K" in tables of light networks (e.g. IMDN, PAN)."""
    by_hand = conv(3, 64, 3) + 16 * 2 * conv(64, 64, 3) + 2 * conv(64, 256, 3) + conv(64, 64, 3) + conv(64, 3, 3)
    assert parameters(srresnet.PlainSRResNet(3, 4)) == by_hand == 1_517_571


def test_rrdbnet_has_the_published_size() -> None:
    """16.70 M: 23 blocks, 64 maps, growth 32 (ESRGAN's released network, `RRDB_ESRGAN_x4`: 16,697,987 numbers)."""
    dense = sum(conv(64 + 32 * i, 32, 3) for i in range(4)) + conv(192, 64, 3)
    by_hand = conv(3, 64, 3) + 23 * 3 * dense + conv(64, 64, 3) + 2 * conv(64, 64, 3) + conv(64, 64, 3) + conv(64, 3, 3)
    with torch.device("meta"):
        assert parameters(rrdb.RRDBNet(3, 4)) == by_hand == 16_697_987


def test_dncnn_has_the_published_size() -> None:
    """0.556 M for 17 layers of 64 maps on grey pictures (Zhang 2017, DnCNN-S), 0.667 M for the 20 of DnCNN-B."""
    by_hand = conv(1, 64, 3) + 15 * (conv(64, 64, 3, bias=False) + batch_norm(64)) + conv(64, 1, 3)
    assert parameters(dncnn.DnCNN(1)) == by_hand == 556_097
    assert parameters(dncnn.DnCNN(1, depth=20)) == by_hand + 3 * (conv(64, 64, 3, bias=False) + batch_norm(64))


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_dncnn_takes_pictures_of_any_size(shrink: int) -> None:
    """What is to the right and below a picture of whole blocks is only padding for one that ends within a block."""
    torch.manual_seed(0)
    network = dncnn.DnCNN(2, depth=3, width=4, norm=False, shrink=shrink)
    x = torch.randn(1, 2, 13, 17)
    assert network(x).shape == x.shape
    padded = torch.nn.functional.pad(x, (0, -17 % shrink, 0, -13 % shrink), mode="replicate")
    torch.testing.assert_close(network(padded)[..., :13, :17], network(x))
    changed = x.clone()
    changed[..., 0, 0] += 1
    reach = 3 * shrink + shrink - 1  # three layers of blocks, to the end of the last one
    assert (network(changed) - network(x)).abs()[..., reach + 1 :, :].max() == 0
    assert (network(changed) - network(x)).abs()[..., : 3 * shrink, : 3 * shrink].max() > 0


def test_unet_discriminator_has_the_published_size() -> None:
    """4,376,897: Real-ESRGAN's `UNetDiscriminatorSN` with 64 maps, worked out from its layers."""
    by_hand = conv(3, 64, 3) + conv(64, 1, 3) + 2 * conv(64, 64, 3, bias=False)
    for a, b in ((64, 128), (128, 256), (256, 512)):
        by_hand += conv(a, b, 4, bias=False) + conv(b, a, 3, bias=False)
    network = UNetDiscriminator(3)
    assert parameters(network) == by_hand == 4_376_897
    assert network(torch.zeros(2, 3, 20, 29)).shape == (2, 1, 20, 29)
    assert len(network.features(torch.zeros(1, 3, 16, 16))) == 7


def test_the_discriminator_of_srgan() -> None:
    """Ledig 2017, Fig. 4, at 96 pixels: eight convolutions, the last maps 512 x 6 x 6, dense 1024, dense 1."""
    network = srresnet.Discriminator(3, 96)
    expected = [(64, 96, 96), (64, 48, 48), (128, 48, 48), (128, 24, 24), (256, 24, 24), (256, 12, 12), (512, 12, 12)]
    assert shapes(network, nn.Conv2d, torch.zeros(1, 3, 96, 96)) == [*expected, (512, 6, 6)]
    widths = [64, 64, 128, 128, 256, 256, 512, 512]
    by_hand = conv(3, 64, 3) + linear(512 * 36, 1024) + linear(1024, 1)
    by_hand += sum(conv(a, b, 3, bias=False) + batch_norm(b) for a, b in itertools.pairwise(widths))
    assert parameters(network) == by_hand
    assert [f.shape[1] for f in network.features(torch.zeros(1, 3, 96, 96))] == [64, 128, 256, 512]
    assert srresnet.Discriminator(1, (8, 20), 4, 8)(torch.zeros(3, 1, 8, 20)).shape == (3,)


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_enlarging_networks_enlarge_any_size(scale: int) -> None:
    x = torch.randn(2, 1, 5, 7)
    for network in (
        srresnet.SRResNet(1, scale, 4, 1),
        srresnet.PlainSRResNet(1, scale, 4, 1),
        srresnet.PlainSRResNet(1, scale, 4, 1, direct=True),
        rrdb.RRDBNet(1, scale, 4, 1, 2),
    ):
        assert network(x).shape == (2, 1, 5 * scale, 7 * scale)


def test_a_scale_that_is_no_power_of_two_is_refused() -> None:
    with pytest.raises(ValueError, match="1, 2, 4 or 8, not 3"):
        srresnet.SRResNet(3, 3)


@pytest.mark.parametrize("direct", [False, True])
def test_plain_srresnet_begins_as_bicubic(direct: bool) -> None:
    x = torch.rand(1, 3, 6, 8) * 2 - 1
    torch.testing.assert_close(srresnet.PlainSRResNet(3, 4, 8, 2, direct)(x), upscale(x, 4))


def test_sn_patchgan_layers() -> None:
    """Yu 2019, section 3.3: six 5x5 layers of stride 2, 64, 128, 256, 256, 256, 256: 256 x 4 x 4 logits at 256."""
    network = sn_patchgan.published(4)
    assert network(torch.zeros(1, 4, 256, 256)).shape == (1, 256, 4, 4)
    widths = [4, 64, 128, 256, 256, 256, 256]
    assert parameters(network) == sum(conv(a, b, 5) for a, b in itertools.pairwise(widths))
    assert sn_patchgan.patches(1, 8)(torch.zeros(2, 1, 40, 24)).shape == (2, 1, 5, 3)
    x = torch.randn(1, 4, 32, 32)
    assert torch.equal(network.judge(network.features(x)), network(x))


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("fourier", [0, 1])
@pytest.mark.parametrize("size", [(8, 8), (21, 30), (48, 32)])
def test_gated_unet_takes_any_size_and_looks_into_no_hole(fourier: int, size: tuple[int, int], filled: bool) -> None:
    networks = [gated_unet.GatedUNet(2, 4, fourier, filled) for _ in range(2)]
    network, refined = (gated_unet.Refined(*each, filled=filled).eval() for each in (networks[:1], networks))
    x, mask = torch.rand(2, 2, *size), torch.zeros(2, 1, *size)
    mask[..., 2:7, 3:6] = 1
    other = torch.where(mask > 0.5, torch.full_like(x, float("nan")), x)
    for filler in (network, refined):
        assert filler(x, mask).shape == x.shape
        assert torch.equal(filler(x, mask), filler(other, mask))


def test_context_encoder_has_the_shapes_of_figure_9() -> None:
    """128 -> 64 x 64, 64 x 32, 128 x 16, 256 x 8, 512 x 4, 4000 -> 512 x 4, 256 x 8, 128 x 16, 64 x 32, 3 x 64."""
    with torch.device("meta"):
        network, x = context_encoder.Generator(3, 128), torch.zeros(1, 3, 128, 128)
        down = [(64, 64, 64), (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (4000, 1, 1)]
        assert shapes(network, nn.Conv2d, x) == down
        up = [(512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
        assert shapes(network, nn.ConvTranspose2d, x) == up
        judge = context_encoder.Discriminator(3, 128)
        maps = [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (1, 1, 1)]
        assert shapes(judge, nn.Conv2d, torch.zeros(1, 3, 64, 64)) == maps


@pytest.mark.parametrize("size", [8, 16, 28, (16, 24)])
def test_context_encoder_draws_the_centre_of_other_sizes(size: int | tuple[int, int]) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    made = context_encoder.Generator(1, size, 4, 8)(torch.zeros(2, 1, height, width))
    assert made.shape == (2, 1, height // 2, width // 2)
    assert context_encoder.Discriminator(1, size, 4)(made).shape == (2,)


def test_context_encoder_refuses_what_it_cannot_halve() -> None:
    with pytest.raises(ValueError, match="multiples of 4, not 30x30"):
        context_encoder.Generator(1, 30)


def test_noise_model_by_hand() -> None:
    """sigma is linear between its knots, k has norm 1, x is left alone where sigma is 0."""
    model = NoiseModel(1, knots=3, kernel=3)
    with torch.no_grad():
        model.log_sigma.copy_(torch.tensor([[0.1, 0.2, 0.4]]).log())
        model.kernel.copy_(torch.tensor([[0.0, 0, 0], [3, 4, 0], [0, 0, 0]])[None, None])
    x = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0, 7.0]).view(1, 1, 1, 6)
    sigma = torch.tensor([0.1, 0.15, 0.2, 0.3, 0.4, 0.4])
    torch.testing.assert_close(model.sigma(x).flatten(), sigma)
    normal = torch.randn(1, 1, 3, 8)
    correlated = 0.6 * normal[0, 0, 1, :6] + 0.8 * normal[0, 0, 1, 1:7]
    torch.testing.assert_close(model(x, normal).flatten(), x.flatten() + sigma * correlated)


@pytest.mark.parametrize("filled", [False, True])
def test_the_second_network_sees_what_the_first_one_filled(filled: bool) -> None:
    torch.manual_seed(0)
    networks = [gated_unet.GatedUNet(2, 4, adds=filled) for _ in range(2)]
    refined = gated_unet.Refined(*networks, filled=filled).eval()
    pictures, mask = torch.rand(1, 2, 16, 16) * 2 - 1, torch.zeros(1, 1, 16, 16)
    mask[..., 4:12, 4:12] = 1
    before = refined(pictures, mask)
    with torch.no_grad():
        networks[0].out.bias.add_(0.5)
    assert (refined(pictures, mask) - before).abs().max() > 1e-4
