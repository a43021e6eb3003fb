"""The probability that follows D's overfitting: rises, falls, is clamped, moves only when it is due."""

from __future__ import annotations

import pytest
import torch

from gantlet.augment.adaptive import Adaptive

SURE, UNSURE, MIXED = torch.ones(8), -torch.ones(8), torch.tensor([1.0] * 7 + [-1.0])  # r_t = 1, -1, .75


def test_it_moves_every_interval_by_the_samples_seen() -> None:
    p = Adaptive(0.2, target=0.6, speed=1000, interval=32, highest=0.85)
    for samples, expected in ((0, 0.2), (8, 0.2), (24, 0.2), (32, 0.232), (40, 0.232), (64, 0.264)):
        p.update(SURE, samples)
        assert p.p.item() == pytest.approx(expected)
    for samples, expected in ((96, 0.232), (128, 0.2)):
        p.update(UNSURE, samples)
        assert p.p.item() == pytest.approx(expected)
    assert p.r.item() == -1


def test_r_is_the_mean_sign_since_the_last_move() -> None:
    p = Adaptive(0.0, target=0.6, speed=100, interval=16, highest=0.85)
    p.update(SURE, 0)
    p.update(MIXED, 16)
    assert p.r.item() == pytest.approx((8 + 6) / 16)
    p.update(MIXED, 32)
    assert p.r.item() == pytest.approx(0.75)
    p.update(torch.tensor([0.0, 3.0]), 48)
    assert p.r.item() == pytest.approx(0.5)


@pytest.mark.parametrize(("logits", "end"), [(SURE, 0.85), (UNSURE, 0.0)])
def test_it_is_clamped(logits: torch.Tensor, end: float) -> None:
    p = Adaptive(0.5, target=0.6, speed=50, interval=10, highest=0.85)
    for samples in range(0, 200, 10):
        p.update(logits, samples)
    assert p.p.item() == pytest.approx(end)


def test_parts_of_a_batch_count_as_the_whole() -> None:
    whole, parts = (Adaptive(0.2, target=0.6, speed=1000, interval=32, highest=0.85) for _ in range(2))
    logits = torch.tensor([1.0] * 5 + [-1.0] * 3)
    for samples in range(0, 200, 8):
        whole.update(logits, samples)
        parts.update(logits[:4], samples)
        parts.update(logits[4:], samples)
    assert parts.p == whole.p


def test_all_of_it_is_in_buffers() -> None:
    p = Adaptive(0.2, target=0.6, speed=1000, interval=32, highest=0.85)
    p.update(SURE, 20)
    q = Adaptive(0.0, target=0.6, speed=1000, interval=32, highest=0.85)
    q.load_state_dict(p.state_dict())
    for either in (p, q):
        either.update(MIXED, 40)
    assert (p.p, p.r, p.count) == (q.p, q.r, q.count)
