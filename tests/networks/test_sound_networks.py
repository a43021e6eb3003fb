"""Networks of sound: published sizes, lengths, and what depends on what."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gantlet.networks import hifigan, vocos, wavegan
from gantlet.networks.waveform_discriminators import (
    MultiPeriodDiscriminator,
    MultiResolutionDiscriminator,
    MultiScaleDiscriminator,
    PeriodDiscriminator,
)


def plain(network: nn.Module) -> int:
    """Count parameters as if there were no weight norm: it keeps a length beside each filter."""
    return sum(p.numel() for name, p in network.named_parameters() if not name.endswith("weight.original0"))


def test_wavegan_and_specgan_have_the_sizes_of_their_tables() -> None:
    """Appendix D, d = 64: dense 100 x 256d, kernels 25 (5 x 5), maps 16d 8d 4d 2d d c and back, dense 256d x 1."""
    convolutions = 25 * (1024 * 512 + 512 * 256 + 256 * 128 + 128 * 64 + 64)
    g = 100 * 16384 + 16384 + convolutions + 512 + 256 + 128 + 64 + 1
    d = convolutions + 64 + 128 + 256 + 512 + 1024 + 16384 + 1
    assert (g, d) == (19_065_345, 17_427_969)
    with torch.device("meta"):
        for sides in ((16384,), (128, 128)):
            assert plain(wavegan.Generator(100, 1, sides)) == g
            assert plain(wavegan.Discriminator(1, sides, shuffle=2)) == d


def test_hifigan_has_the_published_sizes() -> None:
    """Kong 2020, Table 1: 13.92, 0.92 and 1.46 M. Exact numbers: arithmetic on Table 5, without weight norm."""
    assert plain(hifigan.v1()) == 13_926_017
    assert plain(hifigan.v2()) == 925_985
    assert plain(hifigan.v3()) == 1_462_273
    assert plain(hifigan.xs()) == 118_657


def test_vocos_has_the_published_size() -> None:
    """13.5 M (README of the authors): embed, norm, 8 blocks of 1,580,544, norm, head."""
    block = 512 * 7 + 512 + 2 * 512 + 2 * 512 * 1536 + 1536 + 512 + 512
    total = 100 * 512 * 7 + 512 + 2 * 512 + 8 * block + 2 * 512 + 512 * 1026 + 1026
    assert plain(vocos.mel_24k()) == total == 13_531_650
    assert plain(vocos.small()) == 605_570


def test_discriminators_have_their_sizes() -> None:
    """One period, width 32: the maps of section 2.3 and of the authors' code."""
    period = 5 * 32 + 32 + 5 * 32 * 128 + 128 + 5 * 128 * 512 + 512 + 5 * 512 * 1024 + 1024
    period += 5 * 1024**2 + 1024 + 3 * 1024 + 1
    with torch.device("meta"):
        assert plain(PeriodDiscriminator(2, 32)) == period == 8_218_433
    assert plain(MultiPeriodDiscriminator(2)) == 162_265
    assert plain(MultiResolutionDiscriminator(8)) == 93_699


@pytest.mark.parametrize("length", [256, 257, 300])
def test_wavegan_of_any_length(length: int) -> None:
    G = wavegan.Generator(8, 2, (length,), width=2, stages=3, num_classes=3)
    D = wavegan.Discriminator(2, (length,), width=2, stages=3, shuffle=2, num_classes=3)
    y = torch.tensor([0, 2])
    sounds = G(torch.randn(2, 8), y).detach()
    assert sounds.shape == (2, 2, length)
    assert float(sounds.abs().max()) <= 1
    assert D(sounds, y).shape == (2,)


def test_specgan_of_any_size() -> None:
    pictures = wavegan.Generator(8, 1, (32, 21), width=2, stages=3)(torch.randn(2, 8))
    assert pictures.shape == (2, 1, 32, 21)
    assert wavegan.Discriminator(1, (32, 21), width=2, stages=3)(pictures).shape == (2,)


