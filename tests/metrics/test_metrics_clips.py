"""Numbers of clips against what is known: built-in clips, and clips broken in one way each."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gantlet.data import open_clips
from gantlet.data.clips import Clips
from gantlet.metrics.clips import (
    MotionNumbers,
    centres,
    components,
    constancy,
    flicker_error,
    flight,
    nearest_clips,
    object_count,
    wasserstein,
)
from gantlet.metrics.features import random_features
from gantlet.metrics.video_classifier import clip_classifier_features, judged, random_clip_features, stacked
from gantlet.networks.clip_classifier import ClipClassifier


@pytest.fixture(scope="module")
def shapes() -> Clips:
    return open_clips("bouncing_shapes", split="test")


@pytest.fixture(scope="module")
def some(shapes: Clips) -> Tensor:
    return shapes.batch(range(32))["clip"]


def numbers(shapes: Clips, clips: Tensor) -> dict[str, float]:
    assert shapes.motion is not None
    speeds = torch.from_numpy(shapes.motion.speeds)
    return MotionNumbers.of(clips, shapes.motion.box, 1.5 * float(speeds.max())).values(speeds)


def test_flicker_by_hand() -> None:
    truth = torch.zeros(1, 1, 3, 1, 1)
    outputs = torch.tensor([0.0, 0.3, 0.1]).view(1, 1, 3, 1, 1)
    assert float(flicker_error(outputs, truth)) == pytest.approx((0.3 + 0.2) / 2)
    assert float(flicker_error(outputs + 0.5, outputs)) == pytest.approx(0, abs=1e-6)  # a constant error is none
    with pytest.raises(ValueError, match="2 frames"):
        flicker_error(truth[:, :, :1], truth[:, :, :1])


def test_regions_are_counted_and_touching_corners_are_one() -> None:
    masks = torch.tensor([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 0], [1, 1, 1, 1]]).bool()[None]
    assert len(components(masks).unique()) - 1 == 3
    snake = torch.zeros(9, 9)
    snake[::2], snake[1::4, 8], snake[3::4, 0] = 1, 1, 1
    assert len(components(snake.bool()[None]).unique()) - 1 == 1


def test_the_truth_is_found_in_the_built_in_clips(shapes: Clips, some: Tensor) -> None:
    assert shapes.motion is not None
    assert float((centres(some) - torch.from_numpy(shapes.motion.positions[:32])).abs().max()) < 0.15
    found = flight(centres(some), shapes.motion.box, 4.0)
    assert float(found.residual.max()) < 0.5
    assert float((found.speed - torch.from_numpy(shapes.motion.speeds[:32])).abs().max()) < 0.05
    told = numbers(shapes, some)
    assert told["one_object"] == 1
    assert told["content_constant"] == 1
    assert told["speed_w1"] < 0.15  # 32 of 480


def test_each_number_sees_its_own_fault(shapes: Clips, some: Tensor) -> None:
    good = numbers(shapes, some)
    two = torch.maximum(some, some.flip(0).roll(12, 4))
    assert numbers(shapes, two)["one_object"] < 0.8
    changing = torch.cat([some[:, :, :8], some.roll(2, 0)[:, :, 8:]], 2)
    assert numbers(shapes, changing)["content_constant"] < 0.75
    jumping = some[:, :, torch.randperm(16, generator=torch.Generator().manual_seed(0))]
    assert numbers(shapes, jumping)["trajectory_residual"] > 2 > 10 * good["trajectory_residual"]
    still = some[:, :, :1].expand_as(some)
    assert numbers(shapes, still)["speed_w1"] > 0.4
    assert numbers(shapes, still)["trajectory_residual"] < 0.1


def test_light_that_pulses_is_no_constant_content(some: Tensor) -> None:
    pulse = torch.tensor([1.0, 0.5]).repeat(8).view(1, 1, 16, 1, 1)
    assert float(constancy((some + 1) * pulse - 1).float().mean()) < 0.6
    assert int(object_count(torch.full((1, 1, 4, 16, 16), -1.0)).max()) == 0


def test_wasserstein_by_hand() -> None:
    a = torch.linspace(0, 1, 400)
    assert wasserstein(a, a + 0.25) == pytest.approx(0.25, abs=1e-6)
    assert wasserstein(a, torch.full((7,), 0.5)) == pytest.approx(0.25, abs=1e-3)


def test_the_nearest_clip_of_a_noisy_copy_is_its_original(some: Tensor) -> None:
    noisy = some[[5, 17]] + 0.05 * torch.randn(2, *some.shape[1:], generator=torch.Generator().manual_seed(0))
    index, distance = nearest_clips(noisy, some)
    assert index.tolist() == [5, 17]
    assert float(distance.max()) < 0.1


def test_features_of_clips_are_those_of_the_network(some: Tensor, shapes: Clips) -> None:
    torch.manual_seed(0)
    network = ClipClassifier(1, 8, width=4, num_features=8).eval()
    features = clip_classifier_features(network, "a classifier", shapes.facts())
    found, logits = features(stacked({"clip": some})["image"])
    with torch.no_grad():
        seen = judged(some)
        torch.testing.assert_close(found, network.features(seen), rtol=1e-3, atol=1e-4)
        assert logits is not None
        torch.testing.assert_close(logits, network(seen), rtol=1e-3, atol=1e-4)
    assert features.rule == "clip"
    assert "16 frames of 32x32, 10 a second" in features.resize


def test_a_classifier_of_clips_sees_the_order_of_frames(some: Tensor) -> None:
    torch.manual_seed(0)
    network = ClipClassifier(1, 8, width=4, num_features=8)
    with torch.no_grad():
        assert not torch.allclose(network(some), network(some.roll(5, 2)), atol=1e-3)
        assert network(some[:2, :, :2, :4, :4]).shape == (2, 8)


def test_random_features_of_clips_have_a_name_of_their_own(some: Tensor, shapes: Clips) -> None:
    features = random_clip_features(shapes.facts())
    assert features.name != random_features(16).name
    found, logits = features(stacked({"clip": some})["image"])
    assert found.shape == (32, 64)
    assert logits is None


def test_8_bits_are_those_of_files() -> None:
    values = torch.tensor([-1.2, -1.0, 0.0031, 1.0]).view(1, 1, 1, 1, 4)
    raw = np.rint((values.clamp(-1, 1).numpy() + 1) * 127.5)
    np.testing.assert_allclose(judged(values).numpy(), raw / 127.5 - 1, atol=1e-6)
