"""Pairs are matched by the paths below the folders of their sides; where that cannot be, one sentence says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_files import encoded, noise

from gantlet.data import Opening, open_excerpts, open_mixtures, open_translation
from gantlet.data.naming import by_key, compiled, stems_suffice
from gantlet.data.sides import choose, open_side
from gantlet.errors import UserError
from gantlet.feeding import Balance
from gantlet.media.audio import write_sound

RATE = 8000
FOUR = [f"{index}.png" for index in range(4)]


def pictures(folder: Path, names: list[str], add: int = 0) -> Path:
    """Write pictures of one value each: the number in the name and ten for folder b, plus `add`."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        value = int(path.stem) + 10 * ("b" in path.parts) + add
        path.write_bytes(encoded(np.full((8, 8), value, np.uint8)))
    return folder


def values(data: Any, side: str) -> list[int]:
    train = data.kinds[side].train
    return [int(train.picture(index)[0, 0, 0]) for index in range(len(train))]


def below(*folders: str) -> list[str]:
    return [f"{folder}/{name}" for folder in folders for name in FOUR]


@pytest.mark.parametrize("split", ["", "train/"])
def test_equal_names_in_other_folders_are_other_pictures(split: str, tmp_path: Path) -> None:
    pictures(tmp_path / f"both/{split}source", below("a", "b"))
    pictures(tmp_path / f"both/{split}target", below("a", "b"), add=100)
    data = open_translation("pairs", tmp_path / "both")
    assert values(data, "source") == [0, 1, 2, 3, 10, 11, 12, 13]
    assert values(data, "target") == [100 + value for value in values(data, "source")]
    one, other = (tmp_path / f"both/{split}{name}" for name in ("source", "target"))
    two = open_translation("pairs", one, other)
    assert values(two, "target") == values(data, "target")


def test_partners_in_other_folders_are_found_where_names_are_unique(tmp_path: Path) -> None:
    pictures(tmp_path / "both/source", FOUR)
    pictures(tmp_path / "both/target", ["ink/3.png", "ink/0.png", "oil/1.png", "oil/2.png"], add=100)
    data = open_translation("pairs", tmp_path / "both")
    assert values(data, "target") == [100, 101, 102, 103]
    kind = data.kinds["target"]
    assert kind.labels is not None
    assert [kind.classes[label] for label in kind.labels] == ["ink", "oil", "oil", "ink"]  # in the order of the pairs


def test_a_folder_more_has_no_partners(tmp_path: Path) -> None:
    pictures(tmp_path / "both/source", below("a"))
    pictures(tmp_path / "both/target", below("a", "b"))
    with pytest.raises(UserError, match="4 training pictures have no partner of the same name; 'b/0' has no source"):
        open_translation("pairs", tmp_path / "both")


def test_two_files_of_one_name_have_no_partner(tmp_path: Path) -> None:
    pictures(tmp_path / "both/source", [*FOUR, "0.bmp"])
    pictures(tmp_path / "both/target", FOUR)
    with pytest.raises(UserError, match=r"'0.bmp' and '0.png' are two pictures of one name"):
        open_translation("pairs", tmp_path / "both")


def test_keys_are_stems_or_paths_without_ending() -> None:
    assert stems_suffice(["a/0.png", "b/1.png"], ["1.jpg", "0.jpg"])
    assert not stems_suffice(["a/0.png", "b/1.png"], ["a/0.jpg", "b/0.jpg"])
    assert by_key(["a/0.png", "b.c/1.png"], True, "", "") == {"0": 0, "1": 1}
    assert by_key(["a/0.png", "b.c/0.png"], False, "", "") == {"a/0": 0, "b.c/0": 1}


def hum(path: Path, number: int, hiss: float = 0.0) -> None:
    wave = 0.3 * np.sin(2 * np.pi * (200 + 40 * number) * np.arange(800) / RATE) + hiss
    write_sound(path, wave.astype(np.float32), RATE)


