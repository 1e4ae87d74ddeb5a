"""Sizes that are those of another value."""

from tests.elaborate.specs import compiled, layers


def test_an_interpolation_takes_the_size_of_a_value_that_it_names() -> None:
    graph = layers("""\
        - conv2d: {out_channels: 2, kernel_size: 3, stride: 2}
        - mark: low
        - max_pool2d: 2
        - interpolate: {like: low, mode: bilinear}
        - interpolate: {like: input}
        """)
    sizes = {node.path: node.output.type.shape[2:] for node in graph.nodes}
    assert (sizes["interpolate"], sizes["interpolate_1"]) == ((15, 15), (32, 32))


def test_where_sizes_are_dynamic_an_interpolation_scales_by_the_whole_number_between_them() -> None:
    graph = compiled("""\
        name: net
        input: {channels: 1, height: {min: 8, opt: 16, max: 32}, width: 8}
        layers:
          - conv2d: {out_channels: 2, kernel_size: 3, padding: 1}
          - mark: low
          - interpolate: {scale_factor: 3, mode: bilinear}
          - mark: high
          - from: low
          - interpolate: {like: high, mode: bilinear}
          - sum: [identity, from: high]
        """)
    operators = [node.operator for node in graph.nodes if node.operator.word == "interpolate"]
    assert [operator.attributes()["scale_factor"] for operator in operators] == [3.0, 3.0]
