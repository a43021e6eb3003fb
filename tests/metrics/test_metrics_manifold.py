import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from gantlet.errors import UserError
from gantlet.metrics import manifold, neighbour_radii
from gantlet.metrics import precision_recall_density_coverage as prdc

from .helpers import normal


def squared_distances(a, b):
    return ((a[:, None].astype(np.float64) - b[None].astype(np.float64)) ** 2).sum(-1)


def brute_force(real, fake, k):
    """The definitions of the papers, all pairs in float64."""
    real, fake = real.numpy(), fake.numpy()

    def radii(x):
        return np.sort(squared_distances(x, x) + np.diag(np.full(len(x), -1.0)), axis=1)[:, k]  # itself comes first

    d = squared_distances(real, fake)
    in_real = d <= radii(real)[:, None] * (1 + 1e-12)
    in_fake = d <= radii(fake)[None] * (1 + 1e-12)
    return {
        "precision": in_real.any(0).mean(),
        "recall": in_fake.any(1).mean(),
        "density": in_real.sum(0).mean() / k,
        "coverage": in_real.any(1).mean(),
    }


def agrees(real, fake, k, **options):
    assert prdc(real, fake, neighbours=k, **options) == pytest.approx(brute_force(real, fake, k), abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("chunk", [None, 1, 7, 1000])
def test_equals_brute_force(k, chunk):
    agrees(normal(90, 6, 0), normal(70, 6, 1, shift=0.5), k, chunk=chunk)


def test_equals_brute_force_far_from_the_origin():
    agrees(normal(200, 32, 0, shift=3000), normal(150, 32, 1, shift=3000), 5)


def test_equals_brute_force_with_outliers_and_tiny_scales():
    real, fake = normal(150, 8, 0, scale=1e-9), normal(150, 8, 1, scale=1.2e-9)
    agrees(real, fake, 5)
    fake[3] = 1.0
    agrees(real, fake, 5)
    agrees(fake, real, 5)


def test_equals_brute_force_with_duplicates_and_copies():
    real = normal(60, 5, 0)
    fake = torch.cat([real[:20], real[:20], normal(20, 5, 1), normal(1, 5, 2).expand(15, 5)])
    for k in (1, 2, 5):
        agrees(torch.cat([real, real[:30], real[:10]]), fake, k)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(7, 40), m=st.integers(7, 40), f=st.integers(1, 4), k=st.integers(1, 6),
    grid=st.sampled_from([2, 3, 5]), seed=st.integers(0, 999),
)  # fmt: skip
def test_equals_brute_force_on_grids_where_most_distances_tie(n, m, f, k, grid, seed):
    generator = torch.Generator().manual_seed(seed)
    real = torch.randint(grid, (n, f), generator=generator).float() / 3
    fake = torch.randint(grid, (m, f), generator=generator).float() / 3
    agrees(real, fake, k)


def test_known_cases():
    real = normal(300, 4, 0)
    assert prdc(real, real)["precision"] == prdc(real, real)["recall"] == prdc(real, real)["coverage"] == 1
    far = prdc(real, real + 1000)
    assert far == {"precision": 0, "recall": 0, "density": 0, "coverage": 0}
    same = prdc(real, normal(300, 4, 1))
    assert same["density"] == pytest.approx(1, abs=0.1)
    collapsed = prdc(real, real[:1].expand(300, 4).clone())
    assert collapsed["precision"] == 1
    assert collapsed["recall"] == pytest.approx(1 / 300)
    assert collapsed["coverage"] < 0.1


def test_radii_can_be_computed_once():
    real, fake = normal(100, 8, 0), normal(100, 8, 1)
    radii = neighbour_radii(real, neighbours=3)
    np.testing.assert_allclose(radii, np.sort(squared_distances(real.numpy(), real.numpy()), axis=1)[:, 3], rtol=1e-12)
    assert prdc(real, fake, neighbours=3, real_radii=radii) == prdc(real, fake, neighbours=3)


class Largest(TorchDispatchMode):
    """Note the largest tensor that any operation made, in bytes."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else (out,):
            if isinstance(tensor, torch.Tensor):
                self.bytes = max(self.bytes, tensor.numel() * tensor.element_size())
        return out


def test_memory_is_bounded_by_the_block(monkeypatch):
    monkeypatch.setattr(manifold, "BLOCK", 20_000)
    monkeypatch.setattr(manifold, "SLAB", 10_000)
    real, fake = normal(800, 8, 0), normal(800, 8, 1)
    with Largest() as largest:
        prdc(real, fake)
    assert largest.bytes <= 8 * 20_000  # all pairs would be 2.5 MB
    with Largest() as largest:  # every comparison is a tie
        prdc(torch.zeros(300, 8), torch.zeros(300, 8))
    assert largest.bytes <= 16 * 20_000


def test_settings_of_a_training_change_nothing():
    real, fake = normal(200, 64, 0), normal(200, 64, 1)
    expected = prdc(real, fake)
    torch.set_float32_matmul_precision("medium")
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert prdc(real, fake) == expected
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize(
    ("real", "fake", "options", "says"),
    [
        (normal(5, 3, 0), normal(50, 3, 0), {}, "at least 6"),
        (normal(50, 3, 0), normal(50, 4, 0), {}, "same network"),
        (normal(50, 3, 0), normal(50, 3, 0) * float("nan"), {}, "NaN"),
        (normal(50, 3, 0), normal(50, 3, 0), {"neighbours": 0}, "neighbours"),
    ],
)
def test_mistakes_are_told_in_words(real, fake, options, says):
    with pytest.raises(UserError, match=says):
        prdc(real, fake, **options)


def test_newer_precision_settings_change_nothing_either():
    real, fake = normal(200, 64, 0), normal(200, 64, 1)
    expected = prdc(real, fake)
    settings = torch.backends.mkldnn.matmul
    before = settings.fp32_precision
    settings.fp32_precision = "bf16"
    try:
        assert prdc(real, fake) == expected
        assert settings.fp32_precision == "bf16"
    finally:
        settings.fp32_precision = before
