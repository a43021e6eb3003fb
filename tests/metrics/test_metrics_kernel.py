import pytest
import torch

from gantlet.errors import UserError
from gantlet.metrics import kernel_distance
from gantlet.metrics.kernel import squared_mmd

from .helpers import import_torchmetrics, normal


def test_unbiased_mmd_by_hand():
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [3.0]])

    def k(a, b):
        return (a * b + 1) ** 3

    expected = k(1, 2) + k(0, 3) - 2 * (k(1, 0) + k(1, 3) + k(2, 0) + k(2, 3)) / 4
    assert float(squared_mmd(x.double(), y.double())) == pytest.approx(expected)


def torchmetrics_kid(x, y, subset_size, subsets):
    torchmetrics = import_torchmetrics()

    class Same(torch.nn.Module):
        num_features = x.shape[1]

        def forward(self, images):
            return images

    metric = torchmetrics.image.kid.KernelInceptionDistance(feature=Same(), subset_size=subset_size, subsets=subsets)
    metric.update(x, real=True)
    metric.update(y, real=False)
    mean, deviation = metric.compute()
    return float(mean), float(deviation)


@pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics.*")
def test_kid_equals_torchmetrics_on_the_whole_set():
    x, y = normal(120, 16, 0), normal(120, 16, 1, shift=0.5)
    theirs, _ = torchmetrics_kid(x, y, 120, 1)
    ours, deviation = kernel_distance(x, y, subset_size=120, subsets=1)
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert deviation == 0


@pytest.mark.filterwarnings("ignore::UserWarning:torchmetrics.*")
def test_kid_equals_torchmetrics_for_the_same_subsets(monkeypatch):
    import_torchmetrics()
    x, y = normal(150, 16, 0), normal(130, 16, 1, shift=0.5)
    generator, draw = torch.Generator().manual_seed(3), torch.randperm
    with monkeypatch.context() as patch:
        patch.setattr(torch, "randperm", lambda n, **_: draw(n, generator=generator))
        theirs = torchmetrics_kid(x, y, 50, 10)
    ours = kernel_distance(x, y, subset_size=50, subsets=10, seed=3)
    assert ours == pytest.approx(theirs, rel=1e-4)


def test_equal_distributions_have_a_distance_about_zero_of_either_sign():
    values = [
        kernel_distance(normal(400, 8, 2 * i), normal(400, 8, 2 * i + 1), subset_size=400, subsets=1)[0]
        for i in range(20)
    ]
    assert abs(sum(values)) / 20 < 0.01
    assert min(values) < 0 < max(values)


def test_the_seed_decides_the_subsets_and_nothing_else_does():
    x, y = normal(100, 4, 0), normal(100, 4, 1)
    first = kernel_distance(x, y, subset_size=30, subsets=5, seed=1)
    torch.manual_seed(9)
    assert kernel_distance(x, y, subset_size=30, subsets=5, seed=1) == first
    assert kernel_distance(x, y, subset_size=30, subsets=5, seed=2) != first


@pytest.mark.parametrize("options", [{"subset_size": 101}, {"subset_size": 1}, {"subsets": 0, "subset_size": 10}])
def test_impossible_subsets_are_refused(options):
    with pytest.raises(UserError, match="subset"):
        kernel_distance(normal(100, 4, 0), normal(150, 4, 1), **options)
