import math
import time
from typing import ClassVar

import numpy as np
import pytest
import torch

from gantlet import judging
from gantlet.data.sounds import Sounds, mark
from gantlet.data.tones import CLASSES, pitch_of, tones
from gantlet.errors import UserError
from gantlet.layers.mel import MelSpec
from gantlet.metrics import (
    Judgement,
    SoundNumbers,
    clipping_share,
    log_mel_pictures,
    mel_l1,
    multi_resolution_stft,
    rms,
    silence_share,
    times_real_time,
)
from gantlet.metrics.sound_pictures import note_frequencies, picture_spec, vary_pictures


def noise(count: int, length: int, seed: int = 0) -> torch.Tensor:
    return 0.3 * torch.randn(count, length, generator=torch.Generator().manual_seed(seed))


def slow_stft_distance(estimate: np.ndarray, reference: np.ndarray) -> float:
    """The formula, frame by frame, in float64."""
    total = 0.0
    for n_fft, hop, width in ((512, 50, 240), (1024, 120, 600), (2048, 240, 1200)):
        window = np.zeros(n_fft)
        start = (n_fft - width) // 2
        window[start : start + width] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(width) / width)
        sizes = []
        for wave in (estimate, reference):
            padded = np.pad(wave, n_fft // 2, mode="reflect")
            frames = [padded[i : i + n_fft] * window for i in range(0, len(padded) - n_fft + 1, hop)]
            sizes.append(np.maximum(np.abs(np.fft.rfft(frames)), 1e-5 * width / 4))
        e, r = sizes
        total += np.linalg.norm(r - e) / np.linalg.norm(r) + np.abs(np.log(r) - np.log(e)).mean()
    return total / 3


def test_multi_resolution_stft_is_its_formula():
    reference, estimate = noise(2, 3000), noise(2, 3000, seed=1)
    found = multi_resolution_stft(estimate, reference)
    for row in range(2):
        slow = slow_stft_distance(estimate[row].double().numpy(), reference[row].double().numpy())
        assert found[row].item() == pytest.approx(slow, rel=1e-4)
    assert multi_resolution_stft(reference, reference).abs().max() == 0
    half = multi_resolution_stft(reference / 2, reference)  # convergence 1/2, and log 2 everywhere
    torch.testing.assert_close(half, torch.full((2,), 0.5 + math.log(2)), rtol=1e-3, atol=0)


def test_mel_l1_of_half_the_amplitude_is_the_logarithm_of_2():
    spec = MelSpec(sample_rate=8000, n_fft=512, hop=128, mels=40, floor=1e-8)
    waves = noise(3, 4096)
    torch.testing.assert_close(mel_l1(waves / 2, waves, spec), torch.full((3,), math.log(2)), rtol=1e-4, atol=0)
    assert mel_l1(waves, waves, spec).tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="two sets of waves"):
        mel_l1(waves[:2], waves, spec)


def test_short_waves_are_refused():
    with pytest.raises(ValueError, match="1000 samples are too short"):
        multi_resolution_stft(torch.zeros(1, 1000), torch.zeros(1, 1000))


def test_clipping_silence_and_level_by_hand():
    wave = torch.tensor([[1.0, -1.0, 0.5, 0.99], [0.0, 0.1, -0.1, 0.0]])
    assert clipping_share(wave).tolist() == [0.5, 0]
    torch.testing.assert_close(rms(wave[1:]), torch.tensor([math.sqrt(0.02 / 4)]))
    quiet = torch.cat([torch.full((1, 160), 0.0011), torch.full((1, 160), 0.0009), torch.zeros(1, 170)], dim=1)
    assert silence_share(quiet, 8000).item() == pytest.approx(2 / 3)  # 60 dB are a thousandth; 10 samples are left over
    assert silence_share(torch.full((1, 5), 0.1), 8000).item() == 0  # shorter than a frame


def test_times_real_time_counts_sound_per_clock():
    found = times_real_time(lambda: time.sleep(0.02), 1.0, repeats=2)
    assert 10 < found <= 50


def test_a_picture_shows_level_and_frequency():
    wave = torch.sin(2 * math.pi * 1000 * torch.arange(8192) / 8000)[None, None]
    full, soft = log_mel_pictures(0.5 * wave, 8000)[0, 0], log_mel_pictures(0.005 * wave, 8000)[0, 0]
    assert full.shape == (64, 64)
    rows = full[:, 5:-5].argmax(0)
    mel = 2595 * math.log10(1 + 1000 / 700) / (2595 * math.log10(1 + 4000 / 700)) * 65 - 1
    assert (rows - mel).abs().max() <= 1
    assert 0.8 < full[:, 5:-5].max() < 1  # 6 dB below full scale, and up to 6 more where a band sums several bins
    assert (full - soft)[rows[0], 32].item() == pytest.approx(2 * 40 / 80, abs=1e-3)  # a hundredth is 40 of 80 dB
    assert float(log_mel_pictures(torch.zeros(1, 2, 8192), 8000).max()) == -1


@pytest.mark.parametrize(
    ("rate", "length"), [(8000, 8192), (8000, 100), (16000, 16384), (22050, 100_000), (48000, 777)]
)
def test_pictures_of_any_length_have_one_size(rate, length):
    waves = noise(2, length)[:, None].repeat(1, 2, 1)
    pictures = log_mel_pictures(waves, rate)
    assert pictures.shape == (2, 1, 64, 64)
    assert pictures.isfinite().all()
    assert pictures.abs().max() <= 1
    spec, frames = picture_spec(rate, length)
    assert spec.hop * frames * 64 >= length
    assert spec.hop <= spec.n_fft // 4


