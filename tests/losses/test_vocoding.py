"""The vocoders' losses by hand."""

from __future__ import annotations

import pytest
import torch
from torch import tensor

from gantlet.losses.vocoding import discriminators, feature_matching, generator, two_sided_hinge, whole_squares


def test_sums_over_sub_discriminators_of_means() -> None:
    real, fake = [tensor([[2.0, 0.0]]), tensor([1.0])], [tensor([[0.0, -2.0]]), tensor([0.5])]
    # hinge: (0 + 1) / 2 + (1 + 0) / 2 = 1 and 0 + 1.5; G: (1 + 3) / 2 and .5
    assert discriminators(two_sided_hinge, real, fake).item() == pytest.approx(2.5)
    assert generator(two_sided_hinge, fake).item() == pytest.approx(2.5)
    # squares: (1 + 1) / 2 + (0 + 4) / 2 = 3 and 0 + .25; G: (1 + 9) / 2 and .25
    assert discriminators(whole_squares, real, fake).item() == pytest.approx(3.25)
    assert generator(whole_squares, fake).item() == pytest.approx(5.25)


def test_the_generators_hinge_ends() -> None:
    fake = tensor([2.0, 0.0], requires_grad=True)
    generator(two_sided_hinge, [fake]).backward()
    assert fake.grad is not None
    assert fake.grad.tolist() == [0, -0.5]


def test_feature_matching() -> None:
    real = [[torch.zeros(1, 2), torch.zeros(1, 1, 4)], [torch.ones(1, 3)]]
    fake = [[tensor([[1.0, 3.0]]), torch.full((1, 1, 4), -0.5)], [torch.ones(1, 3)]]
    assert feature_matching(real, fake).item() == pytest.approx(2.5)
    with pytest.raises(ValueError, match="zip"):
        feature_matching(real, fake[:1])
