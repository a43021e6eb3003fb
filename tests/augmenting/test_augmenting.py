"""`gantlet augment` at a tiny size: what it writes, that it resumes, that no test picture gets near a generator."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gantlet
from gantlet.augmenting import plan
from gantlet.augmenting.arms import NAMES, lessons
from gantlet.augmenting.command import Augmented, augment
from gantlet.augmenting.folder import class_folders, file_name
from gantlet.augmenting.report import augment_report, copy_sentence
from gantlet.augmenting.settings import work_folder
from gantlet.augmenting.source import digests, open_source, set_apart
from gantlet.cli import main
from gantlet.data import balanced_weights, open_images
from gantlet.engine.storage import alone_in
from gantlet.errors import UserError

COUNTS = {"dots": 30, "lines": 12}
SMALL: dict[str, Any] = dict(
    recipe="r1gan", steps=3, classifier_samples=128, confidence=0.0, quiet=True, g_width=8, d_width=8, latent_dim=8,
    r1_every=2, batch_size=8,
)  # fmt: skip


def draw(folder: Path, counts: dict[str, int] = COUNTS, side: int = 8) -> Path:
    """Write a folder of square pictures of classes of unequal size."""
    rng = np.random.default_rng(0)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = rng.integers(0, 60, (side, side), np.uint8)
            picture[:, number % 8] += 150 if name == "lines" else 0
            Image.fromarray(picture).save(folder / name / f"{number:03d}.png")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def made(data: Path) -> Augmented:
    return augment(data, data.parent / "augmented", target="balanced", **SMALL)


def test_the_plan() -> None:
    assert plan.wanted([5, 3, 0], "balanced") == [0, 2, 0]
    assert plan.wanted([5, 3], "8") == [3, 5]
    with pytest.raises(UserError, match="larger --target"):
        plan.wanted([5, 5], "balanced")
    with pytest.raises(UserError, match="balanced"):
        plan.wanted([5, 3], "even")


def test_a_share_is_set_apart_by_content_alone() -> None:
    labels = np.asarray([0] * 10 + [1] * 5)
    marks = [bytes([7 * i % 15]) for i in range(15)]
    kept, aside = set_apart(labels, marks, 0.2)
    assert len(aside) == 3
    assert set(kept) | set(aside) == set(range(15))
    order = np.random.default_rng(0).permutation(15)
    _, again = set_apart(labels[order], [marks[i] for i in order], 0.2)
    assert {marks[i] for i in aside} == {marks[order[i]] for i in again}


def test_equal_pictures_fall_on_one_side() -> None:
    marks = [b"a", b"a", b"a", b"b", b"c"]
    _, aside = set_apart(np.zeros(5, np.int64), marks, 0.4)
    assert len(aside) == 0


def test_classes_get_folders_of_their_own() -> None:
    assert class_folders(["a/b", "a\\b", "", "x."]) == ["a_b", "a_b-1", "class-2", "x"]
    labels = np.asarray([0, 0, 1])
    assert file_name(["u/1.png", "v/1.png", "w/1.png"], labels) == ["u-1.png", "v-1.png", "1.png"]


def test_what_is_written(made: Augmented, data: Path) -> None:
    kept = {name: count - int(count * 0.2) for name, count in COUNTS.items()}
    assert made.counts == kept
    assert made.added == {"lines": kept["dots"] - kept["lines"]}
    opened = open_images(made.out)
    assert opened.class_counts() == [kept["dots"]] * 2
    originals = {path.name: path.read_bytes() for path in data.glob("lines/*.png")}
    there = {path.name: path.read_bytes() for path in made.out.glob("*/lines/[0-9]*.png")}
    assert there == originals
    manifest = json.loads((made.out / "manifest.json").read_bytes())
    marked = {row["file"]: row for row in manifest["synthetic"]}
    synthetic = {path.relative_to(made.out).as_posix() for path in made.out.rglob("synthetic-*")}
    assert set(marked) == synthetic
    assert len(synthetic) == made.added["lines"]
    for name, row in marked.items():
        assert hashlib.sha256((made.out / name).read_bytes()).hexdigest() == row["sha256"]
        assert row["class"] == "lines"
    assert len(manifest["models"]["lines"]["sha256"]) == 64


def test_a_sample_can_be_drawn_again_from_what_the_manifest_says(made: Augmented) -> None:
    row = json.loads((made.out / "manifest.json").read_bytes())["synthetic"][-1]
    model = gantlet.load(made.out.with_name("augmented-work") / "run", checkpoint="last")
    again = model.sample(1, seed=row["seed"], first=row["number"], label=row["class"])
    there = np.asarray(Image.open(made.out / row["file"]))
    assert np.abs(model.to_raw(again)[0, ..., 0].astype(int) - there).max() <= 1


def test_the_test_part_is_far_from_the_generator(made: Augmented) -> None:
    work = made.out.with_name("augmented-work")
    trained = open_images(work / "training-part.npz")
    aside = open_images(made.out, split="test")
    assert len(aside) == 8
    assert not set(digests(trained.pixels)) & set(digests(aside.pixels))
    about = gantlet.load(work / "run").about["data"]
    assert (about["fingerprint"], about["balance"]) == (trained.fingerprint, 1.0)


def test_again_it_does_nothing_and_after_a_kill_it_goes_on(made: Augmented, data: Path) -> None:
    again: list[str] = []
    augment(data, made.out, target="balanced", **SMALL, note=again.append)
    assert again == [f"{made.out} is whole already; nothing to do."]
    before = {path: path.read_bytes() for path in made.out.rglob("*.png")}
    (made.out / "manifest.json").unlink()  # as if killed while writing, half of it done
    for path in sorted(before)[::2]:
        path.unlink()
    (made.out / "train" / "lines" / "synthetic-0-9999999.png").write_bytes(b"of another model")
    weights = next(made.out.with_name("augmented-work").glob("run/checkpoints/step-*/weights.safetensors"))
    written = os.stat(weights).st_mtime_ns
    augment(data, made.out, target="balanced", **SMALL)
    assert {path: path.read_bytes() for path in made.out.rglob("*.png")} == before
    assert os.stat(weights).st_mtime_ns == written


def test_another_command_into_the_same_folder_is_refused(made: Augmented, data: Path) -> None:
    with pytest.raises(UserError, match="seed: 0 -> 1"):
        augment(data, made.out, seed=1, **SMALL)


def test_a_model_of_other_pictures_is_refused(made: Augmented, data: Path, tmp_path: Path) -> None:
    gantlet.train("r1gan", data=data, out=tmp_path / "all", steps=1, quiet=True, evaluate_every=0, g_width=8, d_width=8)
    with pytest.raises(UserError, match="other pictures"):
        augment(data, tmp_path / "out", run=tmp_path / "all", classifier_samples=64)
    run = made.out.with_name("augmented-work") / "run"
    taken = augment(data, tmp_path / "taken", run=run, classifier_samples=256, confidence=0.0)
    assert taken.added == made.added


def test_large_pictures_keep_their_size(tmp_path: Path) -> None:
    """`train` alone would scale them down; here samples lie beside the originals, and one classifier sees both."""
    large = draw(tmp_path / "large", {"dots": 6, "lines": 4}, side=72)
    small = {"recipe": "cgan", "steps": 1, "classifier_samples": 8, "confidence": 0.0, "quiet": True, "batch_size": 4}
    augment(large, tmp_path / "augmented", target="balanced", hold_out=0.25, **small)
    sizes = set()
    for path in (tmp_path / "augmented").rglob("lines/*.png"):
        with Image.open(path) as picture:
            sizes.add(picture.size)
    assert sizes == {(72, 72)}


def test_where_no_sample_passes_it_says_so_and_goes_on_with_a_milder_gate(data: Path, tmp_path: Path) -> None:
    strict = {**SMALL, "confidence": 1.0, "tries": 1}
    with pytest.raises(UserError, match="No sample of any class passed"):
        augment(data, tmp_path / "out", **strict)
    assert not (tmp_path / "out" / "manifest.json").exists()
    milder = augment(data, tmp_path / "out", **SMALL)
    assert milder.added == {"lines": 14}
    more = augment(data, tmp_path / "out", **SMALL, target=28)
    assert more.added == {"dots": 4, "lines": 18}
    fewer = augment(data, tmp_path / "out", **SMALL, target=25)
    assert fewer.added == {"dots": 1, "lines": 15}
    assert open_images(tmp_path / "out").class_counts() == [25, 25]


def test_copies_do_not_pass(data: Path) -> None:
    from gantlet.augmenting.classifier import Lessons, as_features
    from gantlet.augmenting.gate import gate
    from gantlet.networks.classifier import Classifier

    source = open_source(data)
    torch.manual_seed(0)
    judge = as_features(Classifier(1, 2, 4, 8), Lessons.of(source.train), "untrained")
    rows = np.flatnonzero(source.labels == 1)
    copies = np.asarray(source.train.pixels[rows])
    other = np.random.default_rng(1).integers(0, 256, copies.shape, np.uint8)
    door = gate(source, judge, 1, 0.0, 0.01)
    assert door.judge(copies, source).copy.all()
    assert (door.judge(copies, source).neighbour == rows).all()
    assert door.judge(other, source).passed.all()
    assert not gate(source, judge, 1, 1.0, 0.01).judge(other, source).passed.any()


@pytest.mark.parametrize("how", [dict(one_per_class=True), dict(start="autoencoder"), dict(class_weights=0.99)])
def test_the_other_ways(data: Path, tmp_path: Path, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.augmenting.start.autoencoder.__kwdefaults__", {"samples": 16})
    out = augment(data, tmp_path / "out", target=30, **SMALL, **how)
    assert out.added == {"dots": 6, "lines": 20}


def test_damaged_pictures_are_left_out_where_asked(tmp_path: Path) -> None:
    data, out = draw(tmp_path / "pictures"), tmp_path / "out"
    damaged = data / "dots" / "004.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    with pytest.raises(UserError, match="--skip-broken"):
        augment(data, out, **SMALL)
    made = augment(data, out, skip_broken=True, hold_out=0.2, **SMALL)
    assert made.counts["dots"] == (COUNTS["dots"] - 1) - int((COUNTS["dots"] - 1) * 0.2)
    assert not list(out.glob("*/dots/004.png"))
    for path in out.glob("*/*/[0-9]*.png"):  # each picture under its own name
        assert path.read_bytes() == (data / path.parent.name / path.name).read_bytes()
    assert augment_report(out, seeds=2, samples=64).found["added"]


@pytest.mark.parametrize("how", [dict(hold_out=0.2), dict(one_per_class=True)])
def test_a_generator_learns_the_intensity_that_its_samples_are_written_with(
    tmp_path: Path, how: dict[str, Any]
) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 4096, (42, 8, 8, 1)).astype(np.uint16)
    pixels[30:] //= 8  # a class that does not reach white
    np.savez(tmp_path / "scans.npz", images=pixels, labels=np.repeat([0, 1], [30, 12]))
    augment(tmp_path / "scans.npz", tmp_path / "out", **SMALL, **how)
    for run in (tmp_path / "out-work").glob("run*"):
        assert json.loads((run / "run.json").read_text())["data"]["intensity"]["high"] == 4095


def test_only_options_of_the_recipe_pass(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no option 'evaluate_every'"):
        augment(data, tmp_path / "out", **SMALL, evaluate_every=5)
    with pytest.raises(UserError, match="--steps must be positive"):
        augment(data, tmp_path / "out", **{**SMALL, "steps": 0})
    assert not (tmp_path / "out-work").exists() or not (tmp_path / "out-work" / "augment.json").exists()


def test_a_command_that_must_wait_changes_nothing(data: Path, made: Augmented) -> None:
    kept = (work_folder(made.out) / "augment.json").read_bytes()
    with alone_in(work_folder(made.out)), pytest.raises(UserError, match="right now"):
        augment(data, made.out, target=500, **SMALL)
    assert (work_folder(made.out) / "augment.json").read_bytes() == kept


def test_contradictions_are_refused(data: Path, tmp_path: Path) -> None:
    for how, word in (
        (dict(balance=1.0, class_weights=0.9), "twice"), (dict(start="encoder"), "autoencoder"),
        (dict(confidence=2.0), "shares"), (dict(hold_out=1.5), "hold-out"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=word):
            augment(data, tmp_path / "out", **how)  # type: ignore[arg-type]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match="another --out"):
        augment(data, tmp_path / "full", **SMALL)


def test_what_each_arm_learns_from(data: Path) -> None:
    source = open_source(data)
    fake = np.full((4, 8, 8, 1), 7, np.uint8)
    made, alone = {1: {"images": fake}}, {0: {"images": fake}, 1: {"images": fake[:2]}}
    count = len(source.train)
    sizes = {arm: len(found.labels) for arm in NAMES if (found := lessons(arm, source, made, alone)) is not None}
    assert sizes == {
        "real": count,
        "oversampling": count,
        "classic": count,
        "gan": count + 4,
        "even": count + 10,
        "both": count + 10,
        "gan_only": 10,
    }
    learnt = lessons("gan_only", source, made, alone)
    assert learnt is not None
    assert np.bincount(learnt.labels).tolist() == [4, 6]
    assert (learnt.pixels == 7).all()
    assert lessons("gan_only", source, made, None) is None


def test_evenly_half_of_every_class_is_generated(data: Path) -> None:
    source = open_source(data)
    fake = np.full((9, 8, 8, 1), 7, np.uint8)
    learnt = lessons("even", source, {1: {"images": fake}}, {0: {"images": fake}, 1: {"images": fake[:1]}})
    assert learnt is not None
    assert learnt.groups is not None
    weights, sampled = balanced_weights(learnt.groups, learnt.alpha), np.arange(len(learnt.labels)) >= len(source.train)
    for label in range(2):
        for kind in (False, True):
            assert weights[(learnt.labels == label) & (sampled == kind)].sum() == pytest.approx(0.25)
    assert not learnt.vary
    both = lessons("both", source, {1: {"images": fake}}, {0: {"images": fake}, 1: {"images": fake[:1]}})
    assert both is not None
    assert both.vary
    assert both.groups is not None
    assert (both.groups == learnt.groups).all()
    assert lessons("even", source, {1: {"images": fake}}, None) is None


def test_the_report(made: Augmented, capsys: pytest.CaptureFixture[str]) -> None:
    report = augment_report(made.out, seeds=2, samples=64)
    assert set(report.found["arms"]) == set(NAMES)
    assert all(row["seeds"] == 2 for row in report.found["arms"].values())
    page = report.page.read_text()
    assert report.found["verdict"].split(":")[0] in page
    assert "no test picture" in page
    assert "With samples in every class alike" in report.verdict
    assert "On top of classic augmentation" in report.verdict
    place = next(made.out.with_name("augmented-work").glob("report-*"))
    stamps = {path: os.stat(path).st_mtime_ns for path in place.glob("*-seed*.npz")}
    assert len(stamps) == 14
    assert main(["augment-report", str(made.out), "--samples", "64", "--seeds", "2", "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["arms"] == report.found["arms"]
    assert {path: os.stat(path).st_mtime_ns for path in stamps} == stamps


def test_a_report_needs_a_whole_folder_and_two_seeds(data: Path, made: Augmented) -> None:
    with pytest.raises(UserError, match="whole"):
        augment_report(data)
    with pytest.raises(UserError, match="2"):
        augment_report(made.out, seeds=1)


def test_the_finding_on_copies_never_promises() -> None:
    assert copy_sentence([("a", ()), ("b", ())]).startswith("No copy of a training picture found")
    assert "samples of b (found by C_T)" in copy_sentence([("a", ()), ("b", ("C_T",))])


def test_a_corrected_command_is_not_told_that_it_was_begun_otherwise(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["augment", str(data), "--out", str(tmp_path / "out"), "--steps", "2", "--quiet", "--confidence", "0"]
    words += ["--classifier-samples", "64"]
    assert main([*words, "--recipe", "nosuch"]) == 2
    assert "nosuch" in capsys.readouterr().err
    assert main(words) == 0  # without --target, too: balanced
    assert main([*words, "--seed", "1"]) == 2
    assert "seed: 0 -> 1" in capsys.readouterr().err


def test_the_command_line(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["augment", str(data), "--target", "26", "--out", str(tmp_path / "out"), "--steps", "2", "--quiet"]
    words += ["--classifier-samples", "64", "--confidence", "0", "--recipe", "r1gan", "--g-width", "8"]
    assert main(words) == 0
    assert "gantlet augment-report" in capsys.readouterr().out
    assert main(["augment", str(data), "--target", "26", "--out", str(tmp_path / "o"), "--tagret", "3"]) == 2
    assert "--target" in capsys.readouterr().err