def test_varied_pictures_are_moved_and_a_function_of_the_position():
    pictures = torch.full((4, 1, 64, 64), -1.0)
    pictures[..., 30] = 0.0
    varied = vary_pictures(pictures, 7)
    assert torch.equal(varied, vary_pictures(pictures, 7))
    assert not torch.equal(varied, vary_pictures(pictures, 8))
    places = varied[:, 0, 0].argmax(1)
    assert ((places - 30).abs() <= 6).all()
    assert len(set(places.tolist())) > 1
    levels = varied.amax((1, 2, 3))
    assert (levels.abs() <= 0.15 + 1e-6).all()  # 6 dB of 80 on a scale of 2
    still = vary_pictures(pictures, 7, columns=0, level=0.0)
    assert torch.equal(still, pictures)


def test_classes_that_begin_with_notes_have_pitches():
    found = note_frequencies(CLASSES)
    torch.testing.assert_close(found, torch.from_numpy(pitch_of(np.arange(48))))
    assert note_frequencies(["C4", "A#3 x"]).tolist() == pytest.approx([261.6256, 233.0819], rel=1e-6)
    assert note_frequencies(["A4", "zero"]) is None
    assert note_frequencies(["B42"]) is None
    assert note_frequencies([]) is None


def test_numbers_are_means_over_all_batches():
    numbers = SoundNumbers(8000)
    numbers.add(torch.ones(1, 1, 800))
    numbers.add(torch.zeros(3, 1, 800))
    assert numbers.values() == {"clipping_share": 0.25, "silence_share": 0.75, "rms": 0.25}


@pytest.mark.parametrize(
    ("classes", "rate", "length", "heard"),
    [
        (("C2 piano", "C3 piano"), 16_000, 16_000, True),
        (("C2 piano", "C3 piano"), 16_000, 1000, False),  # too short
        (("A1", "B2"), 16_000, 512, False),
        (("C9", "D9"), 8000, 8000, False),  # above what the rate holds
    ],
)
def test_notes_that_cannot_be_heard_end_no_evaluation(
    classes: tuple[str, ...], rate: int, length: int, heard: bool
) -> None:
    numbers = SoundNumbers(rate, classes)
    frequencies = note_frequencies(classes)
    waves = torch.sin(2 * math.pi * frequencies[:, None] * torch.arange(length) / rate).float()
    numbers.add(waves[:, None], torch.arange(2))
    assert numbers.values().get("pitch_accuracy") == (1.0 if heard else None)


def notes(split: str, start: int, count: int) -> Sounds:
    waves, labels = tones(split, np.arange(start, start + count))
    waves = waves[:, None]
    return Sounds("notes", split, waves, 8000, labels, CLASSES, mark(waves, labels))


def judged(made: Sounds, real: Sounds, monkeypatch, tmp_path, previous: Judgement | None = None) -> Judgement:
    """Judge as while training, the sounds in place of a model's, with random features."""
    monkeypatch.setenv("GANTLET_CACHE", str(tmp_path))

    class Model:
        about: ClassVar = {"recipe": "none", "step": 1}

        def batches(self, num, **_options):
            for batch in judging.sound_batches(made, range(num)):
                yield batch["audio"], batch["label"]

    features = judging.extractor("random", real)
    return judging.judge_training(Model(), real, features, len(made), previous)


def test_sounds_are_judged_beside_real_ones(monkeypatch, tmp_path):
    real, good = notes("train", 0, 96), notes("test", 0, 48)
    bad = notes("test", 48, 48)
    static = 0.2 * noise(48, 8192)[:, None].numpy()
    bad.waves[:] = static
    well, badly = (judged(made, real, monkeypatch, tmp_path) for made in (good, bad))
    assert well.values["fid"] < badly.values["fid"] / 5
    assert (well.values["pitch_accuracy"], badly.values["pitch_accuracy"]) == (1, 0)
    assert well.floor["pitch_accuracy"] == 1
    assert badly.values["silence_share"] == 0
    assert 0.1 < well.floor["silence_share"] < 0.4
    assert badly.values["rms"] == pytest.approx(float(np.sqrt(np.square(static).mean())), rel=0.01)
    assert "random features of log-mels, seed 0 (not comparable)" in well.line()
    assert well.line().startswith("fad@log-mel ")
    assert any(line.startswith("pitch accuracy") for line in well.lines())
    again = judged(good, real, monkeypatch, tmp_path, previous=well)
    assert again.floor == well.floor


def test_files_are_judged_and_their_labels_found_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("GANTLET_CACHE", str(tmp_path / "cache"))
    waves, labels = tones("test", np.arange(96))
    names = np.asarray(CLASSES)
    np.savez(tmp_path / "real.npz", audio=waves, sample_rate=8000, labels=names[labels])
    np.savez(tmp_path / "made.npz", audio=waves[:8], sample_rate=8000, labels=names[labels[:8]])
    found = judging.evaluate(tmp_path / "made.npz", tmp_path / "real.npz", extractor_name="random")
    assert found.protocol["counts"] == {"samples": 8, "reference": 48, "floor": 8}
    assert found.values["pitch_accuracy"] == 1
    assert found.protocol["extractor"]["resize"].startswith("log-mel: ")


def test_inception_sees_no_sounds_and_a_classifier_needs_labels():
    real = notes("train", 0, 2)
    with pytest.raises(UserError, match="Inception was trained on photos"):
        judging.extractor("inception", real)
    bare = Sounds("bare", "train", real.waves, 8000, None, (), "")
    with pytest.raises(UserError, match="choose --extractor random"):
        judging.extractor("classifier", bare)
    assert judging.extractor("auto", bare).rule == "log-mel"