def depends(network: nn.Module, mels: int, frames: int, hop: int) -> int:
    """Return how many frames to one side the samples of the middle frame depend on."""
    mel = torch.randn(1, mels, frames, requires_grad=True)
    middle = frames // 2
    network(mel)[0, 0, middle * hop : (middle + 1) * hop].square().sum().backward()
    assert mel.grad is not None
    touched = mel.grad[0].abs().sum(0).nonzero()[:, 0]
    return int(max(middle - touched.min(), touched.max() - middle))


def test_vocos_depends_on_no_more_frames_than_it_says() -> None:
    G = vocos.Generator(6, 8, 16, 2, 64, 16)
    assert G(torch.randn(2, 6, 9)).shape == (2, 1, 9 * 16)
    for block in G.blocks:
        nn.init.ones_(block.scale)
    # Beside the layers, the windows of the inverse STFT: two frames further where they overlap fourfold.
    assert vocos.reach(2) < depends(G, 6, 41, 16) <= vocos.reach(2) + 2


@pytest.mark.parametrize("light", [False, True])
def test_hifigan_depends_on_no_more_frames_than_it_says(light: bool) -> None:
    upsample = hifigan.upsampling(64, light)
    G = hifigan.Generator(6, 8, upsample, light)
    assert G(torch.randn(2, 6, 5)).shape == (2, 1, 5 * 64)
    found = depends(G, 6, 41, 64)
    assert hifigan.reach(upsample, light) - 3 <= found <= hifigan.reach(upsample, light)


def test_upsampling_follows_from_the_hop() -> None:
    assert hifigan.upsampling(256) == [8, 8, 2, 2]
    assert hifigan.upsampling(256, light=True) == [8, 8, 4]
    assert hifigan.upsampling(300) == [6, 5, 5, 2]
    assert hifigan.Generator(4, 16, hifigan.upsampling(300))(torch.randn(1, 4, 3)).shape == (1, 1, 900)
    with pytest.raises(ValueError, match="a hop of 253 samples has the factor 253"):
        hifigan.upsampling(253)
    with pytest.raises(ValueError, match="width of 4 cannot be halved 4 times"):
        hifigan.Generator(4, 4, (8, 8, 2, 2))


def test_a_period_discriminator_sees_each_phase_by_itself() -> None:
    D = PeriodDiscriminator(3, 2)
    x = torch.randn(1, 1, 300)
    other = x.clone()
    other[..., 1::3] += 1
    changed = (D(x).logits != D(other).logits)[0, 0].any(1)
    assert changed.tolist() == [False, True, False]


def test_discriminators_judge_every_part_and_list_their_maps() -> None:
    x = torch.randn(2, 1, 1000)
    for network, judges, maps in (
        (MultiPeriodDiscriminator(2), 5, 6),
        (MultiScaleDiscriminator(4), 3, 8),
        (MultiResolutionDiscriminator(2, (128, 64)), 2, 5 * 4 + 1),
    ):
        found = network(x)
        assert [len(judgement.maps) for judgement in found] == [maps] * judges
        assert all(judgement.logits is judgement.maps[-1] and len(judgement.logits) == 2 for judgement in found)


def test_the_resolution_discriminator_does_not_hear_level_or_offset() -> None:
    D, x = MultiResolutionDiscriminator(2, (128,)), torch.randn(1, 1, 1000)
    torch.testing.assert_close(D(x)[0].logits, D(x * 0.1 + 0.3)[0].logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("period", [2, 5])
def test_a_period_is_judged_along_columns_of_its_own(period: int) -> None:
    """Turned over or not, the layers are those of the paper: kernels 5 x 1 on the wave in rows of one period."""
    judge = PeriodDiscriminator(period, 4)
    x = torch.randn(3, 1, 61)
    h = torch.nn.functional.pad(x, (0, -61 % period), mode="reflect").reshape(3, 1, -1, period)
    for conv in judge.convs:
        h = torch.nn.functional.leaky_relu(conv(h), 0.1)
    found = judge(x)
    torch.testing.assert_close(found.maps[-2].mT, h)
    torch.testing.assert_close(found.logits.mT, judge.logit(h))
