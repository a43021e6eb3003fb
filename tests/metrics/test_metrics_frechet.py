import itertools
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.errors import UserError
from gantlet.metrics import Moments, frechet_distance

from .helpers import import_torchmetrics, normal


def test_moments_are_those_of_numpy():
    x = normal(57, 6, 0, scale=3, shift=100)
    moments = Moments.of(x, chunk=10)
    assert moments.count == 57
    np.testing.assert_allclose(moments.mean, x.double().numpy().mean(0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, np.cov(x.double().numpy(), rowvar=False), rtol=1e-10)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 40), max_size=6), shift=st.sampled_from([0.0, 1e4, -1e6]), seed=st.integers(0, 99))
def test_any_split_of_the_data_has_the_same_moments(cuts, shift, seed):
    x = normal(40, 3, seed).double() + shift
    whole = Moments.of(x)
    edges = [0, *sorted(cuts), 40]
    streamed, merged = Moments(3), Moments(3)
    for a, b in itertools.pairwise(edges):
        streamed.update(x[a:b])
        merged.merge(Moments.of(x[a:b]))
    for other in (streamed, merged):
        assert other.count == 40
        torch.testing.assert_close(other.mean, whole.mean, rtol=1e-14, atol=1e-13)
        torch.testing.assert_close(other.covariance, whole.covariance, rtol=1e-8, atol=1e-9)


def test_a_large_mean_costs_no_digits():
    x = normal(2000, 4, 1).double()
    near, far = Moments.of(x), Moments.of(x + 1e7, chunk=100)
    torch.testing.assert_close(near.covariance, far.covariance, rtol=1e-7, atol=1e-8)


def test_merge_leaves_the_other_alone():
    a, b = Moments.of(normal(9, 2, 0)), Moments.of(normal(5, 2, 1))
    mean = b.mean.clone()
    a.merge(b)
    assert (a.count, b.count) == (14, 5)
    assert torch.equal(b.mean, mean)


def moments_with(mean: torch.Tensor, variance: torch.Tensor) -> Moments:
    """Moments of exactly this mean and this diagonal covariance."""
    f = len(mean)
    points = torch.cat([torch.diag(variance.sqrt()), -torch.diag(variance.sqrt())]) * ((2 * f - 1) / 2) ** 0.5
    return Moments.of(points.double() + mean)


def test_diagonal_gaussians_have_the_closed_form():
    mu1, mu2 = torch.tensor([0.0, 1, 2]).double(), torch.tensor([0.5, -1, 2]).double()
    v1, v2 = torch.tensor([1.0, 4, 0.25]).double(), torch.tensor([9.0, 1, 0.25]).double()
    expected = ((mu1 - mu2) ** 2).sum() + ((v1.sqrt() - v2.sqrt()) ** 2).sum()
    assert frechet_distance(moments_with(mu1, v1), moments_with(mu2, v2)) == pytest.approx(float(expected), rel=1e-10)


def test_distance_equals_the_matrix_square_root():
    mix = normal(8, 8, 3)
    a, b = Moments.of(normal(100, 8, 1) @ mix), Moments.of(normal(90, 8, 2, shift=0.3))
    root = scipy.linalg.sqrtm((a.covariance @ b.covariance).numpy()).real
    expected = (a.mean - b.mean).square().sum() + torch.trace(a.covariance + b.covariance) - 2 * np.trace(root)
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-9)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


def test_equal_sets_have_distance_zero_and_never_less():
    for n, f in ((200, 16), (10, 64)):  # the second has singular covariances
        x = normal(n, f, 4)
        distance = frechet_distance(Moments.of(x), Moments.of(x))
        assert 0 <= distance < 1e-6
    constant = torch.ones(10, 4)
    assert frechet_distance(Moments.of(constant), Moments.of(constant)) == 0


def test_few_samples_in_many_dimensions_stay_real():
    a, b = Moments.of(normal(20, 200, 5)), Moments.of(normal(30, 200, 6))
    root = np.sqrt(np.linalg.eigvals((a.covariance @ b.covariance).numpy()).astype(complex)).real.sum()
    expected = (a.mean - b.mean).square().sum() + torch.trace(a.covariance + b.covariance) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(float(expected), rel=1e-5)


def test_fid_equals_torchmetrics():
    torchmetrics = import_torchmetrics()

    class Flat(torch.nn.Module):
        num_features = 12

        def forward(self, x):
            return x.flatten(1)

    real, fake = normal(300, 12, 7, scale=2), normal(250, 12, 8, shift=0.4)
    metric = torchmetrics.image.fid.FrechetInceptionDistance(feature=Flat(), input_img_size=(3, 2, 2))
    metric.update(real.view(-1, 3, 2, 2), real=True)
    metric.update(fake.view(-1, 3, 2, 2), real=False)
    ours = frechet_distance(Moments.of(fake), Moments.of(real))
    assert ours == pytest.approx(float(metric.compute()), rel=1e-4)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: frechet_distance(Moments.of(normal(9, 2, 0)), Moments.of(normal(9, 3, 0))), "same network"),
        (lambda: frechet_distance(Moments.of(normal(1, 2, 0)), Moments.of(normal(9, 2, 0))), "at least 2"),
        (lambda: Moments(2).update(torch.tensor([[1.0, float("nan")]])), "NaN"),
        (lambda: Moments(2).update(torch.zeros(2, 3)), "2 features"),
        (lambda: Moments(2).merge(Moments(3)), "cannot be merged"),
        (lambda: Moments(2).update(torch.zeros(2, 2, dtype=torch.int64)), "floats"),
    ],
)
def test_mistakes_are_told_in_words(act, says):
    with pytest.raises(UserError, match=says):
        act()


def test_the_room_imports_nothing_above_it_and_no_torchvision():
    code = """
        import sys
        import gantlet.metrics
        above = ("engine", "recipes", "report", "cli", "data", "media")
        found = [m for m in sys.modules if m in {f"gantlet.{room}" for room in above}]
        found += [m for m in sys.modules if m.split(".")[0] in ("torchvision", "scipy", "torchmetrics", "matplotlib")]
        sys.exit(", ".join(found) or 0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_moments_begun_in_inference_mode_go_on_outside_and_leave_features_alone() -> None:
    features = torch.randn(40, 3, dtype=torch.float64)
    kept = features.clone()
    with torch.inference_mode():
        moments = Moments.of(features[:20])
    moments.update(features[20:])
    assert torch.equal(features, kept)
    torch.testing.assert_close(moments.covariance, torch.cov(features.T))


def test_singular_and_regular_covariances_have_one_distance() -> None:
    """Cholesky's factor where there is one, the root where there is none: a hair of noise decides which."""
    features = torch.randn(200, 6, dtype=torch.float64) @ torch.randn(6, 8, dtype=torch.float64)
    noisy = features + 1e-7 * torch.randn(200, 8, dtype=torch.float64)
    other = Moments.of(torch.randn(100, 8))
    a, b = frechet_distance(Moments.of(features), other), frechet_distance(Moments.of(noisy), other)
    assert a == pytest.approx(b, rel=1e-5)
    assert frechet_distance(other, Moments.of(features)) == pytest.approx(a, rel=1e-5)
