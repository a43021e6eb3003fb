"""The networks of clips have the layers, shapes and parameter counts of their papers, and take any size."""

from __future__ import annotations

import pytest
import torch
from network_counts import batch_norm, conv, linear, parameters, shapes
from torch import nn

from gantlet.networks import mocogan, mocogan_2018, tgan, vgan


def conv3d(inputs: int, outputs: int, bias: bool = False) -> int:
    return inputs * outputs * 4**3 + outputs * bias


def test_mocogan_2018_at_64_pixels() -> None:
    """Table 1 with 6 categories: G 3.3 M, D of clips 2.7 M parameters, as counted of the authors' code."""
    G = mocogan_2018.Generator(content_dim=50, motion_dim=10, channels=3, resolution=64, width=64, num_classes=6)
    out = shapes(G, nn.ConvTranspose2d, torch.zeros(2, 50), torch.zeros(2, 17, 10), torch.tensor([0, 5]))
    assert out == [(256, 8, 8), (128, 16, 16), (64, 32, 32), (3, 64, 64)]
    gru = 3 * (10 * 10 + 10 * 10 + 10 + 10)
    by_hand = gru + linear(66, 512 * 16, bias=False) + batch_norm(512) + conv(512, 256, 4, bias=False) + batch_norm(256)
    by_hand += conv(256, 128, 4, bias=False) + batch_norm(128) + conv(128, 64, 4, bias=False) + batch_norm(64)
    by_hand += conv(64, 3, 4)
    assert parameters(G) == by_hand == 3_298_839  # with a bias of 3 in the last layer, which theirs lacks

    D = mocogan_2018.Discriminator(channels=3, resolution=64, num_frames=16, width=64, num_classes=6)
    times = torch.zeros(2, 3, dtype=torch.long)
    seen = shapes(D, nn.Conv3d, torch.zeros(2, 3, 16, 64, 64), times)
    assert seen == [(64, 13, 32, 32), (128, 10, 16, 16), (256, 7, 8, 8), (7, 4, 4, 4)]
    by_hand = conv3d(3, 64) + conv3d(64, 128) + batch_norm(128) + conv3d(128, 256) + batch_norm(256) + conv3d(256, 7)
    assert parameters(D.video) == by_hand == 2_749_184
    by_hand = conv(3, 64, 4, bias=False) + conv(64, 128, 4, bias=False) + batch_norm(128)
    assert parameters(D.image) == by_hand + conv(128, 256, 4, bias=False) + batch_norm(256) + conv(256, 1, 4, False)
    of_clips, of_frames, categories = D.eval()(torch.zeros(2, 3, 16, 64, 64), times)
    assert (of_clips.shape, of_frames.shape, categories.shape) == ((2, 64), (2, 48), (2, 6))


def test_vgan_at_32_frames_of_64_pixels() -> None:
    """Fig. 1: 100 -> 512x2x4x4 -> 256x4x8x8 -> 128x8x16x16 -> 64x16x32x32 -> 3x32x64x64, and a mask of one channel."""
    G = vgan.Generator(latent_dim=100, channels=3, resolution=64, num_frames=32, width=64)
    out = shapes(G, nn.ConvTranspose3d, torch.zeros(1, 100))
    assert out == [(256, 4, 8, 8), (128, 8, 16, 16), (64, 16, 32, 32), (3, 32, 64, 64), (1, 32, 64, 64)]
    assert shapes(G, nn.ConvTranspose2d, torch.zeros(1, 100))[-1] == (3, 64, 64)
    assert G.enter.out_features == 512 * 2 * 4 * 4
    D = vgan.Discriminator(channels=3, resolution=64, num_frames=32, width=64)
    seen = shapes(D, nn.Conv3d, torch.zeros(1, 3, 32, 64, 64))
    assert seen == [(64, 16, 32, 32), (128, 8, 16, 16), (256, 4, 8, 8), (512, 2, 4, 4)]
    by_hand = conv3d(3, 64, bias=True) + conv3d(64, 128) + conv3d(128, 256) + conv3d(256, 512)
    assert parameters(D) == by_hand + 2 * (128 + 256 + 512) + linear(512 * 2 * 4 * 4, 1)


