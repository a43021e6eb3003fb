import numpy as np
import pytest

from gantlet.data.splits import NoSuchSplit
from gantlet.data.tones import (
    CLASSES,
    COUNTS,
    DETUNE,
    LENGTH,
    PITCHES,
    SAMPLE_RATE,
    TIMBRES,
    labels_of,
    pitch_of,
    tones,
)


def test_a_note_depends_on_split_and_index_alone():
    several, labels = tones("train", np.array([4799, 3, 500, 3]))
    alone, label = tones("train", np.array([3]))
    assert several.shape == (4, LENGTH)
    assert several.dtype == np.float32
    assert np.array_equal(several[1], alone[0])
    assert np.array_equal(several[1], several[3])
    assert labels.tolist() == [4799 % 48, 3, 500 % 48, 3]
    assert label.tolist() == [3]
    assert not np.array_equal(tones("test", np.array([3]))[0], alone)


def test_every_prefix_is_balanced():
    assert len(CLASSES) == len(set(CLASSES)) == 48
    assert CLASSES[1] == "A4 reed"
    for split, count in COUNTS.items():
        assert np.bincount(labels_of(split)).tolist() == [count // 48] * 48


def test_the_first_harmonic_is_the_pitch_of_the_class_and_the_rest_is_the_timbre():
    waves, labels = tones("test", np.arange(48))
    spectrum = np.abs(np.fft.rfft(waves * np.hanning(LENGTH), 8 * LENGTH))
    hertz = np.fft.rfftfreq(8 * LENGTH, 1 / SAMPLE_RATE)
    for wave, size, label in zip(waves, spectrum, labels):
        assert 0.25 <= np.abs(wave).max() <= 0.901
        amplitudes = list(TIMBRES.values())[label % 4]
        pitch, loudest = pitch_of(label), int(np.argmax(amplitudes)) + 1
        peak = hertz[size.argmax()] / loudest
        assert abs(1200 * np.log2(peak / pitch)) < DETUNE + 2
        second = size[(hertz > 1.9 * peak) & (hertz < 2.1 * peak)].max()
        first = size[(hertz > 0.9 * peak) & (hertz < 1.1 * peak)].max()
        assert second / first == pytest.approx(amplitudes[1] / amplitudes[0], abs=0.03)


def test_pitches_are_of_equal_temperament_and_carried_by_the_rate():
    assert next(iter(PITCHES.values())) == 440
    assert list(PITCHES.values())[3] == pytest.approx(523.2511, abs=1e-4)  # C5
    assert max(PITCHES.values()) * 4 < SAMPLE_RATE / 2


def test_notes_begin_soft_and_end_in_silence():
    waves, _ = tones("train", np.arange(20))
    assert np.abs(waves[:, 0]).max() < 0.01
    assert np.abs(waves[:, -180:]).max() == 0


def test_other_splits_are_refused():
    with pytest.raises(NoSuchSplit, match="tones: no val part"):
        tones("val")
