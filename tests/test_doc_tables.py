"""The tables that the documentation shows hold the numbers of the benchmarks' rows, and nobody's typing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean as mean
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def results(benchmark: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{benchmark}.json").read_text())
    return found


def spine_row(label: str, seconds: str) -> list[str]:
    """Return the cells behind a recipe's name, from the rows of its three seeds."""
    stored = results("spine")
    rows = [stored[f"mnist/{label}/seed{seed}/{seconds}s"] for seed in range(3)]
    values = [row["judgement"]["values"] for row in rows]
    distances = [row["fid_over_floor"] for row in rows]
    form = ".0f" if mean(distances) >= 100 else ".1f"
    each = ", ".join(format(distance, form) for distance in distances)
    return [
        f"{seconds} s", f"{mean(distances):{form}} ({each})", f"{mean([value['coverage'] for value in values]):.2f}",
        f"{min(value['classes_covered'] for value in values)} of 10",
        f"{mean([row['samples_per_second'] for row in rows]):,.0f}",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "docs" / "choose-a-model.md"],
    ids=lambda page: page.name,
)
def test_the_table_of_the_spine_is_that_of_its_rows(page: Path) -> None:
    lines = re.findall(r"^\| (.+ \| \d+ s \| .+ \| \d+ (?:of|/) 10 \| .+) \|$", page.read_text("utf-8"), re.MULTILINE)
    shown = [[cell.replace(" / ", " of ") for cell in line.split(" | ")] for line in lines]
    labels = ["auto", "auto", "infogan-unconditional", *(cells[0].split("`")[1] for cells in shown[3:])]
    assert set(labels) == {key.split("/")[1] for key in results("spine")}
    assert [cells[1:] for cells in shown] == [spine_row(label, cells[1][:-2]) for label, cells in zip(labels, shown)]


def test_the_table_of_the_zoo_is_that_of_its_rows() -> None:
    stored = results("zoo")

    def cells(recipe: str) -> list[str]:
        found = [stored.get(f"{data}/{recipe}/60s-processor/seed0") for data in ("mnist", "fashion_mnist", "cifar10")]
        told = [(row["fid_over_floor"], row["classes"]) if row else None for row in found]
        first = found[0]
        return [
            "yes" if first["conditional"] else "no",
            *("" if pair is None else f"{pair[0]:{'.1f' if pair[0] < 9.95 else '.0f'}} ({pair[1]})" for pair in told),
            f"{first['samples_per_second']:,.0f}", f"{sum(first['parameters'].values()) / 1e6:.2f} M",
        ]  # fmt: skip

    page = (ROOT / "docs" / "choose-a-model.md").read_text()
    shown = re.findall(r"^\| `(\w+)` \| ((?:yes|no) \|.*) \|$", page, re.MULTILINE)
    assert {name for name, _ in shown} == {key.split("/")[1] for key in stored if "/60s-processor/seed0" in key}
    assert [[cell.strip() for cell in line.split("|")] for _, line in shown] == [cells(name) for name, _ in shown]


def test_the_table_of_few_pictures_is_that_of_its_rows() -> None:
    stored, page = results("little_data"), (ROOT / "docs" / "remedies.md").read_text()

    def column(arm: str, key: str) -> list[float]:
        return [stored[f"fashion_mnist-60/{arm}/240s-processor/seed{seed}"][key] for seed in range(3)]

    without = mean(column("none", "fid_over_floor"))
    pattern = r"^\| `?(little_data|ada|apa|none|lecam)\b\S* \| (\S+) \(([^)]*)\) \| (\S+) \| (\S+) \| (\S+) \|$"
    shown = re.findall(pattern, page, re.MULTILINE)
    assert [arm for arm, *_ in shown] == ["little_data", "ada", "apa", "none", "lecam"]
    for arm, middle, each, share, coverage, recall in shown:
        distances = column(arm, "fid_over_floor")
        assert (middle, each) == (f"{mean(distances):.1f}", ", ".join(f"{distance:.1f}" for distance in distances))
        assert float(share) == round(mean(distances) / without, 2)
        assert float(coverage) == round(mean(column(arm, "coverage")), 2)
        assert float(recall) == round(mean(column(arm, "recall")), 2)