def test_vgan_lays_the_foreground_over_the_ground_by_its_mask() -> None:
    G = vgan.Generator(latent_dim=4, channels=2, resolution=8, num_frames=4, width=4).eval()
    z = torch.randn(3, 4)
    with torch.no_grad():
        for bias, still in ((-50.0, True), (50.0, False)):  # a mask of nothing, and of all
            last = G.mask[0]
            assert isinstance(last, nn.ConvTranspose3d)
            assert last.bias is not None
            last.bias.fill_(bias)
            clips, mask = G(z)
            assert float(mask.mean()) == pytest.approx(0.0 if still else 1.0, abs=1e-4)
            assert torch.allclose(clips, clips[:, :, :1].expand_as(clips), atol=1e-5) == still


def test_tgan_at_16_frames_of_64_pixels() -> None:
    """Table 1: 1 code -> 512x1 -> 256x2 -> 128x4 -> 128x8 -> 100x16; pictures 512 -> 256 -> 128 -> 64 -> 32 -> 3."""
    G = tgan.Generator(latent_dim=100, channels=3, resolution=64, num_frames=16, width=32)
    out = shapes(G, nn.ConvTranspose1d, torch.zeros(1, 100))
    assert out == [(512, 1), (256, 2), (128, 4), (128, 8), (100, 16)]
    assert shapes(G, nn.ConvTranspose2d, torch.zeros(1, 100)) == [
        (256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64)
    ]  # fmt: skip
    assert G.slow.out_features == G.fast.out_features == 256 * 4 * 4


@pytest.mark.parametrize(("frames", "size"), [(1, 8), (3, [9, 12]), (13, 16), (5, [20, 11])])
def test_any_length_and_size(frames: int, size: int | list[int]) -> None:
    height, width = (size, size) if isinstance(size, int) else size
    y, whole = torch.tensor([0, 1]), (2, 2, frames, height, width)
    noise, times = torch.randn(2, 1 + frames, 3), torch.zeros(2, 1, dtype=torch.long)
    modern = mocogan.Generator(4, 3, 5, 2, size, 4, 2)
    old = mocogan_2018.Generator(4, 3, 2, size, 4, 2)
    z = torch.randn(2, 4)
    made = [
        modern(z, noise, y), old(z, noise, y), vgan.Generator(4, 2, size, frames, 4, 2)(z, y)[0],
        tgan.Generator(4, 2, size, frames, 4, 16, 2)(z, y),
    ]  # fmt: skip
    for clips in made:
        assert clips.shape == whole
    x = torch.randn(whole)
    assert mocogan.Discriminator(2, size, frames, 4, 2)(x, y, times).shape == (2, 2)
    assert mocogan_2018.Discriminator(2, size, frames, 4, 2)(x, times)[0].shape[0] == 2
    assert vgan.Discriminator(2, size, frames, 4, 2)(x, y).shape == (2,)
    assert tgan.Discriminator(2, size, frames, 4, 2)(x, y).shape == (2,)
    if frames >= 3:
        sparse = mocogan.SparseDiscriminator(2, size, frames, 3, 4, 2)
        assert sparse(x, y, torch.tensor([[0, 1, 2], [0, 1, 2]])).shape == (2,)


def test_the_sparse_discriminator_sees_the_chosen_frames_and_the_time_between_alone() -> None:
    torch.manual_seed(0)
    D = mocogan.SparseDiscriminator(1, 8, 16, 3, 4)
    x, times = torch.randn(2, 1, 16, 8, 8), torch.tensor([[0, 4, 9], [1, 2, 15]])
    rows = torch.arange(2)[:, None]
    chosen = x.transpose(1, 2)[rows, times].transpose(1, 2)
    torch.testing.assert_close(D(x, None, times), D(chosen, None, times))
    torch.testing.assert_close(D(chosen, None, times + 3), D(chosen, None, times))  # distances, not dates
    assert not torch.allclose(D(chosen, None, 2 * times), D(chosen, None, times))
    told = D.between(torch.tensor([[0, d, 15] for d in range(1, 15)]))
    assert float(torch.cdist(told, told).fill_diagonal_(9).min()) > 0.1  # every distance is told apart


def test_a_path_begins_with_paths_that_stay_apart() -> None:
    """What makes a path differ from others at its first frame still does at its sixteenth, before any training."""
    torch.manual_seed(0)
    noise = torch.cat([torch.randn(64, 1, 8), torch.zeros(64, 16, 8)], dim=1)
    with torch.no_grad():
        codes, _ = mocogan.Generator(4, 8, 64, 1, 8, 4).motion(noise)
    assert float(codes[:, -1].std(0).mean()) > 0.1 * float(codes[:, 0].std(0).mean())
