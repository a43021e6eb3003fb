from __future__ import annotations

from gantlet.report.show import table


def test_columns_are_aligned() -> None:
    text = table(("name", "FID"), [("dcgan", "12.5"), ("r3gan", "8.123"), ("数字", "-")])
    assert text.splitlines() == [
        "name     FID",
        "-----  -----",
        "dcgan   12.5",
        "r3gan  8.123",
        "数字       -",
    ]


def test_the_last_column_wraps() -> None:
    text = table(("name", "what"), [("dcgan", "word " * 40)], width=80)
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.count("word") == 40


def test_a_cell_cannot_steer_the_terminal() -> None:
    text = table(("name",), [("red \x1b[31m\nname",), (None,), ()])
    assert "red ?[31m name" in text


def test_an_empty_table_is_its_head() -> None:
    assert table(("a", "bc"), []) == "a  bc\n-  --"
    assert table((), []) == "\n"
