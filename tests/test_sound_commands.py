"""The commands on recordings that the test writes: train, sample, interpolate, inspect, previews, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gantlet
from gantlet.cli import main
from gantlet.data import NAMES as PICTURES
from gantlet.media.audio import read_sound, write_sound
from gantlet.recipes import catalogue
from gantlet.recipes.choose import choose

RATE = 8000
FACTS = ("channels", "sample_rate", "length", "num_classes")


def recording(hertz: float, seconds: float, seed: int) -> np.ndarray[Any, Any]:
    time = np.arange(round(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    return (0.5 * np.sin(2 * np.pi * hertz * time) * np.exp(-4 * time) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen recordings of two classes."""
    place = tmp_path_factory.mktemp("sounds") / "set"
    for i in range(16):
        write_sound(place / ("low", "high")[i % 2] / f"{i:02d}.wav", recording((200, 900)[i % 2] + i, 0.25, i), RATE)
    return place


def tiny(recipe: str) -> dict[str, Any]:
    return {key: value for key, value in catalogue.tiny_settings(recipe).items() if key not in FACTS}


@pytest.fixture(scope="module")
def run(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run of a generator of sounds."""
    out = tmp_path_factory.mktemp("runs") / "run"
    gantlet.train("specgan", data=sounds, out=out, steps=3, quiet=True, evaluate_every=0, **tiny("specgan"))
    return out


def test_a_run_of_sounds_says_what_it_was_trained_on(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["kind"] == "sounds"
    assert record["data"]["facts"] == {"channels": 1, "sample_rate": RATE, "length": 2048, "num_classes": 2}
    assert record["data"]["classes"] == ["high", "low"]
    assert any("trimmed" in note for note in record["data"]["notes"])
    assert {"sample_rate": RATE, "length": 2048}.items() <= record["arguments"].items()
    for name in ("reals.png", "reals.wav", "samples", "report.html"):
        assert (run / name).exists()
    stems = {path.stem for path in (run / "samples").iterdir()}
    assert len(list((run / "samples").glob("*.wav"))) == len(list((run / "samples").glob("*.png"))) == len(stems)


def test_it_resumes(run: Path, sounds: Path) -> None:
    options = tiny("specgan")
    model = gantlet.train("specgan", data=sounds, out=run, steps=4, quiet=True, evaluate_every=0, **options)
    assert model.about["step"] == 4
    with pytest.raises(gantlet.UserError, match=r"length: 2048 -> 800"):
        gantlet.train("specgan", data=sounds, out=run, steps=5, quiet=True, evaluate_every=0, duration=0.1, **options)


def test_samples_do_not_depend_on_the_batch(run: Path) -> None:
    model = gantlet.load(run)
    whole = model.sample(5, seed=3)
    assert whole.shape == (5, 1, 2048)
    assert whole.dtype == torch.float32
    assert model.sample_rate == RATE
    torch.testing.assert_close(model.sample(5, seed=3, batch_size=2), whole, rtol=1e-4, atol=1e-4)


def test_sample_writes_wavs(run: Path, tmp_path: Path) -> None:
    assert main(["sample", str(run), "--num", "3", "--label", "low", "--seed", "2", "--out", str(tmp_path / "a")]) == 0
    told = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert [one["class"] for one in told["files"]] == ["low"] * 3
    assert told["seed"] == 2
    wave, rate = read_sound(tmp_path / "a" / "00002.wav")
    assert (wave.shape, rate) == ((1, 2048), RATE)
    assert (tmp_path / "a" / "preview.wav").exists()
    assert (tmp_path / "a" / "spectrograms.png").exists()
    assert main(["sample", str(run), "--num", "3", "--out", str(tmp_path / "b.npz")]) == 0
    with np.load(tmp_path / "b.npz") as arrays:
        assert arrays["audio"].shape == (3, 1, 2048)
        assert int(arrays["sample_rate"]) == RATE
    assert main(["inspect", str(tmp_path / "b.npz")]) == 0


def test_interpolate_writes_a_morph(run: Path, tmp_path: Path) -> None:
    assert main(["interpolate", str(run), "--rows", "2", "--steps", "3", "--out", str(tmp_path / "walk.wav")]) == 0
    wave, rate = read_sound(tmp_path / "walk.wav")
    assert rate == RATE
    assert wave.shape[1] > 6 * 2048
    assert (tmp_path / "walk.png").exists()


@pytest.mark.parametrize(
    ("recipe", "number"),
    [("speech_enhance", "si_sdr_improvement"), ("hifigan", "features_l1")],
)
def test_previews_of_held_out_sounds(recipe: str, number: str, sounds: Path, tmp_path: Path) -> None:
    options = {**tiny(recipe), **({"noise": sounds} if recipe == "speech_enhance" else {})}
    length = catalogue.tiny_settings(recipe)["length"]
    out = tmp_path / "run"
    gantlet.train(recipe, data=sounds, out=out, steps=2, quiet=True, length=length, **options)
    assert json.loads((out / "run.json").read_text())["arguments"]["length"] == length
    assert len(list((out / "samples").glob("*.png"))) == len(list((out / "samples").glob("*.wav"))) == 1
    last = json.loads((out / "evaluations.jsonl").read_text().splitlines()[-1])
    assert np.isfinite(last["values"][number])
    kept = json.loads((out / "run.json").read_text())["data"]
    assert len(kept["held_out"]) == 2
    assert kept["notes"][-1].startswith(f"excerpts are {length:,} samples long ({length / RATE:.2f} s)")


def test_without_a_recipe_sounds_choose_one() -> None:
    facts = {"channels": 1, "sample_rate": RATE, "length": 4000, "num_classes": 3}
    choice = choose(facts, 50, on_gpu=False)
    assert (choice.recipe, choice.quick) == ("specgan", True)
    assert "50 sounds of 0.5 s at 8,000 Hz, 3 classes" in choice.reason


MISTAKES = {
    "pictures for a recipe of sounds": ("train specgan --data PICTURES --out OUT --steps 1", "no recordings"),
    "sounds for a recipe of pictures": ("train r1gan --data SOUNDS --out OUT --steps 1", "no pictures"),
    "resolution of sounds": ("train specgan --data SOUNDS --resolution 8 --out OUT --steps 1", "--resolution"),
    "flips of sounds": ("train specgan --data SOUNDS --flips all --out OUT --steps 1", "--flips"),
    "noise for a generator": ("train specgan --data SOUNDS --noise SOUNDS --out OUT --steps 1", "--noise"),
    "no noise to take off": ("train speech_enhance --data SOUNDS --out OUT --steps 1", "--noise"),
    "duration of pictures": ("train r1gan --data digits --duration 2 --out OUT --steps 1", "--duration"),
    "pattern of pictures": ("train --data digits --label-pattern (a) --out OUT --steps 1", "--label-pattern"),
    "length in samples": ("train specgan --data SOUNDS --length 77 --out OUT --steps 1", "--duration"),
    "channels in words": ("train specgan --data SOUNDS --channels two --out OUT --steps 1", "--channels"),
    "rate in words": ("train specgan --data SOUNDS --sample-rate fast --out OUT --steps 1", "fast"),
    "sample to mp4": ("sample RUN --num 1 --out OUT.mp4", "mp4"),
    "a walk to mp3": ("interpolate RUN --out OUT.mp3", "mp3"),
    "a walk to png": ("interpolate RUN --out OUT.png", ".wav"),
    "unknown label": ("sample RUN --num 1 --label loud --out OUT", "high, low"),
    "inspect with a resolution": ("inspect SOUNDS --resolution 8", "--resolution"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence(
    mistake: str, sounds: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, said = MISTAKES[mistake]
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    places = {"SOUNDS": sounds, "RUN": run, "OUT": tmp_path / "out", "PICTURES": tmp_path / "pictures"}
    for name, place in places.items():
        words = words.replace(name, str(place))
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_option_that_a_recipe_of_pictures_has_itself_is_its_own(tmp_path: Path) -> None:
    """acgan has an option `noise`: the sigma on D's activations."""
    assert "digits" in PICTURES
    words = ["train", "acgan", "--quick", "--data", "digits", "--noise", "0.25", "--out", str(tmp_path / "run")]
    assert main([*words, "--steps", "1", "--quiet", "--evaluate-every", "0"]) == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["arguments"]["noise"] == 0.25
