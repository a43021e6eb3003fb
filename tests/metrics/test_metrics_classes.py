import math

import pytest
import torch

from gantlet.errors import UserError
from gantlet.metrics import class_coverage, class_divergence, inception_score, label_accuracy, per_class_diversity

from .helpers import normal


def test_inception_score_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.3, 0.7]], dtype=torch.float64)
    marginal = p.mean(0)
    expected = math.exp(float((p * (p / marginal).log()).sum(1).mean()))
    mean, deviation = inception_score(p.log() + 5, splits=1)  # logits are free up to a constant
    assert mean == pytest.approx(expected, rel=1e-12)
    assert deviation == 0


def test_inception_score_lies_between_one_and_the_number_of_classes():
    sure = torch.nn.functional.one_hot(torch.arange(40) % 4).float() * 100
    assert inception_score(sure, splits=10) == pytest.approx((4, 0))
    assert inception_score(torch.zeros(40, 4), splits=10) == pytest.approx((1, 0))
    one = torch.zeros(40, 4)
    one[:, 2] = 1000  # overflows a naive softmax
    assert inception_score(one, splits=10) == pytest.approx((1, 0))


def test_inception_score_averages_over_contiguous_splits():
    logits = normal(7, 3, 0)
    parts = [inception_score(part, splits=1)[0] for part in (logits[:2], logits[2:4], logits[4:])]
    assert inception_score(logits, splits=3) == pytest.approx(
        (sum(parts) / 3, float(torch.tensor(parts).double().std(correction=0)))
    )
    with pytest.raises(UserError, match="at least 8"):
        inception_score(logits, splits=8)


def test_class_coverage_counts_shares_of_at_least_a_tenth_of_an_even_one():
    classes = torch.tensor([0] * 980 + [1] * 15 + [2] * 5)
    found = class_coverage(classes, 10)  # at least 1 % makes a class covered
    assert found["covered"] == 2
    assert found["missing"] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert found["shares"][:3] == pytest.approx([0.98, 0.015, 0.005])
    assert found["minimum_share"] == pytest.approx(0.01)
    assert class_coverage(classes, 10, minimum_share=0.005)["covered"] == 3
    assert class_coverage(classes, 10, minimum_share=0)["covered"] == 3  # an absent class is never covered
    assert class_coverage(torch.nn.functional.one_hot(classes).float(), 10) == found


def test_class_divergence_by_hand_and_its_floor():
    assert class_divergence(torch.tensor([0, 0, 1, 1]), torch.tensor([1.0, 1.0])) == 0
    assert class_divergence(torch.tensor([0, 0]), torch.tensor([0.5, 0.5])) == pytest.approx(math.log(2))
    classes = torch.randint(1000, (26_000,), generator=torch.Generator().manual_seed(0))
    assert class_divergence(classes, torch.ones(1000)) == pytest.approx(999 / 52_000, rel=0.15)
    with pytest.raises(UserError, match="infinite"):
        class_divergence(torch.tensor([0, 1]), torch.tensor([1.0, 0.0]))


def test_label_accuracy():
    logits = torch.eye(4)[torch.tensor([0, 1, 2, 3])]
    assert label_accuracy(logits, torch.tensor([0, 1, 2, 0])) == 0.75
    assert label_accuracy(torch.tensor([1, 1]), torch.tensor([1, 1])) == 1


def test_diversity_is_the_root_mean_square_of_pair_distances():
    x, y = normal(30, 5, 0, scale=2), normal(40, 5, 1)
    labels_x, labels_y = torch.arange(30) % 2, torch.arange(40) % 2
    found = per_class_diversity(x, labels_x, y, labels_y, 3)

    def spread(points):
        return torch.nn.functional.pdist(points.double()).square().mean().sqrt()

    expected = [float(spread(x[labels_x == c]) / spread(y[labels_y == c])) for c in (0, 1)]
    assert found["ratios"][:2] == pytest.approx(expected, rel=1e-9)
    assert found["ratios"][2] is None
    assert found["mean"] == pytest.approx(sum(expected) / 2)
    assert found["minimum"] == pytest.approx(min(expected))
    collapsed = per_class_diversity(x[:1].expand(30, 5), labels_x, y, labels_y, 2)
    assert collapsed["mean"] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: class_coverage(torch.tensor([0, 5]), 5), "0..4"),
        (lambda: class_coverage(torch.zeros(0, dtype=torch.int64), 5), "no samples"),
        (lambda: class_coverage(torch.zeros(3), 5), "whole classes"),
        (lambda: label_accuracy(torch.tensor([0, 1]), torch.tensor([0])), "as many labels"),
        (lambda: per_class_diversity(*[normal(3, 2, 0), torch.arange(3)] * 2, 3), "two or more"),
    ],
)
def test_mistakes_are_told_in_words(act, says):
    with pytest.raises(UserError, match=says):
        act()
