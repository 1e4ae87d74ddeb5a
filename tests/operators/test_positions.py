"""The constants of positions, as timm 1.0.31 has them (in `build_rotary_pos_embed`, in XCiT and in LeViT)."""

from math import cos, sin

import numpy as np
import pytest

from archc.operators.positions import FourierPosition, RopeTable
from archc.operators.source import RelativePositionIndex


def test_a_pixel_is_turned_by_its_row_and_its_column() -> None:
    fast, slow = sin(1), sin(0.01)
    table = RopeTable(height=2, width=2, features=8, function="sin").computed()
    assert table.shape == (4, 8)
    assert np.array(table.nested()) == pytest.approx(
        np.array(
            [
                [0] * 8,
                [0] * 4 + [fast, fast, slow, slow],
                [fast, fast, slow, slow] + [0] * 4,
                [fast, fast, slow, slow] * 2,
            ]
        )
    )
    turned = RopeTable(height=1, width=2, features=4, function="cos").computed()
    assert turned.values == pytest.approx([1, 1, 1, 1, 1, 1, cos(1), cos(1)])


def test_the_features_of_rows_stand_before_those_of_columns() -> None:
    position = FourierPosition(height=2, width=1, features=4).computed()
    assert position.shape == (1, 8, 2, 1)
    half = 3.1415910825  # of two rows the first is at pi, but for the epsilon
    expected = [sin(half), sin(2 * half), cos(half), cos(2 * half), sin(half / 100), sin(half / 50)]
    assert position.values[:6] == pytest.approx(expected, abs=1e-5)
    assert position.values[8:10] == pytest.approx([0.0, 0.0], abs=1e-4)  # the only column is at 2 * pi


def test_relative_positions_without_a_direction_are_those_of_levit() -> None:
    height, width = 2, 3
    pixels = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij")).reshape(2, -1)
    rows, columns = abs(pixels[:, :, None] - pixels[:, None])
    index = RelativePositionIndex(height=height, width=width, absolute=True).computed()
    assert index.nested() == (rows * width + columns).tolist()
    assert {*index.values} == {*range(height * width)}
