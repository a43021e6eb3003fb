"""The commands on clips: train, sample, roll out, interpolate, evaluate, apply, inspect, mistakes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gantlet
from gantlet.cli import main
from gantlet.media.clip import open_clip, write_clip
from gantlet.media.gif import outline
from gantlet.recipes import catalogue
from gantlet.recipes.choose import choose

FACTS = ("channels", "resolution", "num_classes", "frame_rate")


def tiny(recipe: str) -> dict[str, Any]:
    return {key: value for key, value in catalogue.tiny_settings(recipe).items() if key not in FACTS}


def moving(seed: int, frames: int = 8, side: int = 8, channels: int = 1) -> np.ndarray[Any, Any]:
    """A dot that walks to the right over a slope."""
    out = np.zeros((frames, side, side, channels), np.uint8)
    out += (8 * np.arange(side, dtype=np.uint8))[None, None, :, None]
    for t in range(frames):
        out[t, seed % (side - 2) : seed % (side - 2) + 2, (t + seed) % side] = 240
    return out


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen clips of two classes."""
    place = tmp_path_factory.mktemp("clips") / "set"
    for i in range(16):
        write_clip(place / ("left", "right")[i % 2] / f"{i:02d}.gif", moving(i)[:: 1 if i % 2 else -1], 20)
    return place


@pytest.fixture(scope="module")
def run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny run of a generator of clips."""
    out = tmp_path_factory.mktemp("runs") / "run"
    gantlet.train("mocogan", data=clips, out=out, steps=3, quiet=True, evaluate_every=0, **tiny("mocogan"))
    return out


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny run of a model that makes pictures twice as large."""
    out = tmp_path_factory.mktemp("runs") / "larger"
    options = {k: v for k, v in catalogue.tiny_settings("srgan").items() if k not in (*FACTS, "resolution", "scale")}
    gantlet.train("srgan", data="digits", out=out, steps=1, quiet=True, evaluate_every=0, scale=2, **options)
    return out


