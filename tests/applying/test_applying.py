"""`gantlet apply` on files: depth, transparency, clips, folders, masks, windows, metrics, sheets; the classifier."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from models import model_of
from PIL import Image

import gantlet
from gantlet.applying import pictures
from gantlet.applying.classes import apply_file
from gantlet.applying.pictures import Extras, apply_pictures
from gantlet.cli import main
from gantlet.data import Intensity
from gantlet.media.image import encode_png
from gantlet.media.picture import Picture, read_picture, write_picture
from gantlet.model import Model


def noise(*shape: int, kind: str = "uint8", seed: int = 0) -> np.ndarray:
    top = {"uint8": 256, "uint16": 65536, "float32": 1}[kind]
    return (np.random.default_rng(seed).random(shape) * top).astype(kind)


def put(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, Picture(pixels[None]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the toy that does nothing, trained for two steps on digits."""
    out = tmp_path_factory.mktemp("runs") / "same"
    words = ["train", "toy_translation:same", "--data", "digits", "--out", str(out), "--steps", "2", "--quiet"]
    assert main([*words, "--device", "cpu"]) == 0
    return out


def test_a_run_in_two_lines_and_by_the_command(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = gantlet.load(run, recipe="toy_translation:same")
    given = torch.rand(1, 30, 700) * 2 - 1
    torch.testing.assert_close(model.apply(given), given)
    source = put(tmp_path / "in" / "a.png", noise(40, 50, 1))
    words = ["apply", str(run), str(source), "--out", str(tmp_path / "b.png"), "--recipe", "toy_translation:same"]
    assert main([*words, "--shift", "0.5", "--strength=0.5"]) == 0
    told = capsys.readouterr()
    assert "Wrote 1 picture to" in told.out
    assert "100%" in told.err
    made = read_picture(tmp_path / "b.png").pixels
    # Digits have 17 grey levels; pictures of a person's own have the 256 that 8 bits hold.
    expected = np.clip(noise(40, 50, 1).astype(float) + 0.25 * 127.5, 0, 255)
    assert abs(made[0] - expected).max() <= 1
    assert main([*words, "--shift", "-0.5", "--window", "-100,355", "--quiet"]) == 0
    expected = np.clip(noise(40, 50, 1).astype(float) - 0.25 * 455, 0, 255)
    assert abs(read_picture(tmp_path / "b.png").pixels[0] - expected).max() <= 1
    assert main([*words, "--quiet"]) == 0
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png").pixels[0], noise(40, 50, 1))


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy"])
@pytest.mark.parametrize("channels", [1, 3])
def test_depth_is_kept_whatever_the_model_was_trained_on(tmp_path: Path, kind: str, suffix: str, channels: int) -> None:
    if (kind, suffix) == ("float32", ".png"):
        return
    given = noise(20, 31, channels, kind=kind)
    source = put(tmp_path / f"a{suffix}", given)
    apply_pictures(model_of("same", channels), source, tmp_path / "out")
    again = read_picture(tmp_path / "out" / f"a{suffix}", channels).pixels[0]
    assert again.dtype == kind
    np.testing.assert_allclose(again, given, atol=1e-7 if kind == "float32" else 0)


def test_transparency_is_untouched_and_grows_with_the_picture(tmp_path: Path) -> None:
    given = noise(20, 30, 4)
    (tmp_path / "a.png").write_bytes(encode_png(given))
    apply_pictures(model_of("same", 3), tmp_path / "a.png", tmp_path / "b.png", shift="0.5")
    made = read_picture(tmp_path / "b.png")
    np.testing.assert_array_equal(made.alpha[0], given[..., 3:])
    assert (made.pixels[0] != given[..., :3]).any()
    given[..., 3] = np.linspace(0, 255, 30).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(given))
    apply_pictures(model_of("enlarge", 3), tmp_path / "a.png", tmp_path / "c.tif")
    made = read_picture(tmp_path / "c.tif")
    np.testing.assert_array_equal(made.pixels[0], given[..., :3].repeat(2, 0).repeat(2, 1))
    assert made.alpha.shape == (1, 40, 60, 1)
    assert abs(made.alpha[0, 5, ::2, 0].astype(int) - given[5, :, 3]).max() <= 5