def test_recordings_in_folders_of_the_same_names(tmp_path: Path) -> None:
    for number, name in enumerate(f"{folder}/{index}.wav" for folder in "ab" for index in range(4)):
        hum(tmp_path / "both/noisy" / name, number, hiss=0.01 * (number + 1))
        hum(tmp_path / "both/clean" / name, number)
    for data in (
        open_mixtures(tmp_path / "both", duration=0.02),
        open_mixtures(tmp_path / "both/noisy", target=tmp_path / "both/clean", duration=0.02),
    ):
        offsets = [float(data.noise.whole(index).mean()) for index in range(len(data))]
        np.testing.assert_allclose(offsets, 0.01 * np.arange(1, 9), atol=1e-3)
    for index in range(4):
        (tmp_path / "both/noisy/b" / f"{index}.wav").unlink()
    with pytest.raises(UserError, match="4 recordings have no partner of the same name; 'b/0' has no noisy"):
        open_mixtures(tmp_path / "both")


def test_loose_recordings_beside_noisy_and_clean(tmp_path: Path) -> None:
    for number, name in enumerate(("train/noisy/0", "train/clean/0", "test/0")):
        hum(tmp_path / f"{name}.wav", number)
    with pytest.raises(UserError, match="the test part lie outside of the folders noisy and clean"):
        open_mixtures(tmp_path)


def test_a_side_without_pictures_to_train_on(tmp_path: Path) -> None:
    pictures(tmp_path / "both", ["train/source/0.png", "test/source/1.png", "test/target/1.png"])
    with pytest.raises(UserError, match="both: the training part has no folder target"):
        open_translation("pairs", tmp_path / "both")


def test_styles_of_the_test_part_alone_are_none(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", FOUR)
    pictures(tmp_path / "art", ["train/0.png", "train/1.png", "test/ink/2.png", "test/oil/3.png"])
    side = open_side(tmp_path / "art", Opening())
    assert (side.train_labels, side.classes) == (None, ())
    assert "num_styles" not in open_translation("unpaired", tmp_path / "photos", tmp_path / "art").facts()


@pytest.mark.parametrize(("group", "said"), [("([", "no regular expression"), ("scan", "has no group")])
def test_groups_that_are_no_pattern(group: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"--group .*{said}"):
        open_translation("patches", pictures(tmp_path / "set", [*FOUR, "4.png"]), how=Opening(group=group))
    hum(tmp_path / "sounds" / "0.wav", 0)
    with pytest.raises(UserError, match=f"--group .*{said}"):
        open_excerpts(tmp_path / "sounds", group=group)


def test_a_name_without_the_group_stands_for_itself() -> None:
    names = [f"{index}.png" for index in range(20)]
    assert choose(names, 2, "(z)?") == choose(names, 2, None)
    assert compiled("--group", "(z)?", "").groups == 1


@pytest.mark.parametrize("resolution", [-5, 0, (0, 8)])
def test_crops_of_no_size(resolution: Any, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="out of range"):
        open_translation("patches", pictures(tmp_path, FOUR), resolution=resolution)


def test_targets_come_from_one_place(tmp_path: Path) -> None:
    folder = pictures(tmp_path, FOUR)
    with pytest.raises(UserError, match="--side-by-side; give one of them"):
        open_translation("pairs", folder, folder, side_by_side="left")


@pytest.mark.parametrize("alpha", [float("nan"), float("inf"), -0.5])
def test_shares_of_classes_that_cannot_be(alpha: float) -> None:
    with pytest.raises(UserError, match="--balance is 0"):
        Balance(alpha=alpha).check((), "dcgan")


def test_noise_pictures_of_arrays_need_no_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", source=noise(0, 8, 6, 6), target=noise(1, 8, 6, 6))
    assert len(open_translation("pairs", tmp_path / "both.npz").kinds["target"].train) == 7
