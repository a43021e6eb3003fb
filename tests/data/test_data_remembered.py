"""A large archive is not listed again, unless it or what it led to has changed."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gantlet import feeding
from gantlet.data import images, open_images, remembered
from gantlet.media.image import write_image


@pytest.fixture(autouse=True)
def every_archive_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "LEAST", 1)


def packed(folder: Path, values: tuple[int, ...]) -> Path:
    """Return a zip of one-coloured pictures of two classes, and a file that is none."""
    path = folder / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, value in enumerate(values):
            write_image(folder / "one.png", np.full((8, 8, 3), value, np.uint8))
            archive.write(folder / "one.png", f"{'ab'[number % 2]}/{number}.png")
        archive.writestr("notes.txt", "none")
    return path


def listings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return a list that grows with every source that is listed."""
    seen: list[Any] = []
    listed = images.opened

    def counted(source: Any, *others: Any) -> Any:
        seen.append(source)
        return listed(source, *others)

    monkeypatch.setattr(images, "opened", counted)
    return seen


def test_the_second_opening_lists_nothing_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, seen = packed(tmp_path, (10, 20, 30)), listings(monkeypatch)
    first, second = (open_images(source, cache=tmp_path / "cache") for _ in range(2))
    assert len(seen) == 1
    assert first.fingerprint == second.fingerprint
    assert (first.name, first.classes, first.notes) == (second.name, second.classes, second.notes)
    assert any("other files are not used" in note for note in second.notes)
    assert np.array_equal(first.pixels, second.pixels)
    assert second.labels is not None
    assert second.labels.tolist() == [0, 0, 1]


def test_another_size_is_another_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, seen = packed(tmp_path, (10, 20)), listings(monkeypatch)
    assert open_images(source, cache=tmp_path / "cache").pixels.shape[1] == 8
    assert open_images(source, cache=tmp_path / "cache", resolution=4).pixels.shape[1] == 4
    assert len(seen) == 2


def test_a_new_archive_at_the_old_place_is_listed(tmp_path: Path) -> None:
    source = packed(tmp_path, (10, 20))
    old = open_images(source, cache=tmp_path / "cache")
    assert packed(tmp_path, (11, 20)) == source  # of the same size
    assert open_images(source, cache=tmp_path / "cache").fingerprint != old.fingerprint


def test_a_built_in_name_goes_before_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed(tmp_path, (10, 20)).rename(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert len(open_images(Path("digits"), cache=tmp_path / "cache")) == 2
    assert len(open_images("digits", cache=tmp_path / "cache")) > 1000


@pytest.mark.parametrize("damage", ["decoded", "archives", "text"])
def test_what_is_gone_or_damaged_is_made_again(tmp_path: Path, damage: str) -> None:
    source, cache = packed(tmp_path, (10, 20)), tmp_path / "cache"
    old = open_images(source, cache=cache)
    if damage == "text":
        for file in (cache / "archives").iterdir():
            file.write_text('{"key": 3}')
    else:
        shutil.rmtree(cache / damage)
    assert open_images(source, cache=cache).fingerprint == old.fingerprint


def test_folders_small_archives_and_nothing_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remembered.mark_of(tmp_path) is None
    assert remembered.mark_of(tmp_path / "none.zip") is None
    assert remembered.mark_of("a\0b") is None
    monkeypatch.setattr(remembered, "LEAST", 2**20)
    assert remembered.mark_of(packed(tmp_path, (1,))) is None


def test_a_cache_that_takes_nothing_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "archives").write_text("in the way")
    remembered.remember(tmp_path, "mark", "key", "name", ())
    assert remembered.recall(tmp_path, "mark") is None


def test_what_an_archive_holds_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANTLET_CACHE", str(tmp_path / "cache"))
    source, asked = packed(tmp_path, (10, 20)), []
    monkeypatch.setattr(feeding, "holds_clips", lambda source: bool(asked.append(source)))
    assert [feeding.kind_of(None, source) for _ in range(2)] == ["images"] * 2
    assert len(asked) == 1
    kept = next((tmp_path / "cache" / "archives").glob("*.json"))
    kept.write_text("{", "utf-8")
    assert feeding.kind_of(None, source) == "images"
    assert len(asked) == 2