def test_a_folder_keeps_names_kinds_and_order(tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.tif", "sub/deep/c.npy"):
        put(tmp_path / "in" / name, noise(12, 13, 1))
    Image.fromarray(noise(12, 13)).save(tmp_path / "in" / "d.jpg")
    done = apply_pictures(model_of("blur"), tmp_path / "in", tmp_path / "out")
    made = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*"))
    assert made == ["a.png", "d.png", "sub/b.tif", "sub/deep/c.npy"]
    assert (done.files, done.frames) == (4, 4)


def test_clips_from_gifs_and_numbered_frames(tmp_path: Path) -> None:
    frames = np.zeros((12, 10, 11, 3), np.uint8)
    frames[:] = (np.arange(12) * 20)[:, None, None, None]
    write_picture(tmp_path / "clip.gif", Picture(frames, times=[70] * 12))
    done = apply_pictures(model_of("same", 3), tmp_path / "clip.gif", tmp_path / "made.gif")
    made = read_picture(tmp_path / "made.gif")
    np.testing.assert_array_equal(made.pixels, frames)
    assert made.times == [70] * 12
    assert (done.files, done.frames) == (1, 12)
    for number, frame in enumerate(frames):
        put(tmp_path / "frames" / f"f{number}.png", frame)  # f10 after f9, not after f1
    apply_pictures(model_of("same", 3), tmp_path / "frames", tmp_path / "again.gif")
    np.testing.assert_array_equal(read_picture(tmp_path / "again.gif").pixels, frames)


def test_masks_for_one_and_for_many(tmp_path: Path) -> None:
    model = model_of("fill")
    hole = np.zeros((20, 30, 1), np.uint8)
    hole[5:9, 7:20] = 255
    given = put(tmp_path / "in" / "a.png", noise(20, 30, 1)).parent
    put(tmp_path / "in" / "b.png", noise(20, 30, 1, seed=1))
    one = put(tmp_path / "hole.png", hole)
    for mask in (one, put(tmp_path / "holes" / "a.png", hole).parent):
        put(tmp_path / "holes" / "b.png", hole)
        apply_pictures(model, given, tmp_path / "out", Extras(mask=mask))
        for name, seed in (("a", 0), ("b", 1)):
            made = read_picture(tmp_path / "out" / f"{name}.png").pixels[0]
            np.testing.assert_array_equal(made, np.where(hole > 0, 0, noise(20, 30, 1, seed=seed)))
    apply_pictures(model, given, tmp_path / "out", Extras(mask=one), strength=0.5)
    assert (read_picture(tmp_path / "out" / "a.png").pixels[0][hole > 0] == 128).all()


def test_a_window_of_raw_values_is_inverted_exactly(tmp_path: Path) -> None:
    physical = np.linspace(-1000, 2000, 400, dtype=np.float32).reshape(20, 20, 1)
    source = put(tmp_path / "a.npy", physical)
    apply_pictures(model_of("same"), source, tmp_path / "b.npy", Extras(window=(-1000, 1000)))
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), physical.clip(-1000, 1000), atol=1e-3)
    deep = put(tmp_path / "a.png", noise(9, 9, 1, kind="uint16"))
    apply_pictures(model_of("same"), deep, tmp_path / "b.png", Extras(window=(1000, 5095)))
    np.testing.assert_array_equal(
        read_picture(tmp_path / "b.png").pixels[0], noise(9, 9, 1, kind="uint16").clip(1000, 5095)
    )


def test_twelve_bits_in_sixteen_are_what_the_model_saw_unless_there_are_more(tmp_path: Path) -> None:
    model = model_of("same", intensity={"low": 0, "high": 4095, "dtype": "uint16"})
    for top, added in ((4095, 4095 / 4), (4096, 65535 / 4)):  # .5 of a range of 2
        given = np.array([[0, top], [1000, 2000]], np.uint16)[..., None]
        apply_pictures(model, put(tmp_path / "a.png", given), tmp_path / "b.png", shift=0.5)
        made = read_picture(tmp_path / "b.png").pixels[0]
        np.testing.assert_array_equal(made, np.rint((given + added).clip(0, 4095 if top == 4095 else 65535)))


