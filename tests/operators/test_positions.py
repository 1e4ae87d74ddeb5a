"""The constants of positions, as timm 1.0.31 has them (in `build_rotary_pos_embed`, in XCiT and in LeViT)."""

from math import cos, sin

import numpy as np
import pytest

from archc.operators.positions import FourierPosition, RopeTable
from archc.operators.windows import LogRelativeCoordinates, RelativePositionIndex


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


def test_queries_at_every_second_pixel_are_those_of_levits_downsampling() -> None:
    height, width = 4, 6
    keys = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"))
    queries = keys[:, ::2, ::2]
    rows, columns = abs(queries.reshape(2, -1, 1) - keys.reshape(2, 1, -1))
    index = RelativePositionIndex(height=height, width=width, absolute=True, query_stride=2).computed()
    assert index.nested() == (rows * width + columns).tolist()


def test_pooled_keys_are_those_of_mvit() -> None:
    queries, keys = 8, 2
    index = RelativePositionIndex(height=1, width=queries, key_stride=4).computed()
    expected = np.arange(queries)[:, None] - 4 * np.arange(keys)[None] + 4 * (keys - 1)
    assert index.nested() == expected.tolist()
    assert index.nested()[0][-1] == 0


def test_a_class_token_has_the_last_three_rows_as_in_beit() -> None:
    pixels = RelativePositionIndex(height=2, width=3).computed()
    index = np.array(RelativePositionIndex(height=2, width=3, class_token=True).computed().nested())
    count = 3 * 5
    assert index[1:, 1:].tolist() == pixels.nested()
    assert index[0].tolist() == [count + 2, *[count] * 6]
    assert index[:, 0].tolist() == [count + 2, *[count + 1] * 6]


def test_positions_are_moved_and_spaced_by_axis() -> None:
    table = RopeTable(height=2, width=1, features=4, function="sin", offset=(0.5, 1.0), step=(0.25, 2.0)).computed()
    rows, column = (sin(0.5 * 0.25), sin(1.5 * 0.25)), sin(2.0)
    assert np.array(table.nested()) == pytest.approx(np.array([[row, row, column, column] for row in rows]))


def test_columns_may_stand_before_rows_and_features_in_halves() -> None:
    table = RopeTable(height=1, width=2, features=4, function="sin", offset=(0.5, 0.5), indexing="xy", rotate_half=True)
    assert table.computed().values == pytest.approx([sin(0.5), sin(0.5)] * 2 + [sin(1.5), sin(0.5)] * 2)


def test_distances_of_pairs_are_looked_up_among_those_of_a_window() -> None:
    distances = LogRelativeCoordinates(height=2, width=3, base=2.0, scale=1.0)
    table = np.array(distances.computed().nested()).reshape(-1, 2)
    index = RelativePositionIndex(height=2, width=3, flat=True).computed()
    found = LogRelativeCoordinates(height=2, width=3, base=2.0, scale=1.0, pairs=True).computed()
    assert np.array_equal(found.nested(), table[list(map(int, index.values))])
    assert found.values[:6] == (0.0, 0.0, 0.0, -1.0, 0.0, -(np.log2(3)))
