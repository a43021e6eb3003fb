"""The next commands of a report: those that the run's recipe understands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gantlet.recipes import NAMES, catalogue
from gantlet.report import write_report
from gantlet.report.commands import next_commands


@pytest.mark.parametrize("name", NAMES)
def test_they_are_what_the_recipe_can_do(name: str) -> None:
    tiny = catalogue.tiny_settings(name)
    recipe = catalogue.build(name, catalogue.resolve(name, tiny, False, tiny))
    kind = catalogue.data_kind(name)
    verbs = [command.split()[1] for command in next_commands(name, kind, "RUN", "DATA")]
    draws = recipe.sample is not None
    assert ("sample" in verbs) == draws
    assert ("interpolate" in verbs) == (draws and kind not in ("lines", "passages"))
    assert ("evaluate" in verbs) == (draws or name == "text_style")
    assert ("apply" in verbs) == (not draws and name != "clip_classifier")


@pytest.mark.parametrize(
    ("recipe", "kind", "said", "unsaid"),
    [
        ("dcgan", None, "gantlet interpolate {run} --out interpolation.png", "apply"),
        ("relgan", "lines", "gantlet sample {run} --num 64 --out samples.txt", "interpolate"),
        ("pix2pix", "pairs", "gantlet apply {run} picture.png --out made.png", "evaluate"),
        ("classifier", None, "gantlet apply {run} &#x27;my data&#x27; --out classes.csv", "sample"),
        ("mine:gan", None, "gantlet sample {run} --num 64 --out samples.npz --recipe mine:gan", "apply"),
    ],
)
def test_a_page_shows_them(recipe: str, kind: str | None, said: str, unsaid: str, tmp_path: Path) -> None:
    data = {"name": "my data", "source": "my data", **({} if kind is None else {"kind": kind})}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe, "data": data}))
    page = write_report(tmp_path).read_text()
    assert said.format(run=tmp_path) in page
    assert f"gantlet {unsaid}" not in page


def test_a_recipe_without_any_has_no_section(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"recipe": "clip_classifier", "data": {"kind": "clips"}}))
    assert "Next commands" not in write_report(tmp_path).read_text()
