"""DiffAugment: each augmentation by hand, its frequencies, its second derivative; pictures read at other places."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from gantlet.augment import diffaugment as augment
from gantlet.augment.ada import bgc, recolour, turned
from gantlet.augment.sampling import move

RGB = torch.linspace(-1, 1, 2 * 3 * 6 * 5, dtype=torch.float64).view(2, 3, 6, 5)


def matrices(*rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_a_shift_by_whole_pixels_is_a_shift() -> None:
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    right = move(x, matrices([[1, 0, -1], [0, 1, 0], [0, 0, 1]]), "zeros")
    torch.testing.assert_close(right, F.pad(x, (1, 0))[..., :5])
    up = move(x, matrices([[1, 0, 0], [0, 1, 2], [0, 0, 1]]), "zeros")
    torch.testing.assert_close(up, F.pad(x, (0, 0, 0, 2))[:, :, 2:])


def test_half_a_pixel_is_the_mean_of_two_and_reflection_turns_at_the_last_pixel() -> None:
    x = torch.tensor([[[[1.0, 2.0, 4.0, 8.0]]]])
    half = move(x, torch.tensor([[[1, 0, 0.5], [0, 1, 0], [0, 0, 1]]]), "border")
    assert half.flatten().tolist() == pytest.approx([1.5, 3, 6, 8])
    two = move(x, torch.tensor([[[1.0, 0, 2], [0, 1, 0], [0, 0, 1]]]), "reflection")
    assert two.flatten().tolist() == pytest.approx([4, 8, 4, 2])


def test_a_quarter_turn_is_rot90() -> None:
    x = torch.randn(2, 1, 4, 4, dtype=torch.float64)
    angle = torch.full((2,), torch.pi / 2, dtype=torch.float64)
    torch.testing.assert_close(move(x, turned(angle), "reflection"), torch.rot90(x, 1, (2, 3)))


def test_reading_agrees_with_torch_and_is_differentiable_twice() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    matrix = torch.eye(3, dtype=torch.float64) + 0.2 * torch.randn(2, 3, 3, dtype=torch.float64)
    for padding in ("zeros", "border", "reflection"):
        assert gradcheck(lambda x, p=padding: move(x, matrix, p), (x,))
        assert gradgradcheck(lambda x, p=padding: move(x, matrix, p), (x,))


AUGMENTATIONS = {
    "brightness": augment.brightness,
    "saturation": augment.saturation,
    "contrast": augment.contrast,
    "flip": augment.flip,
    "translation": augment.translation,
    "cutout": augment.cutout,
    "all of DiffAugment": augment.diffaugment,
    "bgc": lambda x: bgc(x, torch.tensor(0.8)),
}


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_any_channels_and_sizes_and_a_penalty_through_it(name: str, channels: int) -> None:
    """The squared gradient of something behind the augmentation has a gradient itself."""
    torch.manual_seed(0)
    x = torch.randn(4, channels, 6, 7, requires_grad=True)
    weight = torch.randn(1, channels, 6, 7, requires_grad=True)
    changed = AUGMENTATIONS[name](x)
    assert changed.shape == x.shape
    (slope,) = torch.autograd.grad((changed * weight).tanh().sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0
    assert torch.isfinite(weight.grad).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_second_derivatives(name: str) -> None:
    def fixed(x: Tensor) -> Tensor:
        torch.manual_seed(3)
        return AUGMENTATIONS[name](x).tanh()

    assert gradgradcheck(fixed, (RGB.clone().requires_grad_(),), fast_mode=True)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_picture_has_its_own_numbers(name: str) -> None:
    torch.manual_seed(0)
    changed = AUGMENTATIONS[name](torch.rand(1, 3, 16, 16).repeat(64, 1, 1, 1))
    assert len({tuple(picture.flatten().tolist()) for picture in changed}) > (1 if name == "flip" else 20)


def test_colours_stay_in_their_ranges() -> None:
    torch.manual_seed(0)
    x = torch.zeros(4000, 3, 1, 2)
    x[:, 0, 0, 0] = 1.0  # one pixel of two is red
    shift = augment.brightness(x)[:, 2, 0, 1]
    assert (shift.min() > -0.5, shift.max() < 0.5) == (True, True)
    assert shift.std().item() == pytest.approx(12**-0.5, rel=0.03)
    red, grey = augment.saturation(x)[:, 0, 0, 0], 1 / 3
    factor = (red - grey) / (1 - grey)
    assert (factor.min().item() >= -1e-6, factor.max().item() <= 2) == (True, True)
    assert factor.mean().item() == pytest.approx(1, abs=0.03)
    factor = (augment.contrast(x)[:, 0, 0, 0] - 1 / 6) / (1 - 1 / 6)
    assert (factor.min().item() >= 0.5 - 1e-6, factor.max().item() <= 1.5) == (True, True)
    assert factor.mean().item() == pytest.approx(1, abs=0.02)


def test_translation_moves_by_at_most_an_eighth() -> None:
    torch.manual_seed(0)
    x = torch.zeros(4000, 1, 16, 16)
    x[:, :, 8, 8] = 1.0
    places = augment.translation(x).flatten(1).argmax(1)
    rows, columns = places // 16 - 8, places % 16 - 8
    for moved in (rows, columns):
        assert moved.unique().tolist() == [-2, -1, 0, 1, 2]
        assert (torch.bincount(moved + 2) / 4000).tolist() == pytest.approx([0.2] * 5, abs=0.025)
    torch.testing.assert_close(augment.translation(x).sum((1, 2, 3)), torch.ones(4000))


def test_cutout_is_half_a_side_and_may_lie_partly_outside() -> None:
    torch.manual_seed(0)
    kept = augment.cutout(torch.ones(4000, 1, 8, 8))
    rows, columns = (8 - kept[:, 0].amax(d).sum(1) for d in (2, 1))
    holes = (1 - kept).sum((1, 2, 3))
    assert holes.max() == 16
    assert holes.min() == 4  # a quarter of it at a corner
    assert (rows.max(), columns.max()) == (0, 0)  # no whole row or column is lost
    assert set(kept.unique().tolist()) == {0, 1}


def test_probability_and_policy() -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 1, 4, 4)
    some = augment.diffaugment(x, "color", 0.3)
    changed = (some != x).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(augment.diffaugment(x, "color", 0.0), x)
    assert torch.equal(augment.diffaugment(torch.zeros(9, 1, 4, 4), "translation,cutout"), torch.zeros(9, 1, 4, 4))


@pytest.mark.parametrize(("count", "share"), [(0, 0.3), (100, 0.2997), (50_000, 0.15), (100_000, 0), (10**7, 0)])
def test_the_automatic_share(count: int, share: float) -> None:
    assert augment.automatic(count) == pytest.approx(share)


def test_bgc_at_probability_zero_is_the_picture() -> None:
    torch.testing.assert_close(bgc(RGB, torch.tensor(0.0)), RGB)


def test_bgc_keeps_grey_grey_and_hue_turns_keep_the_distance_from_grey() -> None:
    torch.manual_seed(0)
    grey = torch.full((500, 3, 1, 1), 0.3)
    changed = recolour(grey, torch.tensor(1.0))[..., 0, 0]
    torch.testing.assert_close(changed, changed.mean(1, keepdim=True).expand(-1, 3), rtol=1e-4, atol=1e-5)
    one = recolour(grey[:, :1], torch.tensor(1.0))
    assert one.shape == (500, 1, 1, 1)
    inverted = (changed[:, 0] < 0).float().mean().item()
    assert 0.3 < inverted < 0.55  # half are inverted; brightness moves some back


def test_bgc_applies_each_augmentation_with_its_probability() -> None:
    torch.manual_seed(0)
    x = torch.rand(4000, 1, 5, 5)
    p = 0.1
    unmoved = (bgc(x, torch.tensor(p)) - x).abs().amax((1, 2, 3)) < 1e-4
    blit = (1 - p / 2) * (1 - 0.75 * p) * (1 - p * (1 - 0.8**2))  # .625 times U(-1, 1) rounds to 0 with probability .8
    geometry = (1 - p) ** 4  # scale, two turns together, stretch, move
    colour = (1 - p) ** 2 * (1 - p / 2)  # brightness, contrast, inversion; the others do nothing to one channel
    expected = blit * geometry * colour
    assert unmoved.float().mean().item() == pytest.approx(expected, abs=0.03)


def test_bf16_pictures_are_computed_in_float32() -> None:
    x = torch.rand(2, 1, 8, 8).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert bgc(x, torch.tensor(0.5)).dtype == torch.float32
        assert augment.diffaugment(x).dtype == torch.float32
