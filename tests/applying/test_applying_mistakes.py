"""What `gantlet apply` refuses: one sentence, exit code 2, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantlet.cli import main
from gantlet.media.image import encode_png
from gantlet.media.picture import Picture, write_picture

TOY = "toy_translation:"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs of two toys, trained for a step."""
    folder = tmp_path_factory.mktemp("runs")
    for name in ("same", "fill"):
        words = ["train", f"{TOY}{name}", "--data", "digits", "--out", str(folder / name), "--steps", "1", "--quiet"]
        assert main([*words, "--device", "cpu"]) == 0
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of good and bad pictures."""
    pixels = np.random.default_rng(0).integers(256, size=(16, 20, 1), dtype=np.uint8)
    good = encode_png(pixels)
    (tmp_path / "good.png").write_bytes(good)
    (tmp_path / "small.png").write_bytes(encode_png(pixels[:12]))
    (tmp_path / "dot.png").write_bytes(encode_png(pixels[:1, :1]))
    (tmp_path / "cut.png").write_bytes(good[:150])
    (tmp_path / "colour.png").write_bytes(encode_png(np.concatenate([pixels, 255 - pixels, pixels], axis=2)))
    palette = bytearray(good)
    palette[24:26] = 16, 3  # IHDR: 16 bits of palette, which PNG has not
    (tmp_path / "palette.png").write_bytes(bytes(palette))
    Image.new("CMYK", (16, 16)).save(tmp_path / "cmyk.jpg")
    write_picture(tmp_path / "moving.gif", Picture(np.stack([pixels, 255 - pixels])))
    Image.fromarray(pixels[..., 0]).save(
        tmp_path / "moving.png", save_all=True, append_images=[Image.fromarray(255 - pixels[..., 0])]
    )
    np.save(tmp_path / "floats.npy", np.linspace(-5, 900, 100, dtype=np.float32).reshape(10, 10))
    (tmp_path / "text.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    for name in ("pair", "other", "twice"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(good if name != "other" else encode_png(pixels[:12]))
    (tmp_path / "pair" / "b.png").write_bytes(good)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "twice" / "a.jpg")
    return tmp_path


MISTAKES = {
    "no such input": ("same", "nowhere.png --out OUT", "does not exist"),
    "an empty folder": ("same", "empty --out OUT", "holds no picture"),
    "a text": ("same", "text.txt --out OUT", "none of the kinds"),
    "one pixel": ("same", "dot.png --out OUT", "1 x 1"),
    "truncated": ("same", "cut.png --out OUT", "cut.png"),
    "16-bit palette": ("same", "palette.png --out OUT", "palette.png"),
    "CMYK": ("same", "cmyk.jpg --out OUT", "RGB"),
    "other channels": ("same", "colour.png --out OUT", "3 channels"),
    "animation as PNG": ("same", "moving.png --out OUT", "several pictures"),
    "animation into one picture": ("same", "moving.gif --out OUT.png", ".gif"),
    "animated mask": ("fill", "good.png --out OUT.png --mask moving.gif", "2 frames"),
    "mask of another size": ("fill", "good.png --out OUT.png --mask small.png", "one size"),
    "mask for a recipe without": ("same", "good.png --out OUT.png --mask good.png", "no mask"),
    "mask that is missing": ("fill", "pair --out OUT --mask twice", "twice"),
    "no mask for a": ("fill", "pair --out OUT --mask other", "--mask"),
    "two of a name": ("same", "twice --out OUT", "twice, in two kinds"),
    "unknown suffix": ("same", "good.png --out OUT.mp4", ".png"),
    "a folder into a file": ("same", "pair --out OUT.png", "folder"),
    "over its input": ("same", "pair --out pair", "over INPUT"),
    "over the file itself": ("same", "good.png --out good.png", "over INPUT"),
    "out is a file without suffix": ("same", "good.png --out text.txt", "written as"),
    "references without metrics": ("same", "good.png --out OUT.png --references pair", "--metrics"),
    "metrics without references": ("same", "good.png --out OUT.png --metrics OUT.csv", "--references"),
    "metrics that are no CSV": ("same", "pair --out OUT --references pair --metrics OUT.txt", ".csv"),
    "references of another size": ("same", "good.png --out OUT --references small.png --metrics OUT.csv", "alike"),
    "no reference for b": ("same", "pair --out OUT --references other --metrics OUT.csv", "nothing named b"),
    "sheet that is no PNG": ("same", "good.png --out OUT.png --sheet OUT.jpg", ".png"),
    "unknown option": ("same", "good.png --out OUT.png --shfit 1", "--shift"),
    "option of the wrong type": ("same", "good.png --out OUT.png --shift far", "far"),
    "option without a value": ("same", "good.png --out OUT.png --shift", "--shift"),
    "a strength above 1": ("same", "good.png --out OUT.png --strength 2", "0 to 1"),
    "a tile below its margins": ("same", "good.png --out OUT.png --tile 3", "--tile"),
    "a window without width": ("same", "good.png --out OUT.png --window 5,5", "--window"),
    "a window that is no pair": ("same", "good.png --out OUT.png --window 5", "window"),
    "floats that nothing explains": ("same", "floats.npy --out OUT.npy", "--window"),
    "floats into PNG": ("same", "floats.npy --out OUT.png --window 0,1", ".tif"),
    "a table of no classifier": ("same", "good.png --out OUT.csv", "no table of classes"),
    "a negative crop": ("same", "pair --out OUT --references pair --metrics OUT.csv --crop -1", "--crop"),
    "a crop of everything": ("same", "pair --out OUT --references pair --metrics OUT.csv --crop 8", "leaves nothing"),
}
WRITES_FIRST = ("references of another size", "a crop of everything", "mask that is missing")  # seen only at a result


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_gets_one_sentence(
    name: str, runs: Path, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy, command, expected = MISTAKES[name]
    monkeypatch.chdir(place)
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    words = ["apply", str(runs / toy), *command.split(), "--recipe", f"{TOY}{toy}", "--quiet", "--device", "cpu"]
    if name == "option without a value":
        words = [*words[:2], *words[6:], *words[2:6]]
    code = main(words)
    told = capsys.readouterr().err.strip()
    assert code == 2, told
    message = told.splitlines()[-1]
    assert message.startswith("gantlet: ")
    assert expected in message
    assert message[-1] in ".?`)"
    assert "Traceback" not in told
    after = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    if name not in WRITES_FIRST:
        assert after == before, "something was written"
    assert before.items() <= after.items()


def test_a_recipe_without_apply_says_what_to_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(["train", "gan", "--data", "digits", "--out", str(run), "--steps", "1", "--quiet"]) == 0
    (tmp_path / "a.png").write_bytes(encode_png(np.zeros((8, 8, 1), np.uint8)))
    assert main(["apply", str(run), str(tmp_path / "a.png"), "--out", str(tmp_path / "b.png")]) == 2
    assert "gantlet sample" in capsys.readouterr().err


def test_the_help_says_what_a_mask_is(capsys: pytest.CaptureFixture[str]) -> None:
    ask: Callable[[list[str]], int] = main
    with pytest.raises(SystemExit):
        ask(["apply", "--help"])
    assert "white where a hole is" in " ".join(capsys.readouterr().out.split())
