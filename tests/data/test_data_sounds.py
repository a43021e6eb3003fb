"""Recordings as data: what is read from where, the policy for length and silence, excerpts, mixtures, leaks."""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gantlet.data import NoSuchSplit, excerpts, inspect, open_excerpts, open_mixtures, open_sounds
from gantlet.data.inspect_sounds import SoundInspection
from gantlet.data.recordings import holds_sounds
from gantlet.errors import UserError
from gantlet.media.audio import write_sound

RATE = 8000


def tone(hertz: float, seconds: float, rate: int = RATE, level: float = 0.5) -> np.ndarray[Any, Any]:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def folder_of(place: Path, **sounds: np.ndarray[Any, Any]) -> Path:
    """Write recordings at 8 kHz; `__` in a name is a folder."""
    for name, wave in sounds.items():
        write_sound(place / f"{name.replace('__', '/')}.wav", wave, RATE)
    return place


def ten(place: Path) -> Path:
    return folder_of(place, **{f"n{i}": tone(200 + 50 * i, 0.1 + 0.01 * i) for i in range(10)})


def test_folders_are_classes_and_parts(tmp_path: Path) -> None:
    place = folder_of(
        tmp_path / "set",
        train__low__a=tone(200, 0.1),
        train__low__b=tone(210, 0.1),
        train__high__c=tone(900, 0.1),
        test__high__d=tone(910, 0.1),
    )
    train, test = open_sounds(place), open_sounds(place, split="test")
    assert train.classes == test.classes == ("high", "low")
    assert train.labels is not None
    assert test.labels is not None
    assert train.labels.tolist() == [0, 1, 1]
    assert test.labels.tolist() == [0]
    assert train.facts() == {"channels": 1, "sample_rate": RATE, "length": 1024, "num_classes": 2}
    batch = train.batch([0, 2])
    assert batch["audio"].shape == (2, 1, 1024)
    assert batch["audio"].dtype == torch.float32
    np.testing.assert_allclose(batch["audio"][0, 0, :800], tone(900, 0.1), atol=2**-15)
    assert not batch["audio"][..., 800:].any()
    assert open_sounds(place, unconditional=True).facts()["num_classes"] == 0
    with pytest.raises(NoSuchSplit):
        open_sounds(ten(tmp_path / "one"), split="test")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_archives_are_read_in_place(kind: str, tmp_path: Path) -> None:
    place = ten(tmp_path / "set")
    packed = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(packed, "w") as archive:
            for file in sorted(place.iterdir()):
                archive.write(file, file.name)
    else:
        with tarfile.open(packed, "w") as tar:
            for file in sorted(place.iterdir()):
                tar.add(file, file.name)
    np.testing.assert_array_equal(open_sounds(packed).waves, open_sounds(place).waves)
    assert holds_sounds(packed)


