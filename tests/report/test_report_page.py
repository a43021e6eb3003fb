from __future__ import annotations

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from report_run import FACTS, PROTOCOL, evaluation, grid, make_run, write_lines

from gantlet.errors import UserError
from gantlet.report.numbers import METRICS, protocol_text
from gantlet.report.page import write_report

VOID = {"meta", "img", "br", "input", "path", "circle"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "my digits")


class Page(HTMLParser):
    """Collects what a test asks of a page, and checks that its elements close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.rows: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag == "tr":
            self.rows.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            return
        self.words += data
        if self.rows and "tr" in self.open:
            self.rows[-1] += data + "|"


def report(folder: Path) -> tuple[str, Page]:
    path = write_report(folder)
    assert path == folder / "report.html"
    text = path.read_text(encoding="utf-8")
    assert len(text) < 3_000_000
    return text, Page(text)


def pictures(page: Page) -> list[Image.Image]:
    found = []
    for link in page.links:
        match = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", link)
        if match:
            image = Image.open(io.BytesIO(base64.b64decode(match.group(2), validate=True)))
            image.load()
            found.append(image)
    return found


def test_a_whole_run(run: Path) -> None:
    text, page = report(run)
    assert "http://" not in text
    assert "https://" not in text
    assert all(link.startswith(("data:", "#")) for link in page.links)
    assert len(pictures(page)) == 2 + 12
    for word in ("r3gan on digits", "quick settings", "1,500 samples", "10 classes", "5d1c0f2e9b7a", "cpu (2 threads"):
        assert word in page.words
    assert "89 % of 10 min" in page.words or "90 % of 10 min" in page.words
    assert "gantlet train r3gan --data digits --out 'runs/my digits' --seconds 600" in page.words
    assert f"gantlet evaluate '{run}' --data digits" in page.words
    assert "2 health notes" in page.words
    for title in (
        "Losses and statistics of G",
        "Logits, real against fake",
        "Gradient norms",
        "Throughput",
        "FID, lower",
    ):
        assert title in page.words
    assert sorted(entry.name for entry in run.iterdir() if entry.name.startswith(".")) == []


def test_every_number_carries_its_protocol(run: Path) -> None:
    _, page = report(run)
    metrics = ("FID", "FID over floor", "KID", "Precision", "Recall", "Density", "Coverage", "Classes covered")
    rows = [row for row in page.rows if row.split("|")[0] in metrics]
    assert len(rows) == 8
    for row in rows:
        assert protocol_text(PROTOCOL) in row
    fid = next(row for row in rows if row.startswith("FID|lower"))
    assert "|8.173|4.2|8.173|at 192k|" in fid


def test_numbers_of_two_protocols_do_not_mix(run: Path) -> None:
    other = {**evaluation(3000), "protocol": {"extractor": "inception", "samples": 50000}}
    without = {**evaluation(3000), "protocol": {}, "numbers": {"fid": 123.456}}
    write_lines(run / "evaluations.jsonl", [evaluation(1000), evaluation(2000), other, without])
    _, page = report(run)
    assert sum("extractor inception; samples 50,000" in row for row in page.rows) == 8
    assert sum(protocol_text(PROTOCOL) in row for row in page.rows) == 8
    assert "123.5" not in page.words
    assert "1 evaluation(s) without a protocol" in page.words


def test_events_are_told_in_order(run: Path) -> None:
    _, page = report(run)
    story = page.words[page.words.index("What happened") :]
    places = [story.index(word) for word in ("2 in a row", "Health", "Went back", "Resumed", "4 in a row")]
    assert places == sorted(places)
    assert "D/adversarial is not finite; the discriminator may have diverged" in story
    assert "the run was continued from its last checkpoint" in story


def test_a_treatment_is_told_as_trouble(tmp_path: Path) -> None:
    event = {"event": "treatment", "step": 13, "message": "Halved all learning rates."}
    write_lines(tmp_path / "log.jsonl", [event])
    text, page = report(tmp_path)
    assert "Treated: Halved all learning rates." in page.words
    assert "1 health note" in page.words
    assert "<tr class=warn>" in text


RULES = [("log-mel: 64 bands", "FAD"), ("clip: 8 frames", "FVD"), ("native", "FID")]


@pytest.mark.parametrize(("resize", "name"), RULES)
def test_the_distance_of_sounds_and_clips_has_its_own_name(run: Path, resize: str, name: str) -> None:
    protocol = {**STORED["protocol"], "extractor": {"name": "random", "fingerprint": "d3", "resize": resize}}
    lines = [{**STORED, "samples": seen, "protocol": protocol} for seen in (100, 200)]
    write_lines(run / "evaluations.jsonl", lines)
    _, page = report(run)
    assert [row.split("|")[0] for row in page.rows if "over floor" in row] == [f"{name} over floor"]
    assert f"{name}, lower is better" in page.words
    assert all(other == name or other not in page.words for other in ("FID", "FAD", "FVD"))


def test_every_number_that_is_judged_has_a_title_and_most_a_direction() -> None:
    from gantlet.metrics import judgement, text_judgement

    rows = [key for key, *_ in (*judgement.ROWS, *text_judgement.ROWS)]
    previews = ["psnr", "flicker", "si_sdr", "si_sdr_improvement", "features_l1"]
    assert set(rows) | set(previews) <= set(METRICS)
    near_the_floor = {"clipping_share", "silence_share", "rms", "mean_length"}
    assert {name for name in METRICS if not METRICS[name].better} == near_the_floor


def test_an_empty_folder(tmp_path: Path) -> None:
    _, page = report(tmp_path)
    for word in ("just started", "No samples have been drawn yet", "No evaluation yet", "run.json is missing"):
        assert word in page.words


def test_a_run_that_has_only_just_started(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps(FACTS))
    (tmp_path / "log.jsonl").write_text("")
    (tmp_path / "samples").mkdir()
    _, page = report(tmp_path)
    assert "r3gan on digits" in page.words
    assert "this run has none yet" in page.words


def test_no_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no run folder"):
        write_report(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["run.json", "log.jsonl", "evaluations.jsonl", "reals.png", "samples/000192000.png"])
def test_a_run_killed_in_the_middle(run: Path, name: str) -> None:
    path = run / name
    content = path.read_bytes()
    for keep in (0, 1, len(content) // 2, len(content) - 3):
        path.write_bytes(content[:keep])
        report(run)
    path.unlink()
    report(run)


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {
            "recipe": {"name": "x", "arguments": {}},
            "data": "digits",
            "command": "gantlet train",
            "device": {"type": "cpu"},
        },
        {"recipe": None, "data": [], "options": {"budget": {"seconds": "many"}}, "started": 1e300, "versions": {}},
        {"data": {"name": "d", "count": "nan", "classes": 7}, "command": [1, None], "options": {"samples": 0}},
        {
            "recipe": "x",
            "reason": "small <images>",
            "command": [],
            "run": {"steps": 10},
            "data": {"name": "d", "classes": None},
        },
        {"recipe": "\ud800", "seed": None, "started": 1700000000},
    ],
)
def test_strange_facts(run: Path, facts: Any) -> None:
    (run / "run.json").write_text(json.dumps(facts))
    report(run)


@pytest.mark.parametrize(
    "record",
    [
        {"numbers": None, "protocol": PROTOCOL},
        {"numbers": {}, "floor": None, "protocol": PROTOCOL},
        {"numbers": {"fid": "nan", "new_metric": 3, "kid": None}, "floor": {"fid": "nan"}, "protocol": PROTOCOL},
        {"samples": "many", "numbers": {"fid": 1.0, "recall": True}, "protocol": "none"},
        {"samples": None, "numbers": {"fid": [1]}, "protocol": PROTOCOL},
    ],
)
def test_strange_evaluations(run: Path, record: dict[str, Any]) -> None:
    write_lines(run / "evaluations.jsonl", [record, record, {**evaluation(500), **record}])
    write_lines(
        run / "log.jsonl", [{"step": "x", "samples": "nan", "G/loss": "words"}, {"event": None}, {"event": [1]}]
    )
    report(run)


def test_text_cannot_become_markup(run: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>'\"><img src=x onerror=alert(2)>&amp;"
    facts = json.loads(json.dumps(FACTS).replace("digits", "EVIL"))
    text = json.dumps(facts).replace("EVIL", json.dumps(evil)[1:-1])
    for plain in ("r3gan", "quick", "5d1c0f2e9b7a44aa", "2.13.0+cpu", "2026-11-21T08:12:44", "cpu (2 threads, bf16)"):
        text = text.replace(plain, json.dumps(evil)[1:-1])
    (run / "run.json").write_text(text)
    nasty = evaluation(100)
    nasty["numbers"][evil] = 1.0
    nasty["protocol"] = {evil: {evil: [evil]}}
    write_lines(run / "evaluations.jsonl", [nasty, nasty])
    record = {"step": 1, "samples": 64, f"{evil}/{evil}": 1.0, f"{evil}/real_logits": 2.0, "D/" + evil: 3.0}
    event = {"event": evil, "step": 1, "samples": 2, "message": evil}
    write_lines(run / "log.jsonl", [record, event, {**event, "event": "health"}])
    folder = tmp_path / "runs" / "<img src=x onerror=alert(3)>"
    shutil.move(run, folder)
    before = Page((write_report(folder)).read_text())
    assert before.tags.count("script") == 1
    assert not any(link in ("x", "") for link in before.links)
    assert before.words.count("onerror") > 10


def test_large_pictures_are_made_small(run: Path) -> None:
    for path in run.glob("samples/*.png"):
        path.unlink()
    noise = Image.effect_noise((1300, 1300), 90).convert("RGB")
    noise.save(run / "reals.png", compress_level=1)
    for index in range(14):
        shutil.copy(run / "reals.png", run / "samples" / f"{index:09d}.png")
    text, page = report(run)
    assert len(text) < 3_000_000
    assert len(pictures(page)) == 14


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1"])
def test_pictures_of_any_kind(tmp_path: Path, mode: str) -> None:
    grid(tmp_path / "reals.png", 0.5, mode=mode)
    _, page = report(tmp_path)
    assert [image.size for image in pictures(page)] == [(64, 64)]


def test_a_failed_write_leaves_the_old_page(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(run)
    before = (run / "report.html").read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(run)
    assert (run / "report.html").read_bytes() == before
    assert not list(run.glob(".*"))


def test_the_room_imports_neither_torch_nor_its_neighbours() -> None:
    code = (
        "import sys, gantlet.report.page, gantlet.report.status, gantlet.report.trackers, gantlet.report.show\n"
        "lazy = ('torch', 'rich', 'numpy', 'tensorboard', 'wandb', 'gantlet.engine', 'gantlet.networks',"
        " 'gantlet.recipes', 'gantlet.losses')\n"
        "print([name for name in lazy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": _source()})
    assert done.stdout.strip() == "[]", done.stderr


def _source() -> str:
    return str(Path(__file__).parents[2] / "src")


STORED = {
    "step": 100,
    "samples": 6400,
    "values": {"fid": 6.8136, "kid": 0.0024655, "kid_std": 0.0017616, "classes_covered": 9, "num_classes": 10,
               "class_diversities": [0.1, 0.2]},
    "floor": {"fid": 6.629, "kid": -0.00088, "kid_std": 0.0015},
    "fid_over_floor": 1.0278,
    "absent": {"inception_score": "the extractor gives no logits", "floor inception_score": "same"},
    "warnings": ["random features order the samples of one run at best"],
    "protocol": {
        "extractor": {"name": "random features", "fingerprint": "d3eac2bf8ead", "resize": "native: no resizing"},
        "counts": {"samples": 300, "reference": 400, "floor": 300},
        "manifold": {"neighbours": 5},
        "reference_split": "digits/train",
        "floor_split": "digits/test",
        "source": "step-100, averaged",
    },
}  # fmt: skip


def test_a_judgement_as_the_metrics_room_stores_it(run: Path) -> None:
    later = {**STORED, "samples": 12800, "values": {"fid": 7.0}, "fid_over_floor": 1.056}
    later["protocol"] = {**STORED["protocol"], "source": "step-200, averaged"}  # type: ignore[dict-item]
    write_lines(run / "evaluations.jsonl", [STORED])
    _, page = report(run)
    line = "random features d3eac2bf; resize native; 300 samples (step-100, averaged) against 400 of digits/train"
    rows = [row for row in page.rows if line in row]
    assert [row.split("|")[0] for row in rows] == ["FID", "FID over floor", "KID", "Classes covered"]
    assert "|1.028|1|" in rows[1]
    assert "|0.002465|± 0.001762|-0.00088|± 0.0015|" in rows[2]
    assert "|9 of 10|" in rows[3]
    for words in ("Beware: random features order", "No Inception score: the extractor", "manifold.neighbours"):
        assert words in page.words
    write_lines(run / "evaluations.jsonl", [STORED, later])
    _, page = report(run)
    fid = next(row for row in page.rows if row.startswith("FID|"))
    assert "|7|6.629|6.814|at 6.4k|" in fid  # another origin of the samples is no other protocol
