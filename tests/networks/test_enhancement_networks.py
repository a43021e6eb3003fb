"""Networks that clean speech: published sizes, any length, a bounded field, what they begin as."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from network_counts import linear, parameters

from gantlet.engine.precision import place
from gantlet.networks import segan
from gantlet.networks.mask_network import MaskNetwork, bounded
from gantlet.networks.metric_discriminator import LearnableSigmoid, MetricDiscriminator


def spectrum(frames: int, bins: int = 33, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, bins, frames, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def small(bins: int = 33) -> MaskNetwork:
    torch.manual_seed(0)
    network = MaskNetwork(bins, (4, 6), 8, 3)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.2)
    return network


def test_segan_has_the_published_size() -> None:
    """About 73 M: 31 taps; 1 to 1024 maps down, and up again with twice the maps coming in (section 3)."""
    down = [1, 16, 32, 32, 64, 64, 128, 128, 256, 256, 512, 1024]
    pairs = list(pairwise(down))
    by_hand = sum(31 * a * b + b for a, b in pairs) + sum(31 * 2 * b * a + a for a, b in pairs)
    by_hand += sum(down[1:]) + sum(down[1:-1])  # slopes
    with torch.device("meta"):
        assert parameters(segan.Generator()) == by_hand == 73_100_049
        d = segan.Discriminator(16_384, 4)
    first = 31 * 16  # the second channel
    norms, head = 2 * sum(down[1:]), 1024 + 1 + linear(8, 1)
    assert parameters(d) == sum(31 * a * b + b for a, b in pairs) + first + norms + head == 24_373_082


@pytest.mark.parametrize(("stride", "length"), [(2, 64), (4, 320)])
def test_segan_takes_any_multiple(stride: int, length: int) -> None:
    G = segan.Generator((4, 4, 6), 7, stride)
    assert G.multiple == stride**3
    z = torch.randn(2, 6, length // G.multiple)
    made = G(torch.randn(2, 1, length), z)
    assert made.shape == (2, 1, length)
    assert made.abs().max() <= 1
    assert not torch.allclose(made, G(torch.zeros(2, 1, length), z))


def test_segan_judges_each_sample_by_the_reference_alone() -> None:
    D = segan.Discriminator(64, 3, (4, 6), 7, 2)
    reference, pairs = torch.randn(3, 2, 64), torch.randn(4, 2, 64)
    logits = D(pairs, reference)
    assert logits.shape == (4,)
    torch.testing.assert_close(D(pairs[2:3], reference), logits[2:3])
    assert not torch.allclose(D(pairs, reference + 1), logits)


def test_the_mask_network_is_small_and_begins_as_nothing_done() -> None:
    assert parameters(MaskNetwork(129)) == 901_090
    mask = MaskNetwork(129)(spectrum(20, 129))
    assert mask.shape == (2, 129, 20)
    assert (mask - 1).abs().mean() < 0.2


@pytest.mark.parametrize("bins", [33, 30, 129, 177])
@pytest.mark.parametrize("frames", [1, 2, 37])
def test_masks_have_the_shape_of_the_spectrum(bins: int, frames: int) -> None:
    network = place(small(bins), torch.device("cpu"))
    mask = network(spectrum(frames, bins))
    assert mask.shape == (2, bins, frames)
    assert mask.abs().max() <= 2
    assert torch.isfinite(mask.abs()).all()


def test_a_frame_depends_on_its_reach_and_no_further() -> None:
    network = small().double()
    x = spectrum(400).to(torch.complex128)
    y = x.clone()
    y[:, :, 0] *= 3
    changed = (network(y) - network(x)).abs().amax((0, 1))
    assert network.reach == 62 + 1 + 1 + 2 + 4
    assert changed[network.reach + 1 :].max() == 0
    assert changed[network.reach] > 0


def test_masks_do_not_depend_on_loudness() -> None:
    network, x = small(), spectrum(30)
    torch.testing.assert_close(network(x), network(100 * x), atol=0.02, rtol=0.02)


def test_bounded_masks_keep_their_direction() -> None:
    r = torch.tensor([0.0, 0.1, 1.0, 50.0])
    made = bounded(0.6 * r, 0.8 * r)
    torch.testing.assert_close(made.abs(), 2 * (r / 2).tanh(), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(made[1:].angle(), torch.full((3,), 0.9273), atol=1e-4, rtol=0)


def test_the_metric_discriminator() -> None:
    """CMGAN's widths 16 to 128 over 4x4 taps; gain and bias of instance norm, slopes of all but the last PReLU."""
    widths = [2, 16, 32, 64, 128]
    by_hand = sum(16 * a * b + 2 * b + b for a, b in pairwise(widths)) - 128
    by_hand += linear(128, 64) + 64 + linear(64, 1) + 1
    D = MetricDiscriminator()
    assert parameters(D) == by_hand
    a, b = torch.rand(3, 129, 40), torch.rand(3, 129, 40)
    quality = D(a, b)
    assert quality.shape == (3,)
    assert ((quality > 0) & (quality < 1.2)).all()
    assert not torch.allclose(quality, D(b, a))
    torch.testing.assert_close(D(a[1:2], b[1:2]), quality[1:2])
    with pytest.raises(ValueError, match="16 bins and frames"):
        D(a[..., :15], b[..., :15])
    assert LearnableSigmoid()(torch.tensor(0.0)).item() == pytest.approx(0.6)
