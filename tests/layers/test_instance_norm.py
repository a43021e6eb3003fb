"""Instance norm against torch's own, and its conditional form by hand."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from gantlet.layers.instance_norm import ConditionalInstanceNorm, InstanceNorm, none, plain


@pytest.mark.parametrize("shape", [(3, 4, 5, 6), (2, 3, 4, 5, 6)])
def test_it_is_torchs_instance_norm(shape: tuple[int, ...]) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 2
    norm = InstanceNorm(shape[1])
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    torch.testing.assert_close(norm(x), F.instance_norm(x, weight=norm.weight, bias=norm.bias), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain(shape[1])(x), F.instance_norm(x), rtol=1e-4, atol=1e-5)


def test_it_is_batch_norm_of_a_batch_of_one() -> None:
    x = torch.randn(1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(InstanceNorm(4)(x), torch.nn.BatchNorm2d(4)(x), rtol=1e-4, atol=1e-5)


def test_a_map_of_one_value_becomes_its_bias() -> None:
    assert InstanceNorm(2)(torch.ones(1, 2, 1, 1)).flatten().tolist() == [0.0, 0.0]


def test_which_norms_learn() -> None:
    counts = [sum(p.numel() for p in norm.parameters()) for norm in (InstanceNorm(5), plain(5), none(5))]
    assert counts == [10, 0, 0]


def test_memory_stays_channels_last() -> None:
    x = torch.randn(2, 8, 4, 4).contiguous(memory_format=torch.channels_last)
    assert InstanceNorm(8)(x).is_contiguous(memory_format=torch.channels_last)


def test_a_code_chooses_the_style_or_blends_parameters() -> None:
    norm = ConditionalInstanceNorm(1, 2)
    with torch.no_grad():
        norm.gain.copy_(torch.tensor([[2.0], [4.0]]))
        norm.bias.copy_(torch.tensor([[1.0], [-1.0]]))
    x = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).expand(3, 1, 1, 2)  # mean 0 and variance 1 already
    code = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]])
    assert norm(x, code).flatten(1).tolist() == [pytest.approx(row, abs=1e-4) for row in ([-1, 3], [-5, 3], [-4, 3])]
