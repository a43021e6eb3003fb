"""Every recipe that makes pictures of pictures or recordings of recordings: trained, loaded and applied for real."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import gantlet
from gantlet.feeding import SHARED
from gantlet.media.audio import write_sound
from gantlet.media.image import write_image
from gantlet.recipes import NAMES, catalogue

QUIET: dict[str, Any] = {"steps": 2, "quiet": True, "evaluate_every": 0, "sample_every": 1e9, "device": "cpu"}
OF_DATA = {"resolution", "channels", "source_channels", "target_channels", "num_classes", "num_styles"} | {
    *("sample_rate", "length", "vocab_size", "num_frames", "frame_rate")
}


def settings(recipe: str) -> dict[str, Any]:
    """Return the recipe's smallest size, without what the data say."""
    return {name: value for name, value in catalogue.tiny_settings(recipe).items() if name not in OF_DATA}


def picture(number: int, channels: int = 1, side: int = 20) -> np.ndarray[Any, Any]:
    return np.random.default_rng(number).integers(0, 256, (side, side, channels), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures; pairs; two unrelated sets, one with two class folders; recordings; noises."""
    root = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for number in range(8):
        write_image(root / "patches" / f"{number}.png", picture(number))
        for side in ("trainA", "trainB", "testA", "testB"):
            write_image(root / "pairs" / side / f"{number}.png", picture(number))
        write_image(root / "others" / "ab"[number % 2] / f"{number}.png", picture(100 + number))
        for name, seconds in (("sounds", 0.5), ("noise", 1.0)):
            (root / name).mkdir(exist_ok=True)
            wave = rng.normal(0, 0.1, (1, int(8000 * seconds))).astype(np.float32)
            write_sound(root / name / f"{number}.wav", wave, 8000)
    return root


def data_of(recipe: str, root: Path) -> dict[str, Any]:
    kind = catalogue.data_kind(recipe)
    if kind == "unpaired":
        return {"data": root / "patches", "target": root / "others"}
    if kind == "mixtures":
        return {"data": root / "sounds", "noise": root / "noise"}
    return {"data": {"patches": root / "patches", "pairs": root / "pairs", "excerpts": root / "sounds"}[kind]}


def test_what_opens_data_is_at_hand() -> None:
    openers = {name for name in gantlet.__all__ if name.startswith("open_")}
    assert openers == {f"open_{kind}" for kind in ("images", "sounds", "excerpts", "mixtures", "lines", "clips")}
    assert all(callable(getattr(gantlet, name)) for name in openers)


def test_an_option_of_a_recipe_is_one_of_the_data_only_where_the_data_have_it() -> None:
    """--noise of acgan, --target of noisegan_adaptive and --stride of segan are typed like all others."""
    of_train = set(inspect.signature(gantlet.train).parameters)
    alike = {"resolution", "sample_rate", "batch_size"}  # means the same to both
    for recipe in NAMES:
        own = {parameter.name for parameter in catalogue.parameters(catalogue.find(recipe))}
        assert (own & of_train) - alike <= set(SHARED), recipe


@pytest.mark.parametrize(
    ("recipe", "option", "typed", "read"), [("noisegan_adaptive", "target", "0.5", 0.5), ("acgan", "noise", "0.1", 0.1)]
)
def test_such_an_option_reaches_the_recipe(recipe: str, option: str, typed: str, read: float, tmp_path: Path) -> None:
    model = gantlet.train(recipe, data="digits", out=tmp_path / "run", quick=True, **{option: typed}, **QUIET)
    assert model.about["arguments"][option] == read


def test_the_stride_of_segan_reaches_it(folder: Path, tmp_path: Path) -> None:
    given = {**settings("segan"), "stride": 2, "duration": 0.25, "sample_rate": 8000}
    model = gantlet.train("segan", out=tmp_path / "run", **data_of("segan", folder), **given, **QUIET)
    assert model.about["arguments"]["stride"] == 2


PICTURES = ("patches", "pairs", "unpaired")


@pytest.mark.parametrize("recipe", [name for name in NAMES if catalogue.data_kind(name) in PICTURES])
def test_pictures_into_pictures(recipe: str, folder: Path, tmp_path: Path) -> None:
    made = gantlet.train(
        recipe, out=tmp_path / "run", resolution=16, **data_of(recipe, folder), **settings(recipe), **QUIET
    )
    loaded = gantlet.load(tmp_path / "run", device="cpu")
    height, width = (16, 16) if recipe == "context_encoder" else (24, 20)  # it knows one size
    given = torch.rand(1, 1, height, width) * 2 - 1
    mask = torch.zeros(height, width)
    mask[5:12, 5:12] = 1
    options = {"mask": mask} if recipe == "inpaint" else {}
    first, second = (model.apply(given, **options) for model in (made, loaded))
    assert torch.equal(first, second)
    scale = loaded.about["arguments"].get("scale", 1)
    assert first.shape[2:] == (height * scale, width * scale)


def test_what_is_known_stays_bit_for_bit_in_tiles_too(folder: Path, tmp_path: Path) -> None:
    tiny = {**settings("inpaint"), "filled": True}
    model = gantlet.train("inpaint", out=tmp_path / "run", resolution=16, **data_of("inpaint", folder), **tiny, **QUIET)
    given, mask = torch.rand(1, 1, 500, 420) * 2 - 1, torch.zeros(500, 420)
    mask[100:400, 200:230] = 1
    known = mask.expand_as(given) < 0.5
    assert torch.equal(model.apply(given, mask=mask, tile=384)[known], given[known])


def test_a_hole_wider_than_a_tile_takes_after_the_whole_picture(folder: Path, tmp_path: Path) -> None:
    tiny = {**settings("inpaint"), "filled": True}
    model = gantlet.train("inpaint", out=tmp_path / "run", resolution=16, **data_of("inpaint", folder), **tiny, **QUIET)
    given, mask = torch.full((1, 1, 1000, 900), 0.8), torch.zeros(1000, 900)
    mask[100:900, 100:800] = 1
    made = model.apply(given.masked_fill(mask > 0.5, -1), mask=mask, tile=384)
    assert (made - 0.8).abs().max() < 0.3
    half = model.apply(given.masked_fill(mask > 0.5, -1), mask=mask, tile=384, strength=0.5)
    assert torch.allclose(half[..., 500, 450], (made[..., 500, 450] - 1) / 2, atol=0.05)


@pytest.mark.parametrize("recipe", [name for name in NAMES if catalogue.data_kind(name) in ("excerpts", "mixtures")])
def test_recordings_into_recordings(recipe: str, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = {**settings(recipe), "duration": 0.25, "sample_rate": 8000}
    made = gantlet.train(recipe, out=out, **data_of(recipe, folder), **options, **QUIET)
    wave = torch.rand(1, 4000) - 0.5
    assert torch.equal(made.apply(wave), gantlet.load(out, device="cpu").apply(wave))
