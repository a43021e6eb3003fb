"""What the documentation shows works: its commands and code run (at tiny budgets), its links lead somewhere."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image
from torch.distributed.run import get_args_parser

import gantlet
from gantlet import judging
from gantlet.cli import main
from gantlet.cli_train import verb_train
from gantlet.data import ImageData
from gantlet.data.known import NAMES as KNOWN_DATA
from gantlet.data.sounds import Sounds
from gantlet.engine.health import vanishing_or_exploding
from gantlet.media.wav import WavWriter
from gantlet.metrics import Features, random_features
from gantlet.parsing import split_recipe_options
from gantlet.recipes import NAMES, catalogue, signs
from gantlet.recipes.choose import choose

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks" / "README.md"])
CHINESE = ROOT / "README.zh-CN.md"
DOWNLOADED = {name for name in KNOWN_DATA if name != "digits"}


class Block(NamedTuple):
    """A fenced block of a page: its language and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page that hold commands or Python, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return [Block(language, text) for language, text in found if language in ("sh", "console", "python")]


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the words of each command of a block; a `console` block marks them with a dollar."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if block.language == "console":
            if not line.startswith("$ "):
                continue
            line = line[2:]
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            assert words[0] == "PYTHONPATH=examples", f"{words[0]} is not set up here"
            del words[0]
        if words:
            yield words


def tiny(words: list[str]) -> list[str]:
    """Return a `gantlet` command at a size for tests: two steps, few samples, no downloads, no progress."""
    verb, *rest = words
    short: list[str] = []
    for i, word in enumerate(rest):
        before = rest[i - 1] if i else ""
        if before in ("--seconds", "--samples", "--steps") and verb in ("train", "augment"):
            short[-1:] = ["--steps", "2"]
        elif before == "--target" and verb == "augment":
            short.append("17")  # of 16 in each class
        elif before == "--num":
            short.append(str(min(int(word), 40)))
        else:
            short.append("digits" if word in DOWNLOADED else word)
    if verb == "train":
        short += ["--device", "cpu", "--quiet"]
    if verb == "augment":  # two steps make nothing that a classifier would believe
        short += ["--confidence", "0", "--classifier-samples", "64", "--quiet"]
    if verb == "augment-report":
        short += ["--seeds", "2", "--samples", "64", "--quiet"]
    if verb == "evaluate" and "--num" not in short:
        short += ["--num", "40"]
    return [verb, *short]


def tiny_code(text: str) -> str:
    """Return Python at a size for tests."""
    text = re.sub(r"\b(seconds|samples|steps)=[\d_.]+", "steps=2", text)
    return re.sub(r"\bnum=[\d_]+", "num=40", text)


def run_command(words: list[str]) -> None:
    """Run a command of ours in this process; of others check that what they name is there."""
    if words[0] == "torchrun":
        check_torchrun(words)
        words = words[words.index("--no-python") + 1 :]
        words = words[words[0] == "--" :]
    if words[0] == "gantlet":
        assert main(tiny(words[1:])) == 0, shlex.join(words)
    elif words[0] == "make":
        assert all(re.search(rf"^{target}:", makefile(), re.MULTILINE) for target in words[1:]), words
    elif words[:2] == ["pip", "install"]:
        check_install(words[2:])
    else:
        pytest.fail(f"nothing here checks the command {shlex.join(words)}")


def check_torchrun(words: list[str]) -> None:
    """Check that torchrun knows these options and takes what follows for the program's."""
    found = get_args_parser().parse_args(words[1:])
    assert [found.training_script, *found.training_script_args] == words[words.index("gantlet") :]


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def check_install(words: list[str]) -> None:
    """Check that a `pip install` names this project, extras it has, and files that are there."""
    for before, word in zip(["", *words], words):
        if before == "-c":
            assert (ROOT / word).is_file()
        elif not word.startswith("-"):
            extras = re.fullmatch(r"\.(?:\[([\w,]+)\])?", word)  # by name only once there is a release
            assert extras, word
            for extra in (extras[1] or "").split(","):
                assert not extra or re.search(rf"^{extra} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures and recordings under `path/to`; judging by random features, which need no training."""
    random = np.random.default_rng(0)
    for kind in ("cats", "dogs"):
        folder = tmp_path / "path" / "to" / "pictures" / kind
        folder.mkdir(parents=True)
        for i in range(20):
            Image.fromarray(random.integers(256, size=(8, 8, 3), dtype=np.uint8)).save(folder / f"{i}.png")

    for place in ("speech", "noise"):
        for i in range(6):
            with WavWriter(tmp_path / "path" / "to" / place / f"{i}.wav", 8000) as wav:
                wav.write(random.normal(0, 0.1, (1, 12_000)).astype(np.float32))

    words = ("a red bird sings .", "the old boat sleeps .", "one cat sees the bird .", "the boat is red .")
    (tmp_path / "path" / "to" / "lines.txt").write_text("\n".join(words * 20), "utf-8")

    def extractor(name: str, images: ImageData | Sounds, **options: Any) -> Features:
        return random_features(1 if isinstance(images, Sounds) else images.pixels.shape[3])

    monkeypatch.setattr(judging, "extractor", extractor)
    monkeypatch.syspath_prepend(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page) and page != CHINESE], ids=name)
