"""Clips as frames and back, and frames picked out of clips."""

from __future__ import annotations

import torch

from gantlet.layers.clips import as_clips, choose, frames_of, pick

CLIPS = torch.arange(2 * 3 * 4 * 5 * 6).view(2, 3, 4, 5, 6).float()


def test_frames_are_those_of_one_clip_after_the_other_and_back() -> None:
    frames = frames_of(CLIPS)
    assert frames.shape == (8, 3, 5, 6)
    assert all(torch.equal(frames[4 * i + t], CLIPS[i, :, t]) for i in range(2) for t in range(4))
    assert torch.equal(as_clips(frames, 2), CLIPS)


def test_frames_are_channels_last_and_a_view_where_clips_are() -> None:
    last = CLIPS.contiguous(memory_format=torch.channels_last_3d)
    frames = frames_of(last)
    assert frames.is_contiguous(memory_format=torch.channels_last)
    assert frames.data_ptr() == last.data_ptr()
    assert as_clips(frames, 2).data_ptr() == last.data_ptr()


def test_frames_are_picked_at_the_times_of_each_clip() -> None:
    times = torch.tensor([[0, 3, 3], [2, 1, 0]])
    picked = pick(CLIPS, times)
    assert picked.shape == (2, 3, 3, 5, 6)
    assert all(torch.equal(picked[i, :, k], CLIPS[i, :, times[i, k]]) for i in range(2) for k in range(3))


def test_chosen_times_differ_rise_and_are_all_as_likely() -> None:
    times = choose(torch.rand(6000, 5, generator=torch.Generator().manual_seed(0)), 3)
    assert times.shape == (6000, 3)
    assert bool((times.diff(dim=1) > 0).all())
    seen, counts = times.unique(dim=0, return_counts=True)
    assert len(seen) == 10  # 3 of 5
    assert 480 < int(counts.min()) <= int(counts.max()) < 720
