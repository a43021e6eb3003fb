"""docs/remedies.md shows every remedy, with options it has and the source its module names."""

from __future__ import annotations

import re
from pathlib import Path

from gantlet.recipes import catalogue, signs
from gantlet.remedies import NAMES
from gantlet.remedies import catalogue as remedial

PAGE = Path(__file__).parents[2] / "docs" / "remedies.md"
ROW = re.compile(r"^\| [^|]+ \| [^|]+ \| `--remedy ([^`]+)` \| ([^|]+) \|$", re.MULTILINE)


def test_the_page_has_a_row_for_every_remedy() -> None:
    rows = ROW.findall(PAGE.read_text())
    shown = [remedial.read([word]) for word, _ in rows]
    assert sorted(name for entry in shown for name in entry) == sorted(NAMES)
    for entry, (_, source) in zip(shown, rows, strict=True):
        (name,) = entry
        assert remedial.resolve(entry, 100)
        text = catalogue.description(remedial.find(name))
        assert set(re.findall(r"\d{4}\.\d{5}", source)) <= set(re.findall(r"\d{4}\.\d{5}", text)), name


def test_what_signs_recommend_exists() -> None:
    said = " ".join(
        str(message)
        for message in (
            signs.collapse({"G/diversity": 0.1}),
            signs.all_knowing_discriminator({"D/accuracy": 1.0, "G/gradient_norm": 1e-4}),
            signs.learnt_by_heart({"D/overfitting": 0.9}),
        )
    )
    named = re.findall(r"--remedy ((?:\w+(?:, | or )?)+)", said)
    words = {word for part in named for word in re.split(r", | or ", part)}
    assert {"minibatch_std", "packing", "instance_noise", "ada"} <= words
    assert {word for word in words if "_" in word} <= set(NAMES)
