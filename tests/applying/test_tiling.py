"""Tiles: the same picture as without them, for networks whose field fits the margin; sides, sizes and mistakes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import model_of
from torch import Tensor

from gantlet.errors import UserError
from gantlet.recipe import Tiling
from gantlet.tiling import count_tiles, cut, reflected, side_of_tiles, tiled


def pictures(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("height", "width"), [(100, 173), (33, 201), (64, 64), (7, 300)])
def test_tiled_equals_untiled(height: int, width: int) -> None:
    model, given = model_of("blur", 3), pictures(2, 3, height, width)
    assert count_tiles(height, width, Tiling(margin=5), 40) > 1
    whole = model.nets.G(given)
    assert (model.apply(given, tile=40) - whole).abs().max() < 1e-5


def test_a_margin_that_is_too_small_shows() -> None:
    """The test above can fail: with no margin the tiles' own borders are seen."""
    model, given = model_of("blur"), pictures(1, 1, 100, 100)
    made = tiled(lambda x: model.nets.G(x), given, Tiling(margin=0), "cpu", tile=40)
    assert (made - model.nets.G(given)).abs().max() > 1 / 255


@pytest.mark.parametrize("side", [96, 98])
def test_tiles_keep_to_the_grid_of_strided_networks(side: int) -> None:
    model, given = model_of("strided"), pictures(1, 1, side, side + 40)
    made = model.apply(given, tile=48)
    assert made.shape == given.shape
    inner = given[..., :96, : (side + 40) // 4 * 4]
    blocks = torch.nn.functional.avg_pool2d(inner, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert (made[..., : inner.shape[2], : inner.shape[3]] - blocks).abs().max() < 1e-6


def test_padding_reflects_and_is_cut_off_again() -> None:
    assert reflected(0, 9, 4).tolist() == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    assert reflected(0, 3, 1).tolist() == [0, 0, 0]
    made = model_of("strided").apply(torch.tensor([[[[0.0, 0.0, 0.3, 0.6, 0.9]] * 5]])[0])
    assert made.shape == (1, 5, 5)
    assert made[0, 0, 4].item() == pytest.approx((0.9 + 0.6 + 0.3 + 0) / 4)  # the fifth column, then 4, 3 and 2 again


def test_larger_pictures_and_scales() -> None:
    model, given = model_of("enlarge"), pictures(1, 70, 45)
    made = model.apply(given, tile=24)
    assert made.shape == (1, 140, 90)
    assert (made - given.repeat_interleave(2, 1).repeat_interleave(2, 2)).abs().max() < 1e-6


def test_what_fits_into_a_tile_goes_whole() -> None:
    assert count_tiles(500, 300, Tiling(margin=32)) == 1
    assert cut(500, 512, Tiling(multiple=8)).length == 504


@given(
    length=st.integers(1, 700),
    margin=st.integers(0, 20),
    multiple=st.sampled_from([1, 2, 8, 32]),
    more=st.integers(0, 90),
)
@settings(max_examples=80, deadline=None)
def test_weights_sum_to_one_and_margins_weigh_nothing(length: int, margin: int, multiple: int, more: int) -> None:
    tiling = Tiling(margin=margin, multiple=multiple)
    tile = side_of_tiles(tiling, 2 * margin + max(16, multiple) + multiple + more)
    axis = cut(length, tile, tiling)
    total, end = np.zeros(axis.starts[-1] + axis.length), axis.starts[-1] + axis.length
    assert end % multiple == 0
    assert length <= end < length + multiple
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert start % multiple == 0
        total[start : start + axis.length] += weights
        assert not weights[:margin].any() or start == 0
        assert not weights[axis.length - margin :].any() or start + axis.length == end
    np.testing.assert_allclose(total, 1)


def test_the_default_tile_is_smaller_where_networks_enlarge() -> None:
    assert side_of_tiles(Tiling(scale=1)) == 512
    assert side_of_tiles(Tiling(scale=4, margin=32)) == 144
    assert side_of_tiles(Tiling(multiple=256, margin=128)) == 768


def test_memory_of_a_large_picture_is_bounded() -> None:
    """Rows leave as they are done: networks and blending hold tiles and one row of them, never the picture."""
    from gantlet.tiling import bands

    held = []

    def prepare(tile: np.ndarray) -> Tensor:
        held.append(tile.size)
        return torch.from_numpy(tile).float().permute(0, 3, 1, 2)

    picture = np.zeros((1, 2000, 600, 1), np.uint8)
    heights = [rows.shape[2] for _, rows in bands(lambda x: x, picture, Tiling(), prepare, tile=128)]
    assert max(held) == 128 * 128
    assert max(heights) <= 128
    assert sum(heights) == 2000


def test_mistakes() -> None:
    model = model_of("same")
    with pytest.raises(UserError, match="--tile 17 or more"):
        model.apply(pictures(1, 30, 30), tile=10)
    with pytest.raises(UserError, match=r"\[N, 1, H, W\]"):
        model.apply(pictures(3, 30, 30))
    with pytest.raises(UserError, match=r"\[C, H, W\] or"):
        model.apply(pictures(30, 30))
    with pytest.raises(UserError, match="takes no mask"):
        model.apply(pictures(1, 30, 30), mask=torch.ones(30, 30))
    with pytest.raises(UserError, match="Did you mean 'shift'"):
        model.apply(pictures(1, 30, 30), shfit=0.5)
    with pytest.raises(UserError, match="must see a picture whole"):
        model_of("whole").apply(pictures(1, 30, 30), tile=64)
    with pytest.raises(UserError, match="no picture 1 times"):
        tiled(lambda x: x.mean((2, 3)), pictures(1, 1, 30, 30), Tiling(), "cpu")
    with pytest.raises(UserError, match="refuses 30 x 30 pixels"):
        tiled(lambda x: x @ x[..., :3, :], pictures(1, 1, 30, 30), Tiling(), "cpu")


def test_networks_of_one_size_say_so() -> None:
    model = model_of("fixed")
    assert model.apply(pictures(1, 8, 8)).shape == (1, 8, 8)
    with pytest.raises(UserError, match="refuses 9 x 8 pixels or its options: it takes 8x8"):
        model.apply(pictures(1, 9, 8))


def test_in_python() -> None:
    """Any size; strength mixes where the recipe has none of its own; masks of three shapes."""
    given = pictures(1, 20, 30)
    same = model_of("same")
    torch.testing.assert_close(same.apply(given, shift=0.5), given + 0.5)
    torch.testing.assert_close(same.apply(given, shift=0.5, strength=0.25), given + 0.125)
    assert same.apply(given[None].expand(3, -1, -1, -1)).shape == (3, 1, 20, 30)
    holes = given[0] > 0
    for mask in (holes, holes[None], holes[None, None]):
        filled = model_of("fill").apply(given, mask=mask, strength=0.75)
        assert (filled[0][holes] == -0.5).all()
        assert torch.equal(filled[0][~holes], given[0][~holes])
    assert model_of("whole").apply(given + 0.5).mean().abs() < 1e-6
