"""The commands on text that the test writes: train, resume, sample, evaluate, curve, inspect, apply, mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gantlet
from gantlet.cli import main
from gantlet.feeding import kind_of
from gantlet.media.image import read_image
from gantlet.recipes import catalogue
from gantlet.recipes.choose import choose

FACTS = ("vocab_size", "length", "num_classes")
NOUNS, VERBS = ("cat", "dog", "bird", "horse"), ("sees", "likes", "hears")


def sentences(count: int, seed: int, mood: str = "") -> list[str]:
    rng = np.random.default_rng(seed)
    words = [f"the {NOUNS[a]} {VERBS[b]} the {mood}{NOUNS[c]}." for a, b, c in rng.integers(0, 3, (count, 3))]
    return [f"{word[:-1]} and the horse." if k % 3 else word for k, word in enumerate(words)]


def tiny(recipe: str, **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in catalogue.tiny_settings(recipe).items() if key not in FACTS} | changes


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines with a test part of their own."""
    place = tmp_path_factory.mktemp("text") / "animals"
    place.mkdir()
    for name, count, seed in (("train", 120, 0), ("test", 60, 1)):
        (place / f"{name}.txt").write_text("\n".join(sentences(count, seed)) + "\n")
    return place


@pytest.fixture(scope="module")
def run(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model that has learned a little."""
    out = tmp_path_factory.mktemp("runs") / "mle"
    gantlet.train("text_mle", data=text, out=out, steps=150, quiet=True, evaluate_every=0, width=16, hidden=32,
                  batch_size=32)  # fmt: skip
    return out


@pytest.fixture(scope="module")
def style(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model of style of a few steps, and its data: a file for each of two classes."""
    place = tmp_path_factory.mktemp("moods")
    for seed, mood in enumerate(("good", "bad")):
        (place / f"{mood}.txt").write_text("\n".join(sentences(60, seed, f"{mood} ")) + "\n")
    out = tmp_path_factory.mktemp("runs") / "style"
    gantlet.train("text_style", data=place, out=out, steps=3, quiet=True, evaluate_every=0, **tiny("text_style"))
    return out, place


def test_a_run_of_text_keeps_its_vocabulary_and_shows_what_it_writes(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["data"]["kind"] == "lines"
    assert record["data"]["vocabulary"]["level"] == "word"
    assert record["data"]["facts"] == {"vocab_size": 4 + 10, "length": 10, "num_classes": 0}
    assert {"vocab_size": 14, "length": 10}.items() <= record["arguments"].items()
    assert (run / "reals.txt").read_text().count("\n") == 40
    assert len(next((run / "samples").glob("*.txt")).read_text().splitlines()) == 40
    page = (run / "report.html").read_text()
    assert "the cat" in page
    assert "Real text" in page


def test_samples_are_lines_that_depend_on_seed_and_number_alone(run: Path, tmp_path: Path) -> None:
    model = gantlet.load(run, device="cpu")
    lines = model.lines(50, seed=3)
    assert lines == model.lines(20, seed=3, batch_size=7) + model.lines(30, seed=3, first=20)
    assert lines != model.lines(50, seed=4)
    assert sum(line.startswith("the ") for line in lines) > 45
    assert model.lines(4, temperature=1e-6) == [model.lines(1, temperature=0)[0]] * 4
    assert all(line.startswith("the dog likes") for line in model.lines(5, prefix="the dog likes"))
    assert main(["sample", str(run), "--num", "12", "--out", str(tmp_path / "a.txt"), "--seed", "3"]) == 0
    assert (tmp_path / "a.txt").read_text().splitlines() == lines[:12]
    assert main(["sample", str(run), "--num", "3", "--out", str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["tokens"].shape == (3, 10)
        assert arrays["text"].shape == (3,)


def test_the_model_scores_what_it_has_read_above_what_it_has_not(run: Path) -> None:
    model = gantlet.load(run, device="cpu")
    scores = model.score(["the cat sees the dog.", "dog the the sees cat."])
    assert scores.shape == (2,)
    assert bool(scores[0] > scores[1] + 5)


def test_the_same_command_resumes_and_another_vocabulary_is_another_run(text: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = dict(data=text, quiet=True, evaluate_every=0, **tiny("text_mle"))
    gantlet.train("text_mle", out=tmp_path / "parts", steps=2, **options)
    parts = gantlet.train("text_mle", out=tmp_path / "parts", steps=4, **options)
    whole = gantlet.train("text_mle", out=tmp_path / "whole", steps=4, **options)
    left, right = (model.nets.modules["G"].state_dict() for model in (parts, whole))
    assert all(map(torch.equal, left.values(), right.values()))
    with pytest.raises(gantlet.UserError, match="another run"):
        gantlet.train("text_mle", out=tmp_path / "parts", steps=6, level="char", **options)


def test_evaluation_while_training_and_after(run: Path, text: Path, tmp_path: Path, capsys: Any) -> None:
    gantlet.train("text_mle", data=text, out=tmp_path / "run", steps=6, quiet=True, evaluate_every=1e-9,
                  **tiny("text_mle"))  # fmt: skip
    logged = [json.loads(line) for line in (tmp_path / "run" / "evaluations.jsonl").read_text().splitlines()]
    assert {"fed", "bleu4", "self_bleu4", "nll"} <= set(logged[-1]["values"])
    assert main(["evaluate", str(run), "--data", str(text), "--num", "60", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["values"]["nll_token"] < 1.6  # a uniform choice would have log 10 = 2.3
    assert found["floor"]["bleu2"] > 0.5
    assert 0 < found["floor"]["copied_share"] <= 1
    assert "60 of animals test" in found["protocol"]["reference"]
    lines = tmp_path / "lines.txt"
    lines.write_text((text / "test.txt").read_text())
    assert main(["evaluate", str(lines), "--data", str(text)]) == 0
    assert "Self-BLEU-4" in capsys.readouterr().out


def test_the_curve_of_a_model_beside_a_worse_one(run: Path, text: Path, tmp_path: Path, capsys: Any) -> None:
    worse = tmp_path / "worse"
    gantlet.train("seqgan", data=text, out=worse, steps=2, quiet=True, evaluate_every=0, **tiny("seqgan"))
    command = ["curve", str(run), str(worse), "--data", str(text), "--out", str(tmp_path / "c.png"), "--num", "50"]
    assert main([*command, "--temperatures", "0.5,1,1.5", "--order", "2"]) == 0
    told = json.loads((tmp_path / "c.json").read_text())
    points = told["points"]["text_mle (mle)"]
    assert [point["temperature"] for point in points] == [0.5, 1.0, 1.5]
    assert points[0]["bleu2"] > points[2]["bleu2"]
    assert points[0]["self_bleu2"] > points[2]["self_bleu2"]
    assert "seqgan (worse)" in told["verdicts"][0]
    assert told["floor"]["bleu2"] > 0
    picture = read_image((tmp_path / "c.png").read_bytes(), "c.png")
    assert picture.shape[2] == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 4  # axes, two curves, the mark of real lines
    assert "real lines" in capsys.readouterr().out


def test_style_is_applied_line_by_line_and_judged(style: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    out, place = style
    source = tmp_path / "in.txt"
    source.write_text("the cat sees the good dog.\n\nthe zebra sees the good dog.\n")
    assert main(["apply", str(out), str(source), "--to", "bad", "--out", str(tmp_path / "out.txt")]) == 0
    made = (tmp_path / "out.txt").read_text().split("\n")
    assert len(made) == 4  # three lines, and what follows the last
    assert made[1] == ""
    said = capsys.readouterr().out
    assert "1 lines hold symbols that the model has never read" in said
    assert "1 empty lines stay empty" in said
    assert "-> bad" in next((out / "samples").glob("*.txt")).read_text()
    assert main(["evaluate", str(out), "--data", str(place), "--num", "40", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["floor"]["style_accuracy"] > 0.95
    assert {"style_accuracy", "content_bleu2", "perplexity", "unchanged_share"} <= set(found["values"])


def test_text_chooses_likelihood_and_says_why(text: Path) -> None:
    assert kind_of(None, text) == "lines"
    choice = choose({"vocab_size": 14, "length": 10, "num_classes": 0}, 120, False)
    assert (choice.recipe, choice.quick) == ("text_mle", True)
    assert "14 symbols" in choice.reason


def test_inspection_of_text(text: Path, tmp_path: Path, capsys: Any) -> None:
    odd = tmp_path / "odd.txt"
    odd.write_text("\n".join([*sentences(20, 0), "", "x" * 5000, "é"]) + "\n")
    assert main(["inspect", str(odd), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["count"], found["empty"], found["letters"]["longest"]) == (22, 1, 5000)
    assert "é" in found["rare"]
    assert any("the longest line has 5,000" in sentence for sentence in found["odd"])
    assert main(["inspect", str(text)]) == 0
    assert "training part are in the test part" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["sample", "RUN", "--num", "2", "--out", "a.png"], "takes a .txt"),
        (["sample", "RUN", "--num", "2", "--out", "a.txt", "--temperature", "-1"], "0 or above"),
        (["sample", "RUN", "--num", "2", "--out", "a.txt", "--prefix", "the zebra"], "holds 'zebra'"),
        (["sample", "RUN", "--num", "2", "--out", "a.txt", "--prefix", "the " * 20], "has 20 tokens"),
        (["sample", "RUN", "--num", "2", "--out", "a.txt", "--label", "1"], "without labels"),
        (["apply", "RUN", "DATA/test.txt", "--out", "a.txt", "--to", "x"], "rewrites no text"),
        (["apply", "STYLE", "DATA/test.txt", "--out", "a.txt"], "--to bad or --to good"),
        (["apply", "STYLE", "DATA/test.txt", "--out", "a.txt", "--to", "odd"], "No class is called 'odd'"),
        (["sample", "STYLE", "--num", "2", "--out", "a.txt"], "not generative"),
        (["interpolate", "RUN", "--out", "a.png"], "no third"),
        (["encode", "RUN", "DATA", "--out", "a.npz"], "is one of text"),
        (["inspect", "DATA", "--resolution", "8"], "holds text"),
        (["evaluate", "RUN", "--data", "DATA", "--extractor", "inception"], "Text has no --extractor"),
        (["curve", "RUN", "--data", "DATA", "--out", "a.pdf"], "must end in .png"),
        (["curve", "RUN", "--data", "DATA", "--out", "a.png", "--quality", "belu"], "Did you mean 'bleu'"),
        (["curve", "STYLE", "--data", "DATA", "--out", "a.png"], "writes no text"),
        (["train", "text_mle", "--data", "DATA", "--out", "new", "--steps", "1", "--resolution", "8"], "--resolution"),
        (["train", "text_mle", "--data", "digits", "--out", "new", "--steps", "1"], "digits"),
        (
            ["train", "dcgan", "--data", "digits", "--out", "new", "--steps", "1", "--level", "char"],
            "for recipes of text",
        ),
        (["train", "text_mle", "--data", "DATA", "--out", "new", "--steps", "1", "--vocab-size", "5"], "--symbols"),
        (["train", "seqgan", "--data", "DATA", "--out", "new", "--steps", "1", "--remedy", "ada"], "works on pictures"),
        (["train", "text_style", "--data", "DATA", "--out", "new", "--steps", "1"], "needs labels"),
        (
            ["train", "text_mle", "--data", "DATA", "--out", "new", "--steps", "1", "--window", "9", "--length", "9"],
            "--w",
        ),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(
    command: list[str], words: str, run: Path, text: Path, style: tuple[Path, Path], tmp_path: Path, capsys: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    places = {"RUN": str(run), "STYLE": str(style[0]), "DATA": str(text)}
    filled = [places.get(word, word.replace("DATA/", f"{text}/")) for word in command]
    assert main(filled) == 2
    said = capsys.readouterr().err.strip()
    assert words in said
    assert said.count("\n") == 0