def test_a_model_of_two_kinds_gives_its_targets_values(tmp_path: Path) -> None:
    """MR into CT: bytes go in, Hounsfield units come out."""
    units = {"low": -1000.0, "high": 3000.0, "dtype": "float32"}
    model = model_of("same", source_intensity={"low": 0, "high": 255, "dtype": "uint8"}, target_intensity=units)
    source = put(tmp_path / "a.png", np.array([[0, 255], [51, 102]], np.uint8)[..., None])
    apply_pictures(model, source, tmp_path / "b.tif")
    np.testing.assert_allclose(
        read_picture(tmp_path / "b.tif").pixels[0, ..., 0], [[-1000, 3000], [-200, 600]], atol=0.1
    )
    apply_pictures(model, source, tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a.tif"]  # floats are no PNG


def test_metrics_with_a_mean_line_and_a_sheet(tmp_path: Path) -> None:
    for number in range(3):
        put(tmp_path / "in" / f"{number}.png", noise(30, 40, 3, seed=number))
        put(tmp_path / "wanted" / f"{number}.png", noise(30, 40, 3, seed=number) // 2)
    extras = Extras(references=tmp_path / "wanted", metrics=tmp_path / "m.csv", sheet=tmp_path / "s.png", crop=2)
    done = apply_pictures(model_of("same", 3), tmp_path / "in", tmp_path / "out", extras)
    with (tmp_path / "m.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["0", "1", "2", "mean"]
    error = noise(30, 40, 3)[2:-2, 2:-2].astype(float) - noise(30, 40, 3)[2:-2, 2:-2] // 2
    assert float(rows[0]["psnr"]) == pytest.approx(10 * np.log10(255**2 / (error**2).mean()), abs=1e-3)
    assert float(rows[3]["mae"]) == pytest.approx(sum(float(row["mae"]) for row in rows[:3]) / 3, rel=1e-4)
    assert done.means["ssim"] == pytest.approx(float(rows[3]["ssim"]), rel=1e-4)
    assert any("border of 2" in line for line in done.protocol)
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.size == (3 * 258 + 2, 3 * 258 + 2)
        assert sheet.getpixel((10 + 256, 128)) != (0, 0, 0)


def test_medical_files_keep_units(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = np.random.default_rng(0).integers(-1000, 1000, size=(12, 10, 3)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([0.5, 0.5, 2.0, 1.0])), tmp_path / "v.nii.gz")
    done = apply_pictures(model_of("same"), tmp_path / "v.nii.gz", tmp_path / "out", Extras(window=(-1000, 1000)))
    again = nibabel.load(tmp_path / "out" / "v.nii.gz")
    np.testing.assert_allclose(np.asarray(again.dataobj), volume, atol=1e-3)
    assert again.header.get_zooms() == (0.5, 0.5, 2.0)
    assert (done.files, done.frames) == (1, 3)


def test_grey_pictures_suit_models_of_colour_and_the_reverse_if_grey(tmp_path: Path) -> None:
    grey = noise(9, 9, 1)
    source = put(tmp_path / "a.png", grey)
    apply_pictures(model_of("same", 3), source, tmp_path / "b.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png").pixels[0], grey.repeat(3, 2))
    apply_pictures(model_of("same", 1), tmp_path / "b.png", tmp_path / "c.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "c.png").pixels[0], grey)


def test_values_are_rounded_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between networks and pixels they are float64, several times: all at once they took more than the picture."""
    intensity = Intensity(0.0, 255.0, "uint8")
    made = torch.rand(1, 1, 100, 7) * 2 - 1

    class Run:
        channels, intensities, tiling = 1, (intensity, intensity), None

        def rows(self, *_: object) -> list[tuple[int, torch.Tensor]]:
            return [(0, made)]

    seen: list[int] = []

    def watched(rows: torch.Tensor, target: Intensity) -> np.ndarray:
        seen.append(len(rows))
        return intensity.to_raw(rows)

    monkeypatch.setattr(pictures, "to_raw", watched)
    result = pictures.translate(Run(), Picture(np.zeros((1, 100, 7, 1), np.uint8)))  # type: ignore[arg-type]
    assert max(seen) <= pictures.STRIP < 100
    assert np.array_equal(result.made.pixels[0], intensity.to_raw(made[0].permute(1, 2, 0)))


def test_a_classifier_writes_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    words = ["train", "classifier", "--quick", "--data", "digits", "--out", str(run), "--steps", "2", "--quiet"]
    assert main([*words, "--device", "cpu"]) == 0
    assert main(["apply", str(run), "digits", "--out", str(tmp_path / "classes.csv")]) == 0
    with (tmp_path / "classes.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 1437  # the training split
    assert set(rows[0]) == {"number", "class", "probability"}
    capsys.readouterr()
    picture = put(tmp_path / "a.png", noise(8, 8, 1))
    assert main(["apply", str(run), str(picture), "--out", str(tmp_path / "b.png")]) == 2
    assert "--out CLASSES.csv" in capsys.readouterr().err
    assert main(["apply", str(run), "digits", "--out", str(tmp_path / "c.csv"), "--sheet", "s.png"]) == 2
    assert "--sheet belongs to pictures" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", "digits"]) == 2
    told = capsys.readouterr().err
    assert "not generative" in told
    assert "Training" not in told  # of a judge
    assert main(["apply", str(run), "digits", "--out", str(tmp_path / "new" / "folder" / "C.CSV")]) == 0
    assert (tmp_path / "new" / "folder" / "C.CSV").read_bytes() == (tmp_path / "classes.csv").read_bytes()


def test_a_table_of_classes_can_leave_damaged_pictures_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    words = ["train", "classifier", "--quick", "--data", "digits", "--out", str(run), "--steps", "1", "--quiet"]
    assert main([*words, "--device", "cpu"]) == 0
    put(tmp_path / "in" / "a.png", noise(8, 8, 1))
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    words = ["apply", str(run), str(tmp_path / "in"), "--out", str(tmp_path / "c.csv")]
    capsys.readouterr()
    assert main(words) == 2
    assert "--skip-broken" in capsys.readouterr().err
    assert main([*words, "--skip-broken"]) == 0
    assert len((tmp_path / "c.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (model_of("same"), "no table of classes"),
        (model_of("same", classes=["a", "b"]), "no table of classes"),
        (model_of("same", facts={"channels": 1}, classes=["a"]), "not trained on pictures"),
        (model_of("same", facts={"channels": 1, "resolution": 8, "frame_rate": 9.0}, classes=["a"]), "not trained on"),
    ],
)
def test_models_that_are_no_classifier_of_pictures_write_no_classes(model: Model, said: str, tmp_path: Path) -> None:
    put(tmp_path / "a.png", noise(8, 8, 1))
    with pytest.raises(gantlet.UserError, match=said):
        apply_file(model, tmp_path / "a.png", tmp_path / "c.csv")
    assert not (tmp_path / "c.csv").exists()


LARGE = """
import resource
import sys

sys.path.insert(0, sys.argv[1])
import numpy as np
from models import model_of
from pathlib import Path
from gantlet.applying.pictures import Extras, apply_pictures
from gantlet.media.tiff import encode_tiff

folder = Path(sys.argv[2])
(folder / "a.tif").write_bytes(encode_tiff(np.zeros((3000, 4000, 3), np.uint8)))
apply_pictures(model_of("same", 3), folder / "a.tif", folder / "b.tif", Extras(sheet=folder / "s.png"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_twelve_million_pixels_take_less_than_one_and_a_half_gibibytes(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LARGE, str(Path(__file__).parent), str(tmp_path)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 1.5 * 2**20
    assert read_picture(tmp_path / "b.tif").size == (3000, 4000)