def test_an_npz_holds_what_sample_writes(tmp_path: Path) -> None:
    waves = np.stack([tone(300, 0.1), tone(400, 0.1)])
    np.savez(tmp_path / "a.npz", audio=waves, sample_rate=RATE, labels=np.array([1, 0]))
    sounds = open_sounds(tmp_path / "a.npz")
    np.testing.assert_allclose(sounds.batch([0, 1])["audio"][:, 0], waves, atol=1e-7)
    assert (sounds.length, sounds.classes) == (800, ("0", "1"))
    assert holds_sounds(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", audio=waves)
    with pytest.raises(UserError, match="no array sample_rate"):
        open_sounds(tmp_path / "b.npz")


def test_names_of_the_spoken_digits_are_recognised(tmp_path: Path) -> None:
    names = [f"recordings/{digit}_jo_{index}" for digit in (3, 7) for index in (0, 4, 5, 12)]
    for number, name in enumerate(names):
        write_sound(tmp_path / "fsdd" / f"{name}.wav", tone(200 + 10 * number, 0.1), RATE)
    train, test = open_sounds(tmp_path / "fsdd"), open_sounds(tmp_path / "fsdd", split="test")
    assert (len(train), len(test)) == (4, 4)
    assert train.classes == ("3", "7")
    assert any("Free Spoken Digit" in note for note in train.notes)
    write_sound(tmp_path / "fsdd" / "recordings" / "other.wav", tone(500, 0.1), RATE)
    assert len(open_sounds(tmp_path / "fsdd")) == 9


def test_a_pattern_finds_classes_in_names(tmp_path: Path) -> None:
    place = folder_of(tmp_path, bd_1=tone(90, 0.1), bd_2=tone(95, 0.1), hat_1=tone(2000, 0.1))
    assert open_sounds(place, label_pattern="([a-z]+)_").class_counts() == [2, 1]
    for pattern, said in (("[a-z]+", "no group"), ("(", "no regular expression"), ("(bd)_", "does not fit 1 of 3")):
        with pytest.raises(UserError, match=said):
            open_sounds(place, label_pattern=pattern)


def test_rates_and_channels_are_brought_together(tmp_path: Path) -> None:
    place = folder_of(tmp_path, a=tone(300, 0.2), b=tone(400, 0.2))
    write_sound(place / "c.wav", np.stack([tone(500, 0.2, 16_000), 0 * tone(500, 0.2, 16_000)]), 16_000)
    sounds = open_sounds(place)
    assert sounds.sample_rate == RATE
    inner = slice(100, 1500)
    np.testing.assert_allclose(sounds.batch([2])["audio"][0, 0, inner], tone(500, 0.2)[inner] / 2, atol=2e-3)
    assert "1 recordings are resampled from 16,000 Hz" in sounds.notes
    assert "1 recordings of more channels are mixed down to one" in sounds.notes
    assert open_sounds(place, sample_rate=4000).sample_rate == 4000
    stereo = open_sounds(place, channels=2).batch([0, 2])["audio"]
    assert torch.equal(stereo[0, 0], stereo[0, 1])
    assert float(stereo[1, 1].abs().max()) < 1e-3
    with pytest.raises(UserError, match="3 channels are asked for and 1 recordings"):
        open_sounds(place, channels=3)


def test_silence_is_trimmed_and_lengths_are_fitted(tmp_path: Path) -> None:
    quiet = np.zeros(4000, np.float32)
    place = folder_of(tmp_path, a=np.concatenate([quiet, tone(300, 0.25), quiet]), b=tone(400, 0.25), c=tone(350, 1.0))
    sounds = open_sounds(place, duration=0.3)
    assert sounds.length == 2400
    audio = sounds.batch([0, 1, 2])["audio"][:, 0]
    margin = 80  # 10 ms of the silence stay
    assert not audio[0, :margin].any()
    assert audio[0, margin : margin + 2000].abs().max() > 0.49
    assert not audio[0, margin + 2000 :].any()
    assert not audio[1, 2000:].any()
    assert float(audio[2, -1].abs()) < 0.02  # cut in the middle of the tone: it fades out
    assert audio[2, 2200:2300].abs().max() > 0.45
    assert any(note.startswith("1 of 3 are cut") for note in sounds.notes)
    assert any("silence below -60 dB" in note and "39%" in note for note in sounds.notes)


def test_the_length_holds_most_recordings_whole_and_is_bounded(tmp_path: Path) -> None:
    many = {f"n{i:02d}": tone(200 + i, 0.1) for i in range(39)}
    assert open_sounds(folder_of(tmp_path / "a", **many, long=tone(100, 3.0))).length == 1024  # 800, in steps of 256
    assert open_sounds(folder_of(tmp_path / "b", long=tone(100, 9.0))).length == 65_536


def test_silent_recordings_are_left_out_and_named(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "a", a=tone(300, 0.1), none=np.zeros(800, np.float32))
    sounds = open_sounds(place)
    assert len(sounds) == 1
    assert "1 silent recordings are left out (none.wav)" in sounds.notes
    with pytest.raises(UserError, match="all 1 recordings are silent"):
        open_sounds(folder_of(tmp_path / "b", none=np.zeros(800, np.float32)))


def test_a_recording_in_both_parts_is_refused(tmp_path: Path) -> None:
    place = folder_of(tmp_path, train__a=tone(300, 0.1), train__b=tone(310, 0.1), test__z=tone(310, 0.1))
    for opener in (open_sounds, open_excerpts):
        with pytest.raises(UserError, match=r"'train/b.wav' is 'test/z.wav'"):
            opener(place)


def test_broken_ones_are_named_or_left_out(tmp_path: Path) -> None:
    place = ten(tmp_path)
    whole = (place / "n3.wav").read_bytes()
    (place / "n3.wav").write_bytes(whole[:200])
    for opener in (open_sounds, open_excerpts):
        with pytest.raises(UserError, match=r"1 of 10 recordings cannot be read; the first: .*n3.wav.* and 120 "):
            opener(place)
        assert len(opener(place, skip_broken=True)) == (9 if opener is open_sounds else 8)
    assert "1 broken recordings are left out" in open_sounds(place, skip_broken=True).notes


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sample_rate": 10}, "100 to 1,000,000"),
        ({"duration": -1.0}, "above 0"),
        ({"channels": 0}, "at least 1"),
        ({"labels": "no.csv", "label_pattern": "(n)"}, "no such label table|give --labels or"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said):
        open_sounds(ten(tmp_path), **options)


def test_tones_are_built_in() -> None:
    sounds = open_sounds("tones", split="test")
    assert len(sounds) == 960
    assert sounds.facts() == {"channels": 1, "sample_rate": RATE, "length": 8192, "num_classes": 48}
    assert holds_sounds("tones")


def test_excerpts_are_functions_of_seed_and_position(tmp_path: Path) -> None:
    data = open_excerpts(ten(tmp_path), duration=0.05)
    assert (data.length, data.facts()["length"]) == (400, 400)
    rows = data.feed(3)
    whole = rows(0, 12)["audio"]
    assert whole.shape == (12, 1, 400)
    for start in (1, 4, 7, 11):
        assert torch.equal(data.feed(3)(start, 1)["audio"], whole[start : start + 1])
    assert not torch.equal(data.feed(4)(0, 12)["audio"], whole)
    assert len(torch.unique(whole[:, 0], dim=0)) == 12


def test_excerpts_lie_in_their_recordings(tmp_path: Path) -> None:
    rise = np.arange(4000, dtype=np.float32) / 8000
    data = open_excerpts(folder_of(tmp_path, a=rise), duration=0.1)
    found = data.feed(0)(0, 50)["audio"][:, 0]
    steps = found[:, 1:] - found[:, :-1]
    np.testing.assert_allclose(steps, 1 / 8000, atol=2**-14)
    starts = (found[:, 0] * 8000).round()
    assert starts.max() > 2300  # up to the end of what is trained on: 3600 samples of 4000
    assert starts.max() <= 3600 - 800
    held = data.held_out(3)["audio"]
    assert float(held[held > 0].min()) >= 0.449  # the last tenth


def test_a_length_that_nobody_asked_for_is_the_recipes(tmp_path: Path) -> None:
    place = ten(tmp_path)
    data = open_excerpts(place)
    assert "length" not in data.facts()
    assert data.of_length(500).length == 500
    assert open_excerpts(place, duration=0.1).of_length(500).length == 800


def test_short_recordings_are_followed_by_the_next_ones(tmp_path: Path) -> None:
    """Silence behind each would be most of what is learnt from words or drum hits."""
    place = ten(tmp_path)
    found = open_excerpts(place).of_length(9000).feed(0)(0, 20)["audio"][:, 0]
    assert found.shape == (20, 9000)
    told = "excerpts are 9,000 samples long (1.12 s); 9 of 9 recordings are shorter, and the next ones follow"
    assert open_excerpts(place).of_length(9000).cutting() == told
    assert float(found.unfold(1, 200, 200).abs().amax(2).min()) > 0.05  # sound everywhere
    data = open_excerpts(folder_of(tmp_path / "steps", a=np.full(300, 0.25), b=np.full(500, 0.5)), split="train")
    one = replace(data, length=900).cut(np.array([0, 1]), np.array([0.0, 0.0]))[:, 0]
    frames = [piece.frames for piece in data.pieces]
    first = float(one[0, 0])
    assert (one[0, : frames[0]] == first).all()
    assert (one[0, frames[0] : sum(frames)] == 0.75 - first).all()
    assert (one[0, sum(frames) :] == first).all()  # and from the beginning again
    assert float(one[1, 0]) == 0.75 - first


def test_large_folders_are_read_window_by_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = ten(tmp_path)
    write_sound(place / "n9.wav", tone(700, 0.4, 16_000), 16_000)
    kept = open_excerpts(place, duration=0.05)
    monkeypatch.setattr(excerpts, "IN_MEMORY", 100)
    read = open_excerpts(place, duration=0.05)
    assert all(piece.wave is None for piece in read.pieces)
    assert [piece.name for piece in read.pieces] == [piece.name for piece in kept.pieces]
    assert [piece.frames for piece in read.pieces] == [piece.frames for piece in kept.pieces]
    # Where a window of another rate ends the low-pass filter sees no further: there alone they differ.
    np.testing.assert_allclose(read.feed(1)(0, 40)["audio"], kept.feed(1)(0, 40)["audio"], atol=1e-4)
    assert any("read from disk" in note for note in read.notes)


def test_what_is_held_out_is_not_trained_on(tmp_path: Path) -> None:
    data = open_excerpts(ten(tmp_path))
    assert data.test is not None
    names, held = ({piece.name for piece in part.pieces} for part in (data, data.test))
    assert not names & held
    assert len(names) == 9
    assert open_excerpts(ten(tmp_path)).describe()["held_out"] == sorted(held)


def test_mixtures_of_clean_recordings_and_noise(tmp_path: Path) -> None:
    clean = ten(tmp_path / "clean")
    noise = tmp_path / "noise"
    write_sound(noise / "hum.wav", tone(50, 0.2, 16_000), 16_000)
    data = open_mixtures(clean, noise=noise, duration=0.3)
    batch = data.feed(0)(0, 5)
    assert batch["audio"].shape == batch["noise"].shape == (5, 1, 2400)
    assert batch["noise"][:, :, -200:].abs().amax(-1).min() > 0.05  # noise that is too short begins again
    assert torch.equal(data.feed(0)(3, 1)["noise"], batch["noise"][3:4])
    assert data.facts() == {"channels": 1, "sample_rate": RATE, "length": 2400}
    assert data.held_out(2, 800)["noise"].shape == (2, 1, 800)
    with pytest.raises(UserError, match="name it with --noise"):
        open_mixtures(clean)
    with pytest.raises(UserError, match="leave one out"):
        open_mixtures(clean, noise=noise, target=clean)


def test_pairs_are_mixtures_of_what_they_differ_by(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(6):
        clean, hiss = tone(200 + 40 * i, 0.3), rng.uniform(-0.2, 0.2, 2400).astype(np.float32)
        write_sound(tmp_path / "both" / "clean" / f"{i}.wav", clean, RATE)
        write_sound(tmp_path / "both" / "noisy" / f"{i}.wav", clean + hiss, RATE)
    data = open_mixtures(tmp_path / "both", duration=0.1)
    assert data.aligned
    assert [piece.name for piece in data.clean.pieces] == [piece.name for piece in data.noise.pieces]
    two = open_mixtures(tmp_path / "both" / "noisy", target=tmp_path / "both" / "clean", duration=0.1)
    batch, other = data.feed(5)(0, 8), two.feed(5)(0, 8)
    assert float(batch["noise"].abs().max()) <= 0.2 + 2**-14
    assert torch.equal(batch["noise"], other["noise"])
    spectrum = torch.fft.rfft(batch["audio"][:, 0] * torch.hann_window(800)).abs()
    assert (spectrum.amax(-1) > 20 * spectrum.median(-1).values).all()  # a tone, the hiss is gone
    write_sound(tmp_path / "both" / "clean" / "9.wav", tone(300, 0.2), RATE)
    with pytest.raises(UserError, match="'9' has no noisy one"):
        open_mixtures(tmp_path / "both")
    write_sound(tmp_path / "both" / "noisy" / "9.wav", tone(300, 0.1), RATE)
    with pytest.raises(UserError, match="'9' has 800 samples at 8,000 Hz noisy and 1,600"):
        open_mixtures(tmp_path / "both")


def test_inspect_hears_what_is_odd(tmp_path: Path) -> None:
    place = folder_of(tmp_path, a=tone(300, 0.2), b=tone(300, 0.2), silent=np.zeros(900, np.float32))
    write_sound(place / "loud.wav", tone(100, 0.1, level=2.0), RATE)
    write_sound(place / "deep.wav", tone(100, 0.1, 16_000), 16_000, depth=24)
    (place / "cut.wav").write_bytes((place / "a.wav").read_bytes()[:500])
    found = inspect(place)
    assert isinstance(found, SoundInspection)
    assert found.count == 6
    assert found.rates == {"8,000 Hz": 4, "16,000 Hz": 1}
    assert found.depths == {"16-bit": 4, "24-bit": 1}
    assert found.clipped == ["loud.wav"]
    assert found.silent == ["silent.wav"]
    assert found.duplicates == [["a.wav", "b.wav"]]
    assert list(found.broken) == ["cut.wav"]
    told = "\n".join(found.lines())
    for words in ("1 of 6 recordings cannot be read", "clipped at full scale", "8,000 Hz: 4", "0.10 to 0.20 s"):
        assert words in told
    assert isinstance(found.to_json()["seconds"]["total"], float)


def test_pictures_are_not_taken_for_sounds(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert not holds_sounds(tmp_path)
    assert not holds_sounds("digits")
    assert not holds_sounds(tmp_path / "nothing")
    with pytest.raises(UserError, match="holds no recordings"):
        open_sounds(tmp_path)
