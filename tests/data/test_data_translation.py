"""Pictures into pictures: which are sources and which targets, what is held out, where crops are taken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from data_files import encoded, noise

from gantlet.data import Opening, open_translation
from gantlet.data.crops import Crops
from gantlet.data.sides import Side, choose, held_out, open_side, open_sides
from gantlet.data.wholes import of_array
from gantlet.errors import UserError

SIZES = [(20, 30), (33, 17), (16, 16), (40, 41), (25, 25), (18, 50), (21, 22)]


def write(folder: Path, names: list[str], seed: int = 0, channels: tuple[int, ...] = (3,)) -> Path:
    """Write a noise picture of its own size under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        size = SIZES[index % len(SIZES)]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(noise(seed + index, *size, *channels)))
    return folder


NAMES = [f"{index}.png" for index in range(7)]


def test_pictures_keep_their_sizes_and_pixels(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", NAMES)
    for _ in range(2):  # decoded, then from the cache
        side = open_side(folder, Opening())
        assert side.test is not None
        assert len(side.train) + len(side.test) == 7
        for wholes in (side.train, side.test):
            for index, name in enumerate(wholes.names):
                number = int(name[0])
                assert np.array_equal(wholes.picture(index), noise(number, *SIZES[number], 3))
    assert any("1 of 7 pictures are held out" in note for note in side.notes)


def test_what_is_held_out_depends_on_names_alone() -> None:
    names = [f"scan_{patient:02d}_{slice_}.png" for patient in range(20) for slice_ in range(5)]
    chosen = choose(names, 10, None)
    assert len(chosen) == 10
    shuffled = list(reversed(names))
    assert {shuffled[i] for i in choose(shuffled, 10, None)} == {names[i] for i in chosen}
    groups = choose(names, 10, r"scan_(\d+)_")
    patients = {names[i][5:7] for i in groups}
    assert len(groups) == 10
    assert len(patients) == 2  # whole patients, never a part of one
    assert choose(["a_1", "a_2"], 1, r"(a)_") == []  # one patient cannot be divided


def test_held_out_pictures_that_were_trained_on_are_found() -> None:
    train, test = of_array(noise(0, 8, 6, 6, 1)), of_array(noise(1, 3, 6, 6, 1))
    leaking = replace(test, marks=(train.marks[2], *test.marks[1:]))
    side = held_out(Side(train, leaking))
    assert side.test is not None
    assert len(side.test) == 2
    assert "1 held-out pictures are in the training part too" in side.notes[-1]


@pytest.mark.parametrize("folders", [("source", "target"), ("A", "B"), ("trainA", "trainB"), ("input", "output")])
def test_two_folders_are_told_apart(folders: tuple[str, str], tmp_path: Path) -> None:
    for number, folder in enumerate(folders):
        write(tmp_path / "both" / folder, NAMES, seed=100 * number)
    source, target = open_sides(tmp_path / "both", None, Opening())
    for number, side in enumerate((source, target)):
        first = side.train.names[0]
        index = int(Path(first).stem)
        assert first.startswith(folders[number])
        assert np.array_equal(side.train.picture(0), noise(100 * number + index, *SIZES[index], 3))


def test_the_folders_of_cyclegan_bring_their_own_test_part(tmp_path: Path) -> None:
    for number, folder in enumerate(("trainA", "trainB", "testA", "testB")):
        write(tmp_path / "both" / folder, NAMES[: 3 + number], seed=100 * number)
    source, target = open_sides(tmp_path / "both", None, Opening())
    assert source.test is not None
    assert target.test is not None
    assert [len(s) for s in (source.train, target.train, source.test, target.test)] == [3, 4, 5, 6]


def test_pairs_are_matched_by_name_and_cropped_alike(tmp_path: Path) -> None:
    write(tmp_path / "both" / "source", NAMES)
    for name in NAMES:  # the target is the source, inverted and grey
        index = int(name[0])
        grey = 255 - noise(index, *SIZES[index], 3)[..., 0]
        (tmp_path / "both" / "target").mkdir(exist_ok=True)
        (tmp_path / "both" / "target" / name).write_bytes(encoded(grey))
    data = open_translation("pairs", tmp_path / "both", resolution=12, flips="all")
    assert data.facts() == {"resolution": 12, "source_channels": 3, "target_channels": 1}
    rows = data.feed(3)
    batch = rows(5, 40)
    assert batch["source"].shape == (40, 3, 12, 12)
    assert torch.allclose(batch["source"][:, :1], -batch["target"], atol=1e-6)
    parts = [rows(5, 13), rows(18, 27)]
    assert torch.equal(batch["source"], torch.cat([part["source"] for part in parts]))
    assert not torch.equal(batch["source"], data.feed(4)(5, 40)["source"])
    assert torch.allclose(data.held_out(4)["source"][:, :1], -data.held_out(4)["target"], atol=1e-6)


def test_pairs_without_partner_or_of_other_sizes_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "both" / "source", NAMES[:4])
    write(tmp_path / "both" / "target", NAMES[:3])
    with pytest.raises(UserError, match="1 training pictures have no partner of the same name; '3' has no target"):
        open_translation("pairs", tmp_path / "both", resolution=8)
    (tmp_path / "both" / "target" / "3.png").write_bytes(encoded(noise(0, 9, 9, 3)))
    with pytest.raises(UserError, match="'3' is 41x40 as source and 9x9 as target"):
        open_translation("pairs", tmp_path / "both", resolution=8)


