"""Recordings read from disk are held to the rules of those in memory; parts of which one is labelled; inspection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet.data import excerpts, inspect, open_excerpts, open_mixtures, open_sounds
from gantlet.data.inspect_sounds import SoundInspection, _finished
from gantlet.data.recordings import Take
from gantlet.errors import UserError
from gantlet.media.audio import write_sound

RATE = 8000


def wave(seed: int, frames: int = 800, channels: int = 1) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, (channels, frames)).astype(np.float32)


def folder_of(place: Path, waves: dict[str, np.ndarray[Any, Any]]) -> Path:
    for name, values in waves.items():
        write_sound(place / name, values, RATE)
    return place


@pytest.fixture(params=[excerpts.IN_MEMORY, 100], ids=["in memory", "from disk"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether recordings are read from disk window by window."""
    monkeypatch.setattr(excerpts, "IN_MEMORY", request.param)
    return bool(request.param == 100)


def test_leaks_are_refused_wherever_recordings_lie(kept: bool, tmp_path: Path) -> None:
    waves = {f"train/{index}.wav": wave(index) for index in range(3)} | {"test/9.wav": wave(9)}
    silent = {"train/none.wav": np.zeros(800), "test/none.wav": np.zeros(800)}
    data = open_excerpts(folder_of(tmp_path, {**waves, **silent}))
    assert (data.pieces[0].wave is None) == kept
    folder_of(tmp_path, {"test/copy.wav": wave(2)})
    with pytest.raises(UserError, match=r"1 recordings are in both .*'train/2.wav' is 'test/copy.wav'"):
        open_excerpts(tmp_path)


def test_long_recordings_that_begin_alike_are_no_leak(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gantlet.data.recordings.PIECE", 300)
    other = wave(0)
    other[:, 700] = 0
    folder_of(tmp_path, {"train/0.wav": wave(0), "test/0.wav": other})
    assert len(open_excerpts(tmp_path)) == 1
    folder_of(tmp_path, {"test/1.wav": wave(0)})
    with pytest.raises(UserError, match=r"'train/0.wav' is 'test/1.wav'"):
        open_excerpts(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
def test_channels_that_are_not_there(part: str, kept: bool, tmp_path: Path) -> None:
    waves = {f"{name}/{index}.wav": wave(index + ord(name[1])) for name in ("train", "test") for index in range(2)}
    folder_of(tmp_path, {**waves, f"{part}/six.wav": wave(9, channels=6)})
    for opener in (open_excerpts, open_sounds):
        with pytest.raises(UserError, match=r"2 channels are asked for and 1 recordings have .*six.wav"):
            opener(tmp_path, channels=2)
        assert opener(tmp_path).channels == 1


def test_channels_of_pairs_in_the_test_part(tmp_path: Path) -> None:
    for side in ("noisy", "clean"):
        folder_of(tmp_path, {f"train/{side}/0.wav": wave(0), f"test/{side}/1.wav": wave(1, channels=6)})
    with pytest.raises(UserError, match="2 channels are asked for and 2 recordings have another number"):
        open_mixtures(tmp_path, channels=2)


def test_only_the_training_part_has_labels(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a/0.wav": wave(0), "train/b/1.wav": wave(1), "test/2.wav": wave(2)})
    assert open_sounds(tmp_path).classes == ("a", "b")
    test = open_sounds(tmp_path, split="test")
    assert (test.labels, test.classes) == (None, ())


def test_only_the_test_part_has_labels(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/0.wav": wave(0), "test/a/1.wav": wave(1), "test/b/2.wav": wave(2)})
    for split in ("train", "test"):
        with pytest.raises(UserError, match="the test part has labels and the training part has none; label both"):
            open_sounds(tmp_path, split=split)
        assert open_sounds(tmp_path, split=split, unconditional=True).labels is None


def test_inspection_stays_within_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, {f"{index}.wav": wave(index) for index in range(3)})
    monkeypatch.setattr("gantlet.data.decoding.MAX_BYTES", 2 * 800 * 2)
    with pytest.raises(UserError, match="the first 3 of 3 recordings need 4,800 bytes"):
        inspect(tmp_path)


def test_inspection_of_silence_is_json(tmp_path: Path) -> None:
    found = inspect(folder_of(tmp_path, {"0.wav": np.zeros(800), "1.wav": np.zeros(900)}))
    assert isinstance(found, SoundInspection)
    assert found.peak_db == {}
    json.dumps(found.to_json(), allow_nan=False)
    assert any("2 recordings are silent" in line for line in found.lines())


def test_very_many_labels_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.data.inspect_sounds._levels", lambda out, takes: out.silent.extend("x" * len(takes)))
    one = wave(0, 2)
    takes = [Take("x", one, RATE, "ab"[index % 2]) for index in range(10**5)]
    found = _finished(SoundInspection("x", "", "train", ["train"]), takes, False)
    assert found.classes == {"a": 50_000, "b": 50_000}
