import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gantlet.data import Intensity


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_value_survives_the_round_trip(dtype: str) -> None:
    raw = np.arange(np.iinfo(dtype).max + 1).astype(dtype)
    unit = Intensity.of(raw)
    images = unit.to_unit(raw)
    assert images.dtype == torch.float32
    assert (images[0], images[-1]) == (-1, 1)
    back = unit.to_raw(images)
    assert back.dtype == raw.dtype
    assert np.array_equal(back, raw)


@given(low=st.integers(0, 60_000), span=st.integers(1, 5_000))
@settings(max_examples=100, deadline=None)
def test_any_range_survives_the_round_trip(low: int, span: int) -> None:
    raw = np.arange(low, low + span + 1).astype(np.uint16)
    unit = Intensity(low, low + span, "uint16")
    assert np.array_equal(unit.to_raw(unit.to_unit(raw)), raw)


def test_digits_map_to_the_ends() -> None:
    unit = Intensity(0, 16, "uint8")
    assert unit.to_unit(np.array([0, 8, 16, 255], np.uint8)).tolist() == [-1, 0, 1, 1]
    assert unit.to_raw(torch.tensor([-9.0, 0.03, 9.0, float("nan")])).tolist() == [0, 8, 16, 0]


def test_neither_direction_changes_its_input() -> None:
    raw, unit = np.array([2.0, 3.0], np.float32), Intensity(2, 3, "float32")
    images = unit.to_unit(raw)
    unit.to_raw(images)
    assert raw.tolist() == [2, 3]
    assert images.tolist() == [-1, 1]
    tensor = torch.tensor([2.0, 3.0])
    unit.to_unit(tensor)
    assert tensor.tolist() == [2, 3]


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 3], "uint8", (0, 255)),
        ([0, 4000], "uint16", (0, 4095)),
        ([0, 4096], "uint16", (0, 16383)),
        ([0, 65535], "uint16", (0, 65535)),
        ([0.2, 1.0], "float32", (0, 1)),
        ([-0.2, 1.0], "float32", (-1, 1)),
        ([-5.0, 1.0], "float32", (-5, 1)),
        ([7.0, 7.0], "float32", (7, 14)),
    ],
)
def test_the_map_follows_the_data(values: list[float], dtype: str, expected: tuple[float, float]) -> None:
    unit = Intensity.of(np.array(values, dtype))
    assert (unit.low, unit.high, unit.dtype) == (*expected, dtype)
    assert Intensity.from_json(unit.to_json()) == unit


@pytest.mark.parametrize(
    "wrong", [(1, 1, "uint8"), (0, float("nan"), "uint8"), (0, float("inf"), "uint8"), (0, 1, "int7")]
)
def test_impossible_maps_are_refused(wrong: tuple[float, float, str]) -> None:
    with pytest.raises(ValueError, match="low < high"):
        Intensity(*wrong)
