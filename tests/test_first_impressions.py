"""What starting the command does to a machine: no socket, no process, no file, no torch. And names misspelt."""

from __future__ import annotations

import string
import subprocess
import sys
from pathlib import Path

import pytest

from gantlet import errors
from gantlet.cli import main
from gantlet.recipes import NAMES
from gantlet.remedies import NAMES as REMEDIES

VERBS = (
    "train", "sample", "evaluate", "interpolate", "apply", "features", "encode", "reconstruct", "project", "explore",
    "curve", "augment", "augment-report", "inspect", "report", "list", "show",
)  # fmt: skip

WATCHED = """
import os, sys
sys.dont_write_bytecode = True
seen = []

def watch(event, arguments):
    if event.startswith(("socket.", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "url")):
        seen.append(event)
    elif event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
        seen.append(f"wrote {arguments[0]}")
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"):
        seen.append(event)

sys.addaudithook(watch)
"""


HEAVY = ("torch", "numpy", "sklearn", "PIL", "tensorboard", "wandb")
SOURCE = Path(__file__).parents[1] / "src"


def watched(code: str, folder: Path) -> str:
    """Run code in a new interpreter; return its last line."""
    run = subprocess.run(
        [sys.executable, "-c", WATCHED + code], capture_output=True, text=True, timeout=120, cwd=folder
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip().split("\n")[-1]


def test_help_of_every_verb_touches_nothing_and_needs_no_torch(tmp_path: Path) -> None:
    code = f"""
from gantlet.cli import main
for words in ([], ["--help"], ["--version"], *([verb, "--help"] for verb in {VERBS!r})):
    try:
        main(words)
    except SystemExit as stop:
        assert stop.code == 0
print(seen, [name for name in {HEAVY!r} if name in sys.modules])
"""
    assert watched(code, tmp_path) == "[] []"
    assert list(tmp_path.iterdir()) == []


def test_every_verb_is_looked_at() -> None:
    run = subprocess.run([sys.executable, "-m", "gantlet.cli", "--help"], capture_output=True, text=True, check=True)
    named = {line.split()[1] for line in run.stdout.splitlines() if line.startswith("  gantlet ")}
    assert named == set(VERBS)


def test_importing_all_that_is_public_writes_nothing(tmp_path: Path) -> None:
    """torch itself may look for a temporary folder; nothing is kept, and nothing is asked of the network."""
    code = "import gantlet\nfor name in gantlet.__all__:\n    getattr(gantlet, name)\nprint(seen)"
    assert watched(code, tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []


def test_no_import_of_ours_opens_a_socket_or_writes(tmp_path: Path) -> None:
    files = sorted((SOURCE / "gantlet").rglob("*.py"))
    modules = [".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for path in files]
    code = f"import importlib\nfor module in {modules}:\n    importlib.import_module(module)\nprint(seen)"
    assert watched(code, tmp_path) == "[]"
    assert list(tmp_path.iterdir()) == []


def test_the_watcher_sees(tmp_path: Path) -> None:
    assert watched("import socket; socket.socket().close(); print(seen)", tmp_path) == "['socket.__new__']"
    assert watched("open('x', 'w').close(); print(seen)", tmp_path) == "['wrote x']"
    assert "subprocess.Popen" in watched("import subprocess; subprocess.run(['true']); print(seen)", tmp_path)


@pytest.mark.parametrize(
    "words",
    ["train gan --data digits --out OUT --steps inf", "train gan --data digits --out OUT --steps 1e400",
     "train gan --data digits --out OUT --steps 2 --lr nan", "train gan --data digits --out OUT --steps 2 --lr inf",
     "train gan --data digits --out OUT --seconds nan", "sample OUT --num -inf --out x.npz"],
)  # fmt: skip
def test_infinity_and_nan_are_no_numbers(words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.replace("OUT", str(tmp_path / "out")).split()) == 2
    assert capsys.readouterr().err.startswith("gantlet: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("known", [list(NAMES), list(VERBS), list(REMEDIES)], ids=["recipes", "verbs", "remedies"])
def test_a_name_with_one_wrong_letter_is_recognised(known: list[str]) -> None:
    """Every omission, doubling, swap and some replacements: the right name comes first in 95 % of them and more."""
    right = asked = 0
    for name in known:
        typos = {name[:i] + name[i + 1 :] for i in range(len(name))}
        typos |= {name[:i] + name[i] + name[i:] for i in range(len(name))}
        typos |= {name[:i] + name[i + 1] + name[i] + name[i + 2 :] for i in range(len(name) - 1)}
        typos |= {name[:i] + string.ascii_lowercase[(7 * i + len(name)) % 26] + name[i + 1 :] for i in range(len(name))}
        for typo in typos - set(known):
            asked += 1
            right += errors.suggest(typo, known) == f" Did you mean '{name}'?"
    assert right / asked >= 0.95, f"{right} of {asked}"


BROKEN = """
import sys

class Broken:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("soundfile", "av", "nibabel", "pydicom", "tensorboard", "wandb", "rich"):
            raise {error}("broken on purpose")

sys.meta_path.insert(0, Broken())
import re
from pathlib import Path
import gantlet
from gantlet.errors import UserError
from gantlet.media import audio, clip, film, medical
from gantlet.report import choose_status, tensorboard_tracker, wandb_tracker

sys.stderr.isatty = lambda: True
print(type(choose_status()).__name__, film.there())
Path("a.flac").write_bytes(b"fLaC" + bytes(50))
for read, name in (
    (audio.read_sound, "a.flac"), (lambda path: clip.open_clip(path, ".mp4", path).read(), "a.mp4"),
    (medical.read_nifti, "a.nii"), (medical.read_dicom, "a.dcm"),
):
    Path(name).touch()
    try:
        read(Path(name))
    except UserError as error:
        print(bool(re.search("pip install .*[[](audio|video|medical)[]]", str(error))), name in str(error))
said = []
for tracker in (tensorboard_tracker(Path("tb"), warn=said.append), wandb_tracker(Path("wb"), {{}}, warn=said.append)):
    tracker.scalars({{"x": 1.0}}, 1)
    tracker.close()
print(all("the run goes on without it" in each for each in said), len(said))
"""


@pytest.mark.parametrize("error", ["ImportError", "RuntimeError", "OSError", "AttributeError"])
def test_optional_libraries_may_fail_with_anything(error: str, tmp_path: Path) -> None:
    """A registry build of torchvision that does not fit its torch raises RuntimeError, soundfile without its C library
    OSError: what needs them says so, all else works."""
    code = BROKEN.format(error=error)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    first, *files, trackers = run.stdout.strip().splitlines()
    assert first == "PlainStatus False"
    assert files == ["True True"] * 4
    assert trackers == "True 2"
