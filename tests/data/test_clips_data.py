"""Clips to train on: where they come from, what is done to them, and the built-in sets whose truth is known."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantlet.data import NoSuchSplit, inspect, moving, open_clips
from gantlet.data.inspect_clips import ClipInspection
from gantlet.data.shots import as_clips, holds_clips
from gantlet.errors import UserError
from gantlet.feeding import Balance, feed
from gantlet.media.clip import write_clip


def noise(frames: int, seed: int, height: int = 12, width: int = 12, channels: int = 1) -> np.ndarray[Any, Any]:
    """Frames of a few greys that GIF keeps exactly."""
    values = np.random.default_rng(seed).integers(0, 16, (frames, height, width, channels))
    return (values * 17).astype(np.uint8)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two classes of three animated GIFs of 6 to 8 frames."""
    for number in range(6):
        write_clip(tmp_path / "set" / ("run", "walk")[number % 2] / f"{number}.gif", noise(6 + number // 2, number), 20)
    return tmp_path / "set"


def test_a_folder_of_gifs(classes: Path) -> None:
    clips = open_clips(classes, num_frames=4)
    facts = {"channels": 1, "resolution": 12, "num_frames": 4, "num_classes": 2, "frame_rate": 20.0}
    assert clips.facts() == facts
    assert clips.classes == ("run", "walk")
    assert clips.class_counts() == [3, 3]
    assert [len(shot) for shot in clips.shots] == [6, 7, 8, 6, 7, 8]
    batch = clips.batch([0, 5])
    assert batch["clip"].shape == (2, 1, 4, 12, 12)
    assert batch["label"].tolist() == [0, 1]
    want = noise(6, 0)[1:5].astype(np.float32) / 127.5 - 1
    np.testing.assert_allclose(batch["clip"][0].permute(1, 2, 3, 0).numpy(), want, atol=1e-6)


def test_moments_scatter_clips_over_a_shot_and_repeat_themselves(classes: Path) -> None:
    clips = open_clips(classes, num_frames=4)
    rows = [2] * 64
    first, again = (clips.batch(rows, range(64))["clip"] for _ in range(2))
    assert first.equal(again)
    assert len({clip.numpy().tobytes() for clip in first}) == 5  # 8 - 4 + 1 beginnings
    assert clips.batch(rows, range(1, 65))["clip"][0].equal(first[1])


def test_a_stride_takes_every_so_many_frames(classes: Path) -> None:
    clips = open_clips(classes, num_frames=3, stride=3)
    assert clips.facts()["frame_rate"] == pytest.approx(20 / 3)
    assert len(clips) == 4  # two of 6 frames are shorter than 7
    assert any("2 clips are too short" in note for note in clips.notes)
    want = noise(7, 2)[[0, 3, 6]]
    assert np.array_equal(np.asarray(clips.shots[0][::3]), want)
    assert open_clips(classes).num_frames == 6  # what 95 % hold


def test_windows_lie_side_by_side(classes: Path) -> None:
    clips = open_clips(classes, num_frames=3)
    rows, starts = clips.windows([0, 2], 10)
    assert rows.tolist() == [0, 0, 2, 2]
    assert starts.tolist() == [0, 3, 0, 5]
    assert clips.windows([2], 1)[1].tolist() == [2]


def strips(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            strip = np.concatenate(list(noise(6, number, channels=3)), axis=1)
            Image.fromarray(strip).save(path.with_suffix(".png"))
            archive.write(path.with_suffix(".png"), f"all/{'ab'[number % 2]}/{number}.png")
    path.with_suffix(".png").unlink()


def test_a_zip_of_film_strips(tmp_path: Path) -> None:
    strips(tmp_path / "set.zip")
    clips = open_clips(tmp_path / "set.zip")
    assert (clips.channels, clips.size, clips.num_frames, clips.classes) == (3, (12, 12), 6, ("a", "b"))
    assert np.array_equal(clips.shots[0], noise(6, 0, channels=3))
    assert any("no file says how many frames a second" in note for note in clips.notes)
    assert not holds_clips(tmp_path / "set.zip")  # without a recipe they are pictures
    found = inspect(tmp_path / "set.zip", clips=True)
    assert isinstance(found, ClipInspection)
    assert found.kind == "film strips"


def test_folders_of_frames_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("one", "two"):
        for t in range(11):
            place = tmp_path / "set" / name / f"frame{t}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise(11, len(name))[t, ..., 0]).save(place)
    clips = open_clips(tmp_path / "set")
    assert clips.labels is None  # these folders are the clips
    assert clips.names == ("one", "two")
    assert np.array_equal(clips.shots[0], noise(11, 3))
    nested = tmp_path / "classes"
    for name in ("walk", "run"):
        for number in range(2):
            write_clip(nested / name / f"clip{number}", noise(5, number + len(name)), 10)
    assert open_clips(nested).classes == ("run", "walk")


def test_an_npz_with_parts(tmp_path: Path) -> None:
    path, train, test = (
        tmp_path / "set.npz",
        noise(30, 0).reshape(6, 5, 12, 12, 1),
        noise(10, 1).reshape(2, 5, 12, 12, 1),
    )
    np.savez(
        path, train_clips=train, train_labels=["b", "a"] * 3, test_clips=test, test_labels=["a", "b"], frame_rate=8
    )
    clips = open_clips(path)
    assert (len(clips), clips.classes, clips.frame_rate) == (6, ("a", "b"), 8.0)
    assert clips.labels is not None
    assert clips.labels.tolist() == [1, 0] * 3
    assert len(open_clips(path, split="test")) == 2
    np.savez(path, train_clips=train, test_clips=np.concatenate([test, train[:1]]))
    with pytest.raises(UserError, match="both the training and the test part"):
        open_clips(path)
    assert np.array_equal(as_clips(train[..., 0].astype(np.float32) / 127.5 - 1, "x"), train)


def test_floats_of_all_parts_are_read_in_the_scale_of_the_training_part(tmp_path: Path) -> None:
    train, test = noise(10, 0).reshape(2, 5, 12, 12, 1), noise(10, 1).reshape(2, 5, 12, 12, 1) // 2 + 128
    path = tmp_path / "set.npz"
    signed = [clips.astype(np.float32) / 127.5 - 1 for clips in (train, test)]
    assert signed[1].min() > 0
    np.savez(path, clips=signed[0], test_clips=signed[1])
    assert np.array_equal(np.stack(open_clips(path, split="test").shots), test)
    np.savez(path, clips=train.astype(np.float32) / 255, test_clips=signed[0])
    with pytest.raises(UserError, match=r"test_clips: values begin at -1, those to train on at 0"):
        open_clips(path)


def test_only_one_part_has_labels(tmp_path: Path) -> None:
    train, test = noise(10, 0).reshape(2, 5, 12, 12, 1), noise(10, 1).reshape(2, 5, 12, 12, 1)
    path = tmp_path / "set.npz"
    np.savez(path, clips=train, labels=["a", "b"], test_clips=test)
    assert open_clips(path).classes == ("a", "b")
    held = open_clips(path, split="test")
    assert (held.labels, held.classes) == (None, ())
    np.savez(path, clips=train, test_clips=test, test_labels=["a", "b"])
    with pytest.raises(UserError, match="the test part has labels and the training part has none"):
        open_clips(path)
    assert open_clips(path, unconditional=True).labels is None


def test_inspection_stays_within_memory(classes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gantlet.data.decoding.MAX_BYTES", 2000)
    with pytest.raises(UserError, match="of 6 clips need"):
        inspect(classes)


def test_built_in_clips_say_their_rate() -> None:
    clips = open_clips("bouncing_shapes", split="test", num_frames=2, stride=2)
    assert clips.frame_rate == 5
    assert clips.notes[0].endswith("2 frames of 32 x 32, 5 a second")


def test_other_sizes_and_colours_are_brought_together(tmp_path: Path) -> None:
    for number, (height, channels) in enumerate(((12, 1), (12, 3), (20, 1))):
        write_clip(tmp_path / "set" / f"{number}.gif", noise(4, number, height, 12, channels), 10)
    clips = open_clips(tmp_path / "set", resolution=(8, 16))
    assert {shot.shape for shot in clips.shots} == {(4, 8, 16, 3)}
    assert any("cropped at the centre and resized" in note for note in clips.notes)
    assert open_clips(tmp_path / "set", channels=1).channels == 1


MISTAKES = {
    "too many frames": (dict(num_frames=99), "longest clip has 8"),
    "no frames": (dict(num_frames=0), "--num-frames"),
    "stride": (dict(stride=0), "--stride"),
    "channels": (dict(channels=2), "--channels"),
    "split": (dict(split="test"), "no test part"),
    "label table": (dict(labels="none.csv"), "none.csv"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence(mistake: str, classes: Path) -> None:
    options, words = MISTAKES[mistake]
    with pytest.raises(UserError, match=words) as error:
        open_clips(classes, **options)  # type: ignore[arg-type]
    assert "\n" not in str(error.value)


def test_broken_clips_are_refused_named_or_left_out(classes: Path) -> None:
    (classes / "walk" / "9.gif").write_bytes((classes / "walk" / "1.gif").read_bytes()[:-50])
    with pytest.raises(UserError, match=r"1 of 7 clips cannot be read.*9\.gif.*cut off"):
        open_clips(classes)
    clips = open_clips(classes, skip_broken=True)
    assert len(clips) == 6
    assert "1 broken clips are left out" in clips.notes
    found = inspect(classes)
    assert isinstance(found, ClipInspection)
    assert list(found.broken) == ["walk/9.gif"]
    assert found.count == 7
    assert any("cannot be read" in sentence for sentence in found.odd)


def test_a_damaged_webp_among_clips_is_not_lost_in_silence(classes: Path) -> None:
    path = classes / "walk" / "9.webp"
    write_clip(path, noise(8, 9), 10)
    assert len(open_clips(classes)) == 7
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match=r"9\.webp.*cut off"):
        open_clips(classes)
    for number in range(3):  # among still pictures it is one of these
        (classes.parent / "still").mkdir(exist_ok=True)
        Image.fromarray(noise(1, number)[0, ..., 0]).save(classes.parent / "still" / f"{number}.webp")
    (classes.parent / "still" / "1.webp").write_bytes(b"RIFF")
    assert not holds_clips(classes.parent / "still")


def test_an_inspection_sees_what_is_odd(classes: Path) -> None:
    write_clip(classes / "walk" / "still.gif", np.repeat(noise(1, 5), 8, 0), 10)
    (classes / "walk" / "copy.gif").write_bytes((classes / "walk" / "1.gif").read_bytes())
    found = inspect(classes)
    assert isinstance(found, ClipInspection)
    assert found.still == ["walk/still.gif"]
    assert found.duplicates == [["walk/1.gif", "walk/copy.gif"]]
    assert found.rates == {"20 a second": 7, "10 a second": 1}
    assert found.classes == {"run": 3, "walk": 5}
    text = " ".join(found.lines())
    assert "nothing moves in 1 clips" in text
    assert "frame rates" in text


def test_what_is_taken_for_clips(classes: Path, tmp_path: Path) -> None:
    assert holds_clips("moving_digits")
    assert holds_clips(classes)
    assert not holds_clips("digits")
    Image.fromarray(noise(1, 0)[0, ..., 0]).save(tmp_path / "one.gif")
    assert not holds_clips(tmp_path / "one.gif")
    np.savez(tmp_path / "a.npz", clips=noise(8, 0).reshape(2, 4, 12, 12))
    assert holds_clips(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", images=noise(8, 0))
    assert not holds_clips(tmp_path / "b.npz")


@pytest.mark.parametrize("name", moving.NAMES)
def test_built_in_clips_are_functions_of_their_number(name: str) -> None:
    made = moving.make(name, "train", 16, count=40)
    assert made.clips.shape == (40, 16, 32, 32, 1)
    few = moving.make(name, "train", 8, count=3)
    assert np.array_equal(few.clips, made.clips[:3, :8])
    skipping = moving.make(name, "train", 8, stride=2, count=3)
    assert np.array_equal(skipping.clips, made.clips[:3, ::2])
    assert not np.array_equal(moving.make(name, "test", 16, count=3).clips, made.clips[:3])
    with pytest.raises(NoSuchSplit):
        moving.make(name, "val")


@pytest.mark.parametrize(("name", "resolution"), [("bouncing_shapes", (32, 32)), ("moving_digits", (48, 64))])
def test_objects_are_where_they_are_said_to_be(name: str, resolution: tuple[int, int]) -> None:
    made = moving.make(name, "test", 24, resolution, count=24)
    mass = made.clips[..., 0].astype(np.float64)
    total = mass.sum((2, 3))
    y = (mass.sum(3) * np.arange(resolution[0])).sum(2) / total
    x = (mass.sum(2) * np.arange(resolution[1])).sum(2) / total
    assert np.abs(np.stack([y, x], -1) - made.motion.positions).max() < 0.2
    steps = np.diff(made.motion.positions, axis=1)
    straight = np.abs(np.abs(steps) - np.abs(made.motion.velocities)[:, None]) < 1e-9
    assert straight.mean() > 0.75  # a step with a bounce is shorter
    low, high = made.motion.box[:, 0], made.motion.box[:, 1]
    assert (made.motion.positions >= low - 1e-9).all()
    assert (made.motion.positions <= high + 1e-9).all()


def test_classes_of_shapes_are_shape_and_speed() -> None:
    made = moving.make("bouncing_shapes", "train", 2, count=80)
    fast = np.array([made.classes[y].endswith("fast") for y in made.labels])
    assert made.motion.speeds[fast].min() > made.motion.speeds[~fast].max()
    assert np.bincount(made.labels).tolist() == [10] * 8


def test_feeding_is_a_function_of_seed_and_position(classes: Path) -> None:
    clips = open_clips(classes, num_frames=3)
    rows = feed(clips, 0, Balance(), None)
    whole = rows(0, 12)
    assert whole["clip"][4:8].equal(rows(4, 4)["clip"])
    assert not whole["clip"][:6].equal(rows(6, 6)["clip"])
    assert not whole["clip"].equal(feed(clips, 1, Balance(), None)(0, 12)["clip"])
    held = feed(clips, 0, Balance(), {"share": 0.3, "most": 2})(0, 4)
    assert held["holdout_clip"].shape == held["clip"].shape
    part = clips.subset([1, 4])
    assert part.names == ("run/2.gif", "walk/3.gif")
    assert part.fingerprint != clips.fingerprint
