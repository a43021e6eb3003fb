"""Pictures of sounds: a tone lies in its row, levels are decibels, sheets have a place for each; files of samples."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gantlet.errors import UserError
from gantlet.media.audio import read_sound
from gantlet.media.image import read_image
from gantlet.media.sound_files import GAP, joined, write_sounds
from gantlet.media.spectrogram import HEIGHT, LOWEST, WIDTH, compared, levels, painted, sheet, spectrogram

RATE = 8000


def tone(hertz: float, seconds: float = 1.0, level: float = 1.0) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


@pytest.mark.parametrize("hertz", [200.0, 500.0, 1000.0, 3000.0])
def test_a_tone_lies_in_the_row_of_its_frequency(hertz: float) -> None:
    power = levels(tone(hertz), RATE)
    rows = np.geomspace(LOWEST, RATE / 2, 2 * HEIGHT + 1)[1::2][::-1]
    assert power.shape == (HEIGHT, WIDTH)
    found = rows[power[:, WIDTH // 2].argmax()]
    assert abs(np.log2(found / hertz)) < 0.12  # rows are finer than the bins of 31 Hz for low tones
    assert power.max() == pytest.approx(1.0, abs=0.3)  # a full-scale sine, between two bins at worst


def test_time_runs_to_the_right_and_decibels_are_colours() -> None:
    wave = np.concatenate([np.zeros(RATE // 2, np.float32), tone(1000, 0.5)])
    power = levels(wave, RATE)
    assert power[:, : WIDTH // 2 - 4].max() < 1e-9
    assert power[:, WIDTH // 2 + 4 :].max(0).min() > 0.5
    steps = painted(np.array([[1.0, 10**-3.5, 1e-12]]), 1.0)[0]
    assert steps[0].tolist() == [252, 253, 191]  # the loudest is the brightest
    assert steps[2].tolist() == [0, 0, 4]
    assert steps[0].sum() > steps[1].sum() > steps[2].sum()


def test_sheets_have_a_place_for_each_and_share_the_loudest() -> None:
    waves = np.stack([tone(500)[None], tone(500, level=0.01)[None], 0 * tone(500)[None]])
    picture = sheet(waves, RATE, columns=3)
    assert picture.shape == (HEIGHT + 4, 3 * (WIDTH + 2) + 2, 3)
    first, second, third = (picture[:, 2 + i * (WIDTH + 2) :][:, :WIDTH].astype(int).sum(-1).max() for i in range(3))
    assert first > second > third
    assert compared([waves, waves], RATE).shape == (3 * (HEIGHT + 2) + 2, 2 * (2 * WIDTH + 2) + 2, 3)


@pytest.mark.parametrize("wave", [np.zeros((1, 1)), np.zeros((2, 7)), np.full((1, 50), np.nan), np.ones((1, 10**6))])
def test_any_sound_can_be_drawn(wave: np.ndarray) -> None:
    assert spectrogram(wave, 44_100).shape == (HEIGHT, WIDTH, 3)


def test_a_folder_of_samples(tmp_path: Path) -> None:
    waves = np.stack([tone(300, 0.1)[None], 2 * tone(400, 0.1)[None]])
    clipped = write_sounds(tmp_path / "out", waves, RATE, np.array([1, 0]), classes=("a", "b"), seed=7, first=5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "00005.wav", "00006.wav", "manifest.json", "preview.wav", "spectrograms.png",
    ]  # fmt: skip
    found, rate = read_sound(tmp_path / "out" / "00005.wav")
    assert rate == RATE
    np.testing.assert_allclose(found[0], waves[0, 0], atol=2**-15)
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [(one["file"], one["label"], one["class"], one["seed"]) for one in told["files"]] == [
        ("00005.wav", 1, "b", 7),
        ("00006.wav", 0, "a", 7),
    ]
    assert told["files"][0]["clipped"] == 0
    assert clipped == told["files"][1]["clipped"] > 0
    preview = read_sound(tmp_path / "out" / "preview.wav")[0]
    assert preview.shape == (1, 2 * 800 + round(GAP * RATE))
    assert read_image(tmp_path / "out" / "spectrograms.png").shape[0] > HEIGHT


def test_one_file_of_samples(tmp_path: Path) -> None:
    waves = np.stack([tone(300, 0.1)[None], tone(400, 0.1)[None]])
    write_sounds(tmp_path / "a.npz", waves, RATE, np.array([1, 0]))
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["audio"], waves)
        assert int(arrays["sample_rate"]) == RATE
        assert arrays["labels"].tolist() == [1, 0]
    write_sounds(tmp_path / "a.wav", waves, RATE)
    assert read_sound(tmp_path / "a.wav")[0].shape == (1, 1600 + round(GAP * RATE))
    write_sounds(tmp_path / "a.png", waves, RATE)
    assert read_image(tmp_path / "a.png").shape[2] == 3
    with pytest.raises(UserError, match="choose another name"):
        write_sounds(tmp_path / "a.mp4", waves, RATE)


def test_a_preview_is_bounded() -> None:
    waves = np.zeros((100, 1, RATE), np.float32)
    assert joined(waves, RATE, gap=0, most=10.0).shape == (1, 10 * RATE)
    assert joined(waves, RATE, gap=0, most=0.1).shape == (1, RATE)
    assert joined(waves[:2], RATE, gap=0.5, most=float("inf")).shape == (1, 2 * RATE + RATE // 2)
