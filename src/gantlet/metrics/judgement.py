"""What a judgement says: numbers with the floor beside them, never without the protocol they were made by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ROWS = (  # key, name, format; a name with @ takes the resize rule after it
    ("fid", "fid@", "{:.4g}"),
    ("kid", "kid@ x1000", "{:.4g}"),
    ("inception_score", "inception score@", "{:.4g}"),
    ("precision", "precision@", "{:.4f}"),
    ("recall", "recall@", "{:.4f}"),
    ("density", "density@", "{:.4f}"),
    ("coverage", "coverage@", "{:.4f}"),
    ("classes_covered", "classes covered", "{}"),
    ("label_accuracy", "label accuracy", "{:.4f}"),
    ("class_diversity", "diversity in class@", "{:.4f}"),
    ("pitch_accuracy", "pitch accuracy", "{:.4f}"),  # this and what follows: of sounds
    ("clipping_share", "clipped samples", "{:.4%}"),
    ("silence_share", "silent frames", "{:.2%}"),
    ("rms", "RMS", "{:.4f}"),
    ("one_object", "frames with one object", "{:.2%}"),  # this and what follows: of clips
    ("content_constant", "content constant", "{:.2%}"),
    ("trajectory_residual", "straight-line residual", "{:.3f} px"),
    ("speed_w1", "speed W1 of range", "{:.2%}"),
)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """The numbers of samples, and of as many real ones (the floor), against one reference.

    A number that could not be computed is in neither `values` nor `floor`; `absent` says why, under its name, or
    "floor <name>".
    """

    values: Mapping[str, Any]
    floor: Mapping[str, Any]
    fid_over_floor: float | None  # 1 means: as close to the reference as other real data of the same number
    absent: Mapping[str, str]
    protocol: Mapping[str, Any]
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return everything as one JSON object: numbers, floor, reasons, warnings and the whole protocol."""
        return {
            "values": dict(self.values),
            "floor": dict(self.floor),
            "fid_over_floor": self.fid_over_floor,
            "absent": dict(self.absent),
            "warnings": list(self.warnings),
            "protocol": dict(self.protocol),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Judgement:
        """Return the judgement that `to_json` stored."""
        return cls(
            values=stored["values"],
            floor=stored["floor"],
            fid_over_floor=stored["fid_over_floor"],
            absent=stored["absent"],
            warnings=tuple(stored["warnings"]),
            protocol=stored["protocol"],
        )

    @property
    def rule(self) -> str:
        """The word of the resize rule, as in fid@clean."""
        return str(self.protocol["extractor"]["resize"]).split(":", 1)[0]

    def line(self) -> str:
        """Return the judgement in one line, for a log: the distance, its floor, and what both rest on."""
        counts, extractor = self.protocol["counts"], self.protocol["extractor"]
        what = f"{extractor['name']} {extractor['fingerprint'][:8]}"
        against = f"{counts['samples']} against {counts['reference']} of {self.protocol['reference_split']}"
        name = self._named("fid@")
        if "fid" not in self.values:
            return f"{name} not computed: {self.absent.get('fid', 'unknown')} ({what}; {against})"
        floor = f"{self.floor['fid']:.4g} with {counts['floor']}" if "fid" in self.floor else "not known"
        return f"{name} {self.values['fid']:.4g}, floor {floor} ({what}; {against})"

    def lines(self) -> list[str]:
        """Return a plain table of every number beside its floor, and below it the protocol, warnings and reasons."""
        rows = [("", "samples", "floor", "")]
        for key, name, form in ROWS:
            if key in self.values or key in self.floor:
                rows.append((self._named(name), *self._cells(key, form)))
        if len(rows) == 1:
            rows.append(("no number could be computed", "", "", ""))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        table = [
            f"{name:<{widths[0]}}  {ours:>{widths[1]}}  {floor:>{widths[2]}}  {note}".rstrip()
            for name, ours, floor, note in rows
        ]
        notes = [*self._protocol_lines(), *(f"warning     {text}" for text in self.warnings)]
        return [*table, "", *notes, *self._absent_lines()]

    def _named(self, name: str) -> str:
        """Return a number's name with the resize rule; the Frechet distance of sounds is called fad, of clips fvd."""
        other = {"log-mel": "fad@", "clip": "fvd@"}.get(self.rule, "fid@")
        name = name.replace("fid@", other)
        return name.replace("@", f"@{self.rule}")

    def _absent_lines(self) -> list[str]:
        said = (
            (name, why)
            for name, why in self.absent.items()
            if not name.startswith("floor ") or self.absent.get(name.removeprefix("floor ")) != why
        )
        return [f"no number   {name}: {why}" for name, why in said]

    def _cells(self, key: str, form: str) -> tuple[str, str, str]:
        ours, floor = self._cell(self.values, key, form), self._cell(self.floor, key, form)
        note = f"{self.fid_over_floor:.3g} x floor" if key == "fid" and self.fid_over_floor is not None else ""
        return ours, floor, note

    def _cell(self, numbers: Mapping[str, Any], key: str, form: str) -> str:
        if key not in numbers:
            return "-"
        scale = 1000 if key == "kid" else 1
        text = form.format(numbers[key] * scale)
        if key == "classes_covered":
            return f"{text} of {numbers['num_classes']}"
        return f"{text} ± {form.format(numbers[f'{key}_std'] * scale)}" if f"{key}_std" in numbers else text

    def _protocol_lines(self) -> list[str]:
        p = self.protocol
        counts, extractor, kernel, manifold = p["counts"], p["extractor"], p["kernel"], p["manifold"]
        data = f" (data {p['data_fingerprint'][:12]})" if p["data_fingerprint"] else ""
        floor = f"{counts['floor']} of {p['floor_split']}" if counts["floor"] else "none given"
        lines = [
            f"extractor   {extractor['name']}, {extractor['num_features']} features, "
            f"sha256 {extractor['fingerprint'][:12]}",
            f"resize      {extractor['resize']}",
            f"samples     {counts['samples']}" + (f", {p['source']}" if p["source"] else ""),
            f"reference   {counts['reference']} of {p['reference_split']}{data}",
            f"floor       {floor}",
            f"precision to coverage: {manifold['neighbours']} neighbours, first {manifold['samples']} samples and "
            f"{manifold['reference']} of the reference",
        ]
        if kernel["subset_size"] >= 2:
            lines.append(f"kid: {kernel['subsets']} subsets of {kernel['subset_size']}, seed {kernel['seed']}")
        lines.append(f"gantlet {p['gantlet']}, torch {p['torch']}")
        return lines
