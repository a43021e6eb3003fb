"""Remedies on recipes of clips: those that can work on clips do, D being told of the same times; all frames alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from remedied import build, iterate, prepare
from torch import Tensor

from gantlet.augment.ada import bgc
from gantlet.augment.diffaugment import diffaugment
from gantlet.feeding import FOR_CLIPS

RECIPES: dict[str, dict[str, Any]] = {
    "mocogan": {},
    "mocogan of sparse frames": {"sparse_frames": 3},
    "mocogan_2018": {},
    "tgan": {},
}


def clips(start: int, count: int) -> dict[str, Tensor]:
    """Return [count, 1, 4, 8, 8] clips in [-1, 1], their labels, and as many held out."""
    generators = [torch.Generator().manual_seed(position) for position in range(start, start + count)]
    clip = torch.stack([torch.rand(1, 4, 8, 8, generator=generator) * 2 - 1 for generator in generators])
    label = torch.arange(start, start + count) % 2
    return {"clip": clip, "label": label, "holdout_clip": clip.flip(4), "holdout_label": 1 - label}


@pytest.mark.parametrize("remedy", FOR_CLIPS)
@pytest.mark.parametrize("case", RECIPES)
def test_it_works(case: str, remedy: str, tmp_path: Path) -> None:
    training = prepare(build(case.split()[0], [remedy], **RECIPES[case]), tmp_path)
    statistics = iterate(training, clips)
    assert all(torch.isfinite(torch.tensor(value)) for value in statistics.values()), statistics
    assert ("D/overfitting" in statistics) == (
        remedy in ("holdout", "ada", "apa", "auto", "diffaugment", "little_data")
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_all_frames_of_a_clip_are_augmented_alike(kind: str, channels: int) -> None:
    """A clip that stands still stands still after it, and is changed; two clips are changed in two ways."""
    picture = torch.rand(1, channels, 1, 12, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1
    still = picture.expand(4, -1, 5, -1, -1).contiguous()
    torch.manual_seed(1)
    changed = diffaugment(still) if kind == "diffaugment" else bgc(still, torch.tensor(1.0))
    assert changed.shape == still.shape
    torch.testing.assert_close(changed, changed[:, :, :1].expand_as(changed), rtol=1e-5, atol=1e-5)
    assert not torch.allclose(changed, still, atol=0.05)
    assert not torch.allclose(changed[0], changed[1], atol=0.05)


@pytest.mark.parametrize("kind", ["diffaugment", "ada"])
def test_a_clip_of_one_frame_is_augmented_as_a_picture_is(kind: str) -> None:
    picture = torch.rand(3, 3, 12, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made = []
    for x in (picture, picture[:, :, None]):
        torch.manual_seed(1)
        made.append(diffaugment(x) if kind == "diffaugment" else bgc(x, torch.tensor(0.7)))
    torch.testing.assert_close(made[1][:, :, 0], made[0])