@pytest.mark.parametrize("left", ["left", "right"])
def test_pictures_that_hold_both_halves(left: str, tmp_path: Path) -> None:
    folder = tmp_path / "halves"
    folder.mkdir()
    for index in range(6):
        (folder / f"{index}.png").write_bytes(
            encoded(np.concatenate([noise(index, 10, 9), noise(50 + index, 10, 9)], 1))
        )
    data = open_translation("pairs", folder, side_by_side=left)
    assert data.size == (10, 9)
    first = data.kinds["source"].train
    expected = noise((0 if left == "left" else 50) + int(Path(first.names[0]).stem), 10, 9)
    assert np.array_equal(first.picture(0)[..., 0], expected)


def test_unpaired_pictures_come_in_orders_of_their_own(tmp_path: Path) -> None:
    source = write(tmp_path / "photos", NAMES)
    target = write(tmp_path / "paintings", ["monet/0.png", "monet/1.png", "hokusai/2.png"], seed=40)
    data = open_translation("unpaired", source, target, resolution=16)
    assert data.facts()["num_styles"] == 2
    batch = data.feed(0)(0, 64)
    assert set(batch["target_label"].tolist()) == {0, 1}
    assert batch["source"].shape == batch["target"].shape == (64, 3, 16, 16)
    assert data.describe()["target_classes"] == ["hokusai", "monet"]


def test_arrays_of_two_kinds(tmp_path: Path) -> None:
    path = tmp_path / "both.npz"
    np.savez(path, source=noise(0, 30, 8, 8), target=noise(1, 20, 8, 8), target_labels=np.arange(20) % 3)
    data = open_translation("unpaired", path)
    assert (len(data.kinds["source"].train), len(data.kinds["target"].train)) == (27, 18)
    assert data.facts()["num_styles"] == 3
    np.savez(path, images=noise(0, 30, 8, 8))
    with pytest.raises(UserError, match="needs the arrays source and target; it holds images"):
        open_translation("unpaired", path)


def test_pictures_smaller_than_a_crop_are_left_out_and_said(tmp_path: Path) -> None:
    data = open_translation("patches", write(tmp_path / "photos", NAMES), resolution=24)
    assert (data.kinds["image"].train.sizes >= 24).all()
    assert any("smaller than a crop" in note for note in data.notes)
    with pytest.raises(UserError, match="no picture is as large as a crop of 64x64 pixels; lower --resolution"):
        open_translation("patches", tmp_path / "photos", resolution=64)


def test_two_kinds_that_cannot_be_told_apart(tmp_path: Path) -> None:
    write(tmp_path / "photos", NAMES)
    with pytest.raises(UserError, match="no folders that say what is source and what target, but no folders"):
        open_translation("pairs", tmp_path / "photos")
    write(tmp_path / "more" / "cats", NAMES)
    write(tmp_path / "more" / "dogs", NAMES)
    with pytest.raises(UserError, match="but 'cats', 'dogs'; name them source and target"):
        open_translation("unpaired", tmp_path / "more")


def test_crops_reach_every_place_and_every_turn() -> None:
    wholes = of_array(np.arange(36, dtype=np.uint8).reshape(1, 6, 6, 1))
    crops = Crops(5, 5, 0, "all")
    cut = crops.cut(wholes, np.zeros(400, np.int64), crops.numbers(0, 400))
    assert len({crop.tobytes() for crop in cut}) == 4 * 8  # two by two places, eight symmetries
    plain = Crops(5, 5, 0)
    assert len({crop.tobytes() for crop in plain.cut(wholes, np.zeros(100, np.int64), plain.numbers(0, 100))}) == 4


def test_a_leak_on_one_side_takes_its_partner_with_it(tmp_path: Path) -> None:
    source = noise(0, 8, 8, 8)
    test_source = np.concatenate([source[:1], noise(1, 2, 8, 8)])  # the first was trained on
    path = tmp_path / "both.npz"
    np.savez(path, source=source, target=noise(2, 8, 8, 8), test_source=test_source, test_target=noise(3, 3, 8, 8))
    data = open_translation("pairs", path)
    held = {name: kind.test for name, kind in data.kinds.items()}
    assert [None if part is None else part.names for part in held.values()] == [("000001", "000002")] * 2


def test_folders_below_the_target_are_its_styles(tmp_path: Path) -> None:
    write(tmp_path / "both" / "source", NAMES)
    write(tmp_path / "both" / "target", [f"{style}/{index}.png" for style in ("ink", "oil") for index in range(4)])
    data = open_translation("unpaired", tmp_path / "both", resolution=12)
    assert data.facts()["num_styles"] == 2
    assert data.kinds["target"].classes == ("ink", "oil")
    assert data.kinds["source"].classes == ()
