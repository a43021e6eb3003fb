"""Mistakes in commands: one clear sentence, exit code 2, nothing written."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantlet.cli import main


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny conditional run."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert (
        main(["train", "sngan_cnn", "--quick", "--data", "digits", "--out", str(out), "--steps", "3", "--quiet"]) == 0
    )
    return out


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished tiny unconditional run."""
    out = tmp_path_factory.mktemp("runs") / "plain"
    assert main(["train", "gan", "--data", "digits", "--out", str(out), "--steps", "2", "--quiet"]) == 0
    return out


MISTAKES = {
    "unknown verb": ("trian --data digits", "train"),
    "unknown recipe": ("train dcgn --data digits --out OUT --steps 2", "dcgan"),
    "no data": ("train dcgan --out OUT --steps 2", "--data"),
    "no out": ("train dcgan --data digits --steps 2", "--out"),
    "no budget": ("train dcgan --data digits --out OUT", "--seconds"),
    "negative budget": ("train dcgan --data digits --out OUT --steps -5", "--steps"),
    "zero seconds": ("train dcgan --data digits --out OUT --seconds 0", "--seconds"),
    "not a number": ("train dcgan --data digits --out OUT --steps two", "two"),
    "misspelt option": ("train dcgan --data digits --out OUT --steps 2 --g-widht 8", "--g-width"),
    "misspelt general option": ("train dcgan --data digits --out OUT --stepss 2", "--steps"),
    "option of the wrong type": ("train dcgan --data digits --out OUT --steps 2 --lr fast", "fast"),
    "option without a value": ("train dcgan --data digits --out OUT --steps 2 --lr", "--lr"),
    "unknown data": ("train --data digts --out OUT --steps 2", "digits"),
    "empty folder": ("train --data EMPTY --out OUT --steps 2", "EMPTY"),
    "a text file as data": ("train --data TEXT --out OUT --steps 2", "TEXT"),
    "labels needed": ("train cgan --data digits --unconditional --out OUT --steps 2", "labels"),
    "unknown device": ("train --data digits --out OUT --steps 2 --device gpu", "cpu"),
    "unknown precision": ("train --data digits --out OUT --steps 2 --precision fp8", "fp32"),
    "batch that does not split": ("train --data digits --out OUT --steps 2 --batch-size 7 --accumulate 2", "7"),
    "zero batch": ("train --data digits --out OUT --steps 2 --batch-size 0", "--batch-size"),
    "out is a file": ("train --data digits --out TEXT --steps 2", "TEXT"),
    "out is somebody else's folder": ("train --data digits --out PICTURES --steps 2", "PICTURES"),
    "both paces": ("train dcgan --data digits --out OUT --steps 2 --quick --faithful", "--quick"),
    "init from nothing": ("train --data digits --out OUT --steps 2 --init-from EMPTY", "EMPTY"),
    "other settings on an old run": (
        "train sngan_cnn --quick --data digits --out RUN --steps 3 --lr 0.1 --quiet",
        "lr",
    ),
    "other recipe on an old run": ("train dcgan --data digits --out RUN --steps 3 --quiet", "recipe"),
    "impossible size": ("train dcgan --data digits --resolution 0 --out OUT --steps 2", "resolution"),
    "import path that fails": ("train nowhere:nothing --data digits --out OUT --steps 2", "nowhere"),
    "sample from nothing": ("sample EMPTY --num 2 --out OUT.png", "EMPTY"),
    "sample zero": ("sample RUN --num 0 --out OUT.png", "0"),
    "sample to an unknown kind": ("sample RUN --num 2 --out OUT.mp3", ".mp3"),
    "unknown class": ("sample RUN --num 2 --label 12 --out OUT.png", "12"),
    "label without classes": ("sample PLAIN --num 2 --label 1 --out OUT.png", "--label"),
    "truncation where there is none": ("sample RUN --num 2 --truncation 0.5 --out OUT.png", "truncation"),
    "unknown checkpoint": ("sample RUN --num 2 --checkpoint newest --out OUT.png", "best"),
    "no best yet": ("sample RUN --num 2 --checkpoint best --out OUT.png", "last"),
    "evaluate nothing": ("evaluate MISSING --data digits", "MISSING"),
    "evaluate by damaged pictures": ("evaluate RUN --data BROKEN", "--skip-broken"),
    "evaluate pictures by names": ("evaluate RUN --data digits --label-pattern (a)", "--label-pattern"),
    "evaluate on an unknown device": ("evaluate RUN --data digits --device gpu", "cpu"),
    "evaluate no samples": ("evaluate RUN --data digits --num 0", "positive"),
    "evaluate with an unknown extractor": ("evaluate RUN --data digits --extractor clip", "inception"),
    "interpolate to an unknown kind": ("interpolate RUN --out OUT.jpg", ".png"),
    "interpolate one step": ("interpolate RUN --out OUT.png --steps 1", "2"),
    "apply a generator": ("apply RUN digits --out OUT.csv", "sample"),
    "inspect nothing": ("inspect MISSING", "MISSING"),
    "report on nothing": ("report EMPTY", "run.json"),
    "show an unknown recipe": ("show snagn", "sngan"),
    "unknown argument of a verb": ("list --jsn", "--json"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence(
    name: str, run: Path, plain_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, expected = MISTAKES[name]
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "TEXT").write_text("not a picture\n")
    (tmp_path / "PICTURES").mkdir()
    Image.new("L", (8, 8), 128).save(tmp_path / "PICTURES" / "a.png")
    (tmp_path / "BROKEN").mkdir()
    Image.new("L", (8, 8), 128).save(tmp_path / "BROKEN" / "a.png")
    (tmp_path / "BROKEN" / "b.png").write_bytes(b"no picture")
    places = {"RUN": str(run), "PLAIN": str(plain_run)}
    for word in ("OUT", "EMPTY", "TEXT", "PICTURES", "BROKEN", "MISSING"):
        places[word] = str(tmp_path / word)
    words = []
    for word in command.split():
        stem, dot, suffix = word.partition(".")
        words.append(places[stem] + dot + suffix if stem in places else word)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    checkpoints = sorted((run / "checkpoints").rglob("*"))
    code = main(words)
    shown = capsys.readouterr()
    message = shown.err.strip().splitlines()[-1]
    assert code == 2, shown.err
    assert message.startswith("gantlet: ")
    assert expected in message
    assert "Traceback" not in shown.err
    assert message.endswith((".", "explains.")) or message[-1] in ".?`)"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before, "something was written"
    assert sorted((run / "checkpoints").rglob("*")) == checkpoints


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "gantlet train" in capsys.readouterr().out
    assert main(["--version"]) == 0
    for verb in (
        "train",
        "sample",
        "evaluate",
        "interpolate",
        "apply",
        "inspect",
        "report",
        "list",
        "show",
        "encode",
        "reconstruct",
        "project",
        "explore",
    ):
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        assert stopped.value.code == 0
        assert f"gantlet {verb}" in capsys.readouterr().out


def test_every_verb_does_its_work(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sample", str(run), "--num", "5", "--out", str(tmp_path / "s.npz"), "--label", "3"]) == 0
    with np.load(tmp_path / "s.npz", allow_pickle=False) as arrays:
        assert arrays["images"].shape == (5, 8, 8, 1)
        assert arrays["labels"].tolist() == [3] * 5
    assert main(["sample", str(run), "--num", "4", "--out", str(tmp_path / "folder")]) == 0
    words = ["--num", "2", "--first", "100", "--label", "3", "--seed", "5"]
    assert main(["sample", str(run), "--out", str(tmp_path / "folder"), *words]) == 0
    assert len(list((tmp_path / "folder").glob("*.png"))) == 6
    told = json.loads((tmp_path / "folder" / "manifest.json").read_text())["files"]
    assert [(one["file"], one["seed"], one["class"]) for one in told] == [
        ("00100.png", 5, "3"),
        ("00101.png", 5, "3"),
    ]
    assert main(["interpolate", str(run), "--out", str(tmp_path / "walk.PNG"), "--rows", "2", "--steps", "3"]) == 0
    with Image.open(tmp_path / "walk.PNG") as walk:
        assert walk.size[0] > walk.size[1]
    assert main(["report", str(run)]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", "digits", "--num", "200", "--extractor", "random", "--json"]) == 0
    judged = json.loads(capsys.readouterr().out)
    assert judged["protocol"]["counts"]["samples"] == 200
    assert judged["values"]["fid"] > judged["floor"]["fid"] > 0
    assert main(["inspect", "digits", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
    assert main(["list", "--json"]) == 0
    assert {row["recipe"] for row in json.loads(capsys.readouterr().out)} >= {"gan", "sngan", "wgan_gp"}
    assert main(["show", "wgan_gp"]) == 0
    shown = capsys.readouterr().out
    assert "Gulrajani" in shown
    assert "Learns from pictures of one size." in shown


def test_samples_do_not_depend_on_the_batch_they_are_computed_in(run: Path, tmp_path: Path) -> None:
    arrays = []
    for size in (1, 3, 64):
        out = tmp_path / f"{size}.npz"
        assert main(["sample", str(run), "--num", "7", "--batch-size", str(size), "--out", str(out)]) == 0
        with np.load(out, allow_pickle=False) as stored:
            arrays.append((stored["images"].astype(int), stored["labels"]))
    for images, labels in arrays[1:]:
        assert abs(images - arrays[0][0]).max() <= 1  # rounding of the last bit at most
        assert (labels == arrays[0][1]).all()


def test_what_a_recipe_can_be_asked_for_is_an_option_of_sample(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "infogan", "--quick", "--data", "digits", "--out", str(run), "--steps", "60", "--quiet"]) == 0
    found = []
    for words in ([], ["--code", "3"], ["--code=3"], ["--code", "4"], ["--code", "none"]):
        out = tmp_path / f"{len(found)}.npz"
        assert main(["sample", str(run), "--num", "4", "--out", str(out), *words]) == 0
        with np.load(out) as arrays:
            found.append(arrays["images"])
    plain, three, again, four, none = found
    assert (three == again).all()
    assert (plain == none).all()
    assert (three != four).any()
    capsys.readouterr()
    for words, said in (
        (["--cod", "3"], "Did you mean 'code'? infogan takes --code."),
        (["--sede", "3"], "Did you mean 'seed'?"),
        (["--code", "three"], "takes int | None, not 'three'."),
        (["--code", "10"], "code must be one of 0 .. 9, not 10"),
        (["--code"], "--code needs a value"),
    ):
        assert main(["sample", str(run), "--num", "4", "--out", str(tmp_path / "bad.npz"), *words]) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "bad.npz").exists()


def test_options_of_sampling_that_a_recipe_does_not_have(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(run), "--num", "2", "--out", str(tmp_path / "a.png"), "--noise", "1"]) == 2
    assert "sngan_cnn takes none of its own" in capsys.readouterr().err


def test_damaged_pictures_are_left_out_of_an_evaluation_where_asked(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(12, 8, 8), dtype=np.uint8)
    for part in ("train", "test"):
        (tmp_path / "data" / part).mkdir(parents=True)
        for number, picture in enumerate(pixels):
            Image.fromarray(picture).save(tmp_path / "data" / part / f"{number}.png")
        (tmp_path / "data" / part / "broken.png").write_bytes(b"no picture")
    words = ["evaluate", str(run), "--data", str(tmp_path / "data"), "--num", "12", "--extractor", "random"]
    assert main([*words, "--json", "--skip-broken", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["counts"]["reference"] == 12
    assert main(["evaluate", str(tmp_path / "data" / "train"), *words[2:], "--json", "--skip-broken"]) == 0
    assert json.loads(capsys.readouterr().out)["protocol"]["counts"]["samples"] == 12


def test_a_recipe_of_ones_own_may_lie_in_the_working_folder(
    plain_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The console script, unlike `python -m`, does not look there."""
    (tmp_path / "lying_here.py").write_text("from gantlet.recipes.images.gan import gan as mine\n")
    elsewhere = [place for place in sys.path if place not in ("", str(Path.cwd()))]
    monkeypatch.setattr(sys, "path", list(elsewhere))
    monkeypatch.chdir(tmp_path)
    train = ["train", "lying_here:mine", "--data", "digits", "--out", "run", "--steps", "1", "--quiet"]
    for words in (
        ["show", "lying_here:mine"],
        [*train, "--lr", "0.001"],
        ["sample", "run", "--num", "2", "--out", "a.png", "--recipe", "lying_here:mine"],
        ["explore", "run", "--num", "1", "--out", "b", "--recipe=lying_here:mine"],
    ):
        monkeypatch.setattr(sys, "path", list(elsewhere))
        monkeypatch.delitem(sys.modules, "lying_here", raising=False)
        assert main(words) == 0, capsys.readouterr().err
    monkeypatch.setattr(sys, "path", list(elsewhere))
    monkeypatch.delitem(sys.modules, "lying_here")
    assert main(["sample", "run", "--num", "2", "--out", "c.png"]) == 2  # a file never decides what is imported
    assert "name it yourself: --recipe lying_here:mine" in capsys.readouterr().err
    assert main(["sample", str(plain_run), "--num", "2", "--out", "c.png"]) == 0
    assert sys.path == elsewhere
    assert "lying_here" not in sys.modules