def test_a_run_of_clips_says_what_it_was_trained_on(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["kind"] == "clips"
    facts = {"channels": 1, "resolution": 8, "num_frames": 4, "num_classes": 2, "frame_rate": 20.0}
    assert record["data"]["facts"] == facts
    assert record["data"]["classes"] == ["left", "right"]
    for name in ("reals.png", "reals.gif", "samples", "report.html"):
        assert (run / name).exists()
    stems = {path.stem for path in (run / "samples").iterdir()}
    assert len(list((run / "samples").glob("*.gif"))) == len(list((run / "samples").glob("*.png"))) == len(stems)
    assert (run / "report.html").read_text().count("data:image/gif") == 2


def test_it_resumes(run: Path, clips: Path) -> None:
    options = tiny("mocogan")
    model = gantlet.train("mocogan", data=clips, out=run, steps=4, quiet=True, evaluate_every=0, **options)
    assert model.about["step"] == 4
    with pytest.raises(gantlet.UserError, match=r"frame_rate"):
        gantlet.train("mocogan", data=clips, out=run, steps=5, quiet=True, evaluate_every=0, stride=2, **options)


def test_samples_do_not_depend_on_the_batch(run: Path) -> None:
    model = gantlet.load(run)
    whole = model.sample(5, seed=3)
    assert whole.shape == (5, 1, 4, 8, 8)
    assert model.frame_rate == 20
    torch.testing.assert_close(model.sample(5, seed=3, batch_size=2), whole, rtol=1e-4, atol=1e-4)
    rolled = torch.stack(list(model.roll(5, 9, seed=3)), 2)
    torch.testing.assert_close(rolled[:, :, :4], whole, rtol=1e-4, atol=1e-4)


def test_sample_writes_clips(run: Path, tmp_path: Path) -> None:
    words = ["sample", str(run), "--num", "3", "--label", "left", "--seed", "2", "--num-frames", "6"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    told = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert [one["class"] for one in told["files"]] == ["left"] * 3
    assert (told["seed"], told["frames"], told["frame_rate"]) == (2, 6, 20.0)
    reel = open_clip(tmp_path / "a" / "00002.gif", ".gif", "a")
    assert (reel.count, reel.rate, reel.height) == (6, 20.0, 8)
    assert (tmp_path / "a" / "strip.png").exists()
    assert (tmp_path / "a" / "clips.gif").exists()
    assert main(["sample", str(run), "--num", "3", "--out", str(tmp_path / "b.npz")]) == 0
    with np.load(tmp_path / "b.npz") as arrays:
        assert arrays["clips"].shape == (3, 4, 8, 8, 1)
        assert float(arrays["frame_rate"]) == 20
        assert arrays["labels"].shape == (3,)
    assert main(["inspect", str(tmp_path / "b.npz")]) == 0


def test_fix_shares_the_code_of_sample_0(run: Path, tmp_path: Path) -> None:
    model = gantlet.load(run)
    same = model.sample(3, seed=1, label=0, fix="motion")
    other = model.sample(2, seed=1, label=0, fix="motion", first=1)
    torch.testing.assert_close(same[1:], other, rtol=1e-4, atol=1e-4)
    assert main(["sample", str(run), "--num", "4", "--fix", "content", "--out", str(tmp_path / "a.gif")]) == 0


def test_a_length_that_a_recipe_cannot_make_is_one_sentence(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    gantlet.train("vgan", data=clips, out=out, steps=1, quiet=True, evaluate_every=0, **tiny("vgan"))
    capsys.readouterr()
    for words, said in ((["--num-frames", "9"], "num_frames is 4"), (["--seconds", "9"], "leave --seconds out")):
        assert main(["sample", str(out), "--num", "1", *words, "--out", str(tmp_path / "a.gif")]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1
        assert not (tmp_path / "a.gif").exists()


def test_a_long_clip(run: Path, tmp_path: Path) -> None:
    assert main(["sample", str(run), "--num", "2", "--seconds", "2.5", "--out", str(tmp_path / "long.gif")]) == 0
    assert outline((tmp_path / "long.gif").read_bytes()).times == [50] * 50
    assert main(["sample", str(run), "--num", "1", "--seconds", "0.5", "--out", str(tmp_path / "frames")]) == 0
    assert len(list((tmp_path / "frames").glob("*.png"))) == 10


def test_interpolate_writes_a_moving_walk(run: Path, tmp_path: Path) -> None:
    assert main(["interpolate", str(run), "--rows", "2", "--steps", "3", "--out", str(tmp_path / "walk.gif")]) == 0
    assert len(outline((tmp_path / "walk.gif").read_bytes()).times) == 4
    assert (tmp_path / "walk.png").exists()


def test_evaluate_trains_a_judge_of_clips(
    run: Path, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GANTLET_CACHE", str(tmp_path))
    resolve = catalogue.resolve

    def short(name: str, *rest: Any, **more: Any) -> dict[str, Any]:
        return {**resolve(name, *rest, **more), "total_samples": 64, "width": 4}

    monkeypatch.setattr("gantlet.judging_clips.catalogue.resolve", short)
    assert main(["evaluate", str(run), "--data", str(clips), "--num", "12", "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert {"fid", "precision", "label_accuracy"} <= set(judged["values"])
    assert "fid" in judged["floor"]
    assert judged["protocol"]["extractor"]["resize"].startswith("clip: 4 frames of 8x8, 20 a second")
    assert "classifier of set train" in judged["protocol"]["extractor"]["name"]
    assert main(["sample", str(run), "--num", "12", "--out", str(tmp_path / "made.npz")]) == 0
    assert main(["evaluate", str(tmp_path / "made.npz"), "--data", str(clips), "--extractor", "random"]) == 0
    assert "fvd@clip" in capsys.readouterr().out


def test_damaged_clips_are_left_out_of_an_evaluation_where_asked(
    run: Path, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(clips, tmp_path / "set")
    (tmp_path / "set" / "left" / "broken.gif").write_bytes(b"no clip")
    words = ["evaluate", str(run), "--data", str(tmp_path / "set"), "--num", "8", "--extractor", "random"]
    assert main(words) == 2
    assert "--skip-broken" in capsys.readouterr().err
    assert main([*words, "--skip-broken"]) == 0


def test_a_built_in_set_is_judged_by_its_truth(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sample", str(run), "--num", "8", "--out", str(tmp_path / "made.npz")]) == 0
    words = ["evaluate", str(tmp_path / "made.npz"), "--data", "bouncing_shapes", "--extractor", "random"]
    assert main(words) == 0
    out = capsys.readouterr().out
    for name in ("frames with one object", "content constant", "straight-line residual", "speed W1 of range"):
        assert name in out


def test_apply_keeps_times_order_and_colours(larger: Path, tmp_path: Path) -> None:
    frames = moving(1, 6, 12, 3)
    from gantlet.media.clip import ClipWriter

    with ClipWriter(tmp_path / "a.gif", 10) as writer:
        for frame, time in zip(frames, (40, 50, 60, 70, 80, 90)):
            writer.write(frame, time)
    assert main(["apply", str(larger), str(tmp_path / "a.gif"), "--out", str(tmp_path / "b.gif"), "--quiet"]) == 0
    reel = open_clip(tmp_path / "b.gif", ".gif", "b.gif")
    assert (reel.height, reel.width, reel.times) == (24, 24, [40, 50, 60, 70, 80, 90])
    model = gantlet.load(larger)
    unit = torch.from_numpy(reel.read()[..., :1].astype(np.float32) / 127.5 - 1)
    grey = torch.from_numpy(frames.mean(-1)).float()[None, None] / 127.5 - 1
    made = model.apply(grey)[0, 0]
    assert float((made.clamp(-1, 1) - unit[..., 0]).abs().mean()) < 0.02
    assert main(["apply", str(larger), str(tmp_path / "a.gif"), "--out", str(tmp_path / "c"), "--quiet"]) == 0
    assert (tmp_path / "c" / "a.gif").exists()


def test_apply_to_a_folder_of_animated_webp(larger: Path, tmp_path: Path) -> None:
    for name in "ab":
        write_clip(tmp_path / "in" / f"{name}.webp", moving(1), 20)
    assert main(["apply", str(larger), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert [open_clip(tmp_path / "out" / f"{name}.webp", ".webp", name).count for name in "ab"] == [8, 8]


def test_a_folder_of_still_webp_holds_pictures(larger: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("L", (12, 12)).save(tmp_path / "in" / "a.webp")
    assert main(["apply", str(larger), str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--quiet"]) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_apply_to_a_video(larger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    write_clip(tmp_path / "a.mp4", moving(1, 6, 16, 3), 12.5)
    assert main(["apply", str(larger), str(tmp_path / "a.mp4"), "--out", str(tmp_path / "b.mp4"), "--quiet"]) == 0
    reel = open_clip(tmp_path / "b.mp4", ".mp4", "b.mp4")
    assert (reel.height, reel.rate, len(reel.read())) == (32, 12.5, 6)
    assert "6 frames" in capsys.readouterr().out


def test_superresolution_of_clips_shows_previews_and_applies(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    gantlet.train("clip_superres", data=clips, out=out, steps=2, quiet=True, **tiny("clip_superres"))
    assert list((out / "samples").glob("*.gif"))
    last = json.loads((out / "evaluations.jsonl").read_text().splitlines()[-1])
    assert {"psnr", "flicker"} <= set(last["values"])
    write_clip(tmp_path / "a.gif", moving(1), 20)
    assert main(["apply", str(out), str(tmp_path / "a.gif"), "--out", str(tmp_path / "b.gif"), "--quiet"]) == 0
    assert open_clip(tmp_path / "b.gif", ".gif", "b").height == 16


def test_without_a_recipe_clips_choose_one() -> None:
    facts = {"channels": 3, "resolution": [32, 48], "num_frames": 16, "num_classes": 4, "frame_rate": 25.0}
    choice = choose(facts, 36, on_gpu=False)
    assert (choice.recipe, choice.quick) == ("mocogan", True)
    assert "36 clips of 16 frames of 48x32x3, 4 classes" in choice.reason


MISTAKES = {
    "pictures for a recipe of clips": ("train mocogan --data PICTURES --out OUT --steps 1", "empty"),
    "clips for a recipe of sounds": ("train specgan --data CLIPS --out OUT --steps 1", "no recordings"),
    "stride of pictures": ("train r1gan --data digits --stride 2 --out OUT --steps 1", "--stride"),
    "flips of clips": ("train mocogan --data CLIPS --flips all --out OUT --steps 1", "--flips"),
    "frames in words": ("train mocogan --data CLIPS --num-frames few --out OUT --steps 1", "--num-frames"),
    "too many frames": ("train mocogan --data CLIPS --num-frames 99 --out OUT --steps 1", "longest clip has 8"),
    "another rate": ("train mocogan --data CLIPS --frame-rate 5 --out OUT --steps 1", "--stride"),
    "sample to wav": ("sample RUN --num 1 --out OUT.wav", ".gif"),
    "a sheet of any length": ("sample RUN --num 1 --seconds 1 --out OUT.png", ".gif"),
    "seconds of nothing": ("sample RUN --num 1 --seconds 0 --out OUT.gif", "--seconds"),
    "fix of something": ("sample RUN --num 1 --fix colour --out OUT.gif", "content or motion"),
    "seconds without end": ("sample RUN --num 1 --seconds inf --out OUT.gif", "--seconds"),
    "no clip of any length": ("sample RUN --num 0 --seconds 1 --out OUT.gif", "positive"),
    "directions of clips": ("explore RUN --out OUT", "one of clips"),
    "latents of clips": ("project RUN digits --out OUT", "one of clips"),
    "classes of clips": ("apply RUN digits --out OUT.csv", "applies to no input"),
    "a walk to png": ("interpolate RUN --out OUT.png", ".gif"),
    "unknown label": ("sample RUN --num 1 --label up --out OUT", "left, right"),
    "seconds of pictures": ("sample LARGER --num 1 --seconds 1 --out OUT.gif", "--seconds"),
    "inspect with a pattern": ("inspect CLIPS --label-pattern (a)", "--label-pattern"),
    "metrics of a video": ("apply LARGER VIDEO --out OUT.gif --sheet OUT.png", "--sheet"),
    "a clip as recording": ("apply LARGER GIF --out OUT.mp3", ".gif"),
    "two of a name": ("apply LARGER TWICE --out OUT", "twice"),
    "over itself": ("apply LARGER GIF --out GIF", "write over"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence(
    mistake: str, clips: Path, run: Path, larger: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, said = MISTAKES[mistake]
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").write_bytes(b"")
    (tmp_path / "v.mp4").write_bytes(b"abc")
    if "TWICE" in words:
        pytest.importorskip("av")
        write_clip(tmp_path / "twice" / "a.mp4", moving(1, 6, 16, 3), 12.5)
        (tmp_path / "twice" / "a.mp4").rename(tmp_path / "twice" / "a.mov")
        write_clip(tmp_path / "twice" / "a.gif", moving(1), 20)
    places = {"CLIPS": clips, "RUN": run, "LARGER": larger, "OUT": tmp_path / "out", "PICTURES": tmp_path / "pictures"}
    places |= {"TWICE": tmp_path / "twice", "VIDEO": tmp_path / "v.mp4", "GIF": clips / "left" / "00.gif"}
    for name, place in places.items():
        words = words.replace(name, str(place))
    assert main(words.split()) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()