def test_commands_and_code_run(page: Path, scratch: Path) -> None:
    """Each page stands alone: its blocks run one after the other in one folder, Python in one namespace."""
    namespace: dict[str, Any] = {}
    for number, block in enumerate(blocks(page)):
        if block.language == "python":
            script = scratch / f"block_{number}.py"
            script.write_text(tiny_code(block.text))
            namespace = runpy.run_path(str(script), init_globals=namespace)
        else:
            for words in commands(block):
                run_command(words)


def test_the_chinese_readme_shows_the_same() -> None:
    assert blocks(CHINESE) == blocks(ROOT / "README.md")
    assert links(CHINESE) >= {link for link in links(ROOT / "README.md") if "#" not in link and "zh-CN" not in link}
    found = numbers(CHINESE) ^ numbers(ROOT / "README.md")
    assert not found, f"in one of the two alone: {sorted(found)}"


def numbers(page: Path) -> set[str]:
    """Return the numbers of a page's prose and tables, code and addresses left out; not those that are words."""
    text = re.sub(r"^```.*?^```$|\]\([^)]*\)|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"(?<![\w.])\.?\d[\d,.]*\d|(?<![\w.])\.\d+", text))


def links(page: Path) -> set[str]:
    """Return where the links of a page lead, code left out."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\]\(([^)\s]+)\)", text))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual hosts make them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert not anchor or anchor in anchors(target), f"{link} has no such heading"


def test_every_decision_is_in_the_index() -> None:
    folder = ROOT / "docs" / "decisions"
    records = {page.name for page in folder.glob("*.md")} - {"README.md"}
    assert records == links(folder / "README.md")
    for record in records:
        text = (folder / record).read_text()
        assert text.startswith(f"# {int(record[:4])}. ")
        heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert heads == ["Context", "Decision", "Consequences", "Evidence"], record


@pytest.mark.parametrize("page", [ROOT / "README.md", CHINESE], ids=name)
def test_the_table_of_recipes_is_whole(page: Path) -> None:
    rows = re.findall(r"^\| (`\w+`[^|]*) \|[^|]*\|([^|]*)\|$", page.read_text("utf-8"), re.MULTILINE)
    papers = {recipe: paper for names, paper in rows for recipe in re.findall(r"`(\w+)`", names)}
    assert papers.keys() >= NAMES.keys()
    for recipe in NAMES:
        source = catalogue.paper(catalogue.find(recipe))
        assert set(re.findall(r"arXiv:[\d.]+\d", source)) <= set(re.findall(r"arXiv:[\d.]+\d", papers[recipe])), recipe


@pytest.mark.parametrize("classes", [0, 10])
def test_the_page_on_choosing_names_what_is_chosen(classes: int) -> None:
    page = (ROOT / "docs" / "choose-a-model.md").read_text()
    start = "With labels there are two answers." if classes else "Without labels there are three."
    paragraph = next(part for part in page.split("\n\n") if part.startswith(start))
    kinds = [(1, False), (1, True)] if classes else [(1, False), (3, False), (3, True)]
    chosen = [choose({"channels": c, "resolution": 28, "num_classes": classes}, 60_000, gpu) for c, gpu in kinds]
    assert re.findall(r"`(\w+)`", paragraph)[: len(kinds)] == [choice.recipe for choice in chosen]
    assert [choice.quick for choice in chosen] == [not gpu for _, gpu in kinds]
    facts = {"channels": 1, "resolution": 32, "num_classes": classes, "sample_rate": 8000, "length": 9}
    others = [choose({**facts, **more}, 9, False).recipe for more in ({}, {"num_frames": 9}, {"vocab_size": 9})]
    assert "Recordings are learnt by `{}`, clips by `{}`, text by `{}`".format(*others) in page


def test_the_page_on_health_quotes_what_is_said() -> None:
    page = " ".join((ROOT / "docs" / "healthy.md").read_text().split())
    said = [
        signs.collapse({"G/diversity": 0.1}),
        signs.all_knowing_discriminator({"D/accuracy": 1.0, "G/gradient_norm": 1e-4}),
        signs.dead_discriminator({"D/logit_spread": 1e-5}),
        signs.learnt_by_heart({"D/overfitting": 0.9}),
        *vanishing_or_exploding({"G/gradient_norm": 1e-8, "D/gradient_norm": 1e5}),
    ]
    starts = ["The samples look alike", "D is all-knowing", "D is dead: its logits hardly vary"]
    starts += ["D learns the pictures by heart"]
    starts += ["'s gradient has vanished", "'s gradient explodes"]
    for message, start in zip(said, starts, strict=True):
        assert message is not None
        assert start in message
        assert start in page


def test_the_page_on_run_folders_names_every_file_and_key(scratch: Path) -> None:
    page = (ROOT / "docs" / "run-folder.md").read_text()
    code = " ".join(re.findall(r"`([^`\n]+)`", page)) + " ".join(re.findall(r"^```\n(.*?)^```", page, re.M | re.S))
    words = set(re.findall(r"[\w.\-]+", code))
    assert main(["train", "--data", "digits", "--out", "run", "--steps", "2", "--quiet", "--device", "cpu"]) == 0
    assert main(["evaluate", "run", "--data", "digits", "--num", "40"]) == 0
    run = Path("run")
    newest = run / "checkpoints" / "step-2"
    for path in [*run.iterdir(), *newest.iterdir()]:
        assert re.sub("optimizer-[GD]", "optimizer-", path.name) in words | {"optimizer-.safetensors"}, path
    record = json.loads((run / "run.json").read_text())
    state = json.loads((newest / "state.json").read_text())
    evaluation = json.loads((run / "evaluations.jsonl").read_text().splitlines()[-1])
    keys = {*record, *record["data"], *record["run"], *state, *state["counters"], *evaluation} - {"optimizers", "event"}
    assert keys <= words, keys - words


def test_the_page_on_clusters_shows_scripts_that_parse() -> None:
    """Shell that no machine of ours can run: bash reads it, torchrun knows its options, gantlet those behind."""
    page = (ROOT / "docs" / "cluster.md").read_text()
    scripts = re.findall(r"^```bash\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    scripts += [" ".join(text.split()) for text in re.findall(r"- >-\n((?: {14}.*\n)+)", page)]
    assert len(scripts) == 2
    for script in scripts:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
        line = next(line for line in script.replace("\\\n", " ").splitlines() if "torchrun" in line)
        line = line.replace("echo false)", "echo_false)").replace("&& echo true ||", "")
        words = shlex.split(re.sub(r"\$\(.*?\)", "value", line))
        check_torchrun(words[words.index("torchrun") :])
        words = words[words.index("gantlet") + 1 :]
        rest, options = split_recipe_options(verb_train(), words[1:])
        assert verb_train().parse_args(rest)
        assert words[0] == "train"
        assert options == {}


def test_three_lines(scratch: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["three_lines.py", "digits", "runs/three", "0.1"])
    runpy.run_path(str(ROOT / "examples" / "three_lines.py"), run_name="__main__")
    assert "16 samples of [1, 8, 8], 4 walks of 8 pictures" in capsys.readouterr().out
    assert gantlet.load("runs/three").sample(2).shape == (2, 1, 8, 8)


def test_a_recipe_of_ones_own(scratch: Path) -> None:
    """Its penalty is lazy: it runs on the first step and is a phase of its own."""
    recipe = "own_recipe:pocket_gan"
    words = ["train", recipe, "--data", "path/to/pictures", "--out", "runs/own", "--steps", "3", "--quiet"]
    assert main([*words, "--device", "cpu", "--width", "4", "--r1-every", "2"]) == 0
    record = json.loads(Path("runs/own/run.json").read_text())
    assert (record["recipe"], record["settings"]) == (recipe, "own")
    assert record["arguments"]["channels"] == 3
    readings = [json.loads(line) for line in Path("runs/own/log.jsonl").read_text().splitlines()]
    assert any("D/r1" in reading for reading in readings)
    built = catalogue.build(recipe, catalogue.tiny_settings(recipe))
    assert [(phase.player, phase.every) for phase in built.phases] == [("D", 1), ("D", 16), ("G", 1)]


def test_constraints_pin_everything_that_is_asked_for() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pattern = r'([\w\-]+)==[\d.]+(; python_version (?:<|>=) "3\.1[12]")?'
    matches = [re.fullmatch(pattern, line) for line in lines]
    assert all(matches), [line for line, match in zip(lines, matches) if match is None]
    pinned = {match[1].lower().replace("_", "-") for match in matches if match is not None}
    project = (ROOT / "pyproject.toml").read_text()
    asked = set(re.findall(r'^    "([\w\-]+)>=', project, re.MULTILINE))
    assert {"torch", "pytest"} <= asked <= pinned
    assert "torchvision" not in pinned


def test_the_changelog_has_this_version() -> None:
    assert f"## {gantlet.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_pages_of_recipes_are_those_that_their_files_make(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    wanted = runpy.run_path(str(ROOT / "benchmarks" / "recipe_pages.py"))["pages"]()
    folder = ROOT / "docs" / "recipes"
    assert {path.name for path in folder.glob("*.md")} == set(wanted)
    old = [name for name, text in wanted.items() if (folder / name).read_text() != text]
    assert not old, f"run `python benchmarks/recipe_pages.py write`: {', '.join(old)}"
