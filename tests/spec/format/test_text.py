"""A text in the canonical style: the same document, with every comment."""

import random
import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from archc.builds.compilation import compile_spec
from archc.diagnostics import Source, SpecError
from archc.ir.graph import Graph
from archc.ir.printer import print_graph
from archc.spec.bundled import specs_folder
from archc.spec.format import format_document, format_text
from archc.spec.format.document import ORDER, ORDER_OF_BLOCK
from archc.spec.language.parsing import BLOCK_KEYS, SPEC_KEYS
from archc.spec.loading import parse_text
from archc.spec.tree import plain
from archc.spec.yaml.loader import load
from tests.campaigns.random.networks import specs as random_specs

BUNDLED = sorted(specs_folder().rglob("*.yaml"))
NETWORKS = [path for path in BUNDLED if path.parent.name != "blocks"]
TUTORIAL = Path(__file__).parents[3] / "docs" / "language.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
COMMENT = re.compile(r"#c\d+")


def data(text: str) -> object:
    return plain(load(Source("net.yaml", text)))


def graph(text: str, folder: Path) -> Graph:
    return compile_spec(parse_text(Source("net.yaml", text), folder), {})


def formatted(text: str) -> str:
    """The canonical text of an indented one. It is canonical itself, and has the same comments."""
    result = format_text(dedent(text))
    assert format_text(result) == result
    assert sorted(COMMENT.findall(result)) == sorted(COMMENT.findall(text))
    return result


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_bundled_specs_are_in_the_canonical_style(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert format_text(text) == text


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_specs_of_the_tutorial_are_in_the_canonical_style(text: str) -> None:
    assert format_text(text) == text


@pytest.mark.parametrize("flow", [True, False, None], ids=["in brackets", "in blocks", "mixed"])
@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.stem)
def test_however_a_document_is_written_its_data_are_the_same(path: Path, flow: bool | None) -> None:
    document = data(path.read_text(encoding="utf-8"))
    text = yaml.safe_dump(document, default_flow_style=flow, sort_keys=True, width=40)
    assert data(text) == document
    assert data(formatted(text)) == document
    assert data(format_document(document)) == document


@pytest.mark.parametrize("path", NETWORKS[::8], ids=lambda path: path.stem)
def test_however_a_spec_is_written_its_graph_is_the_same(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    longer = re.sub(r"- linear: ([^{\n]+)$", r"- linear: {out_features: \1}", text, flags=re.MULTILINE)
    longer = re.sub(r"- (relu|gelu)$", r"- \1: {}", longer, flags=re.MULTILINE)
    changed = format_text(yaml.safe_dump(data(longer), sort_keys=False))
    assert print_graph(graph(changed, path.parent)) == print_graph(graph(text, path.parent))


@settings(max_examples=25, deadline=None)
@given(random_specs())
def test_random_networks_keep_their_graph(text: str) -> None:
    document = data(text)
    again = formatted(yaml.safe_dump(document, default_flow_style=True, sort_keys=False))
    assert data(again) == document
    assert print_graph(graph(again, Path())) == print_graph(graph(text, Path()))


def commented(text: str, draw: random.Random) -> str:
    """A text with comments and blank lines anywhere, and with lines that end within brackets."""
    lines: list[str] = []
    for number, line in enumerate(text.split("\n")):
        if draw.random() < 0.2:
            lines += ["", f"{' ' * draw.randrange(12)}#c{number}"]
        brackets = [match.end() for match in re.finditer(r", |[\[{]", line)]
        if line and "#" not in line and draw.random() < 0.3:
            cut = draw.choice(brackets) if brackets else len(line)
            lines.append(f"{line[:cut]}  #c{number}0")
            line = f"{' ' * (len(line) - len(line.lstrip()) + 6)}{line[cut:]}" if brackets else ""
        lines.append(line)
    return "\n".join(lines)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(BUNDLED), st.randoms(use_true_random=False))
def test_comments_anywhere_are_kept(path: Path, draw: random.Random) -> None:
    text = commented(path.read_text(encoding="utf-8"), draw)
    try:
        document = data(text)
    except SpecError:
        reject()  # a line was cut within a text
    assert data(formatted(text)) == document


def test_comments_stay_beside_and_above_what_they_are_about() -> None:
    text = """
        # The file.

        name: net   # its name
        # The image.
        input: {channels: 3,
                height: 32,  # rows
                width: 32}
        layers:

          # first
          - conv2d: {out_channels: 8, kernel_size: 3}      # thin
          - sum: # both
            - identity
            # the other branch
            - - relu
              - conv2d: 8
              # ends the branch


          - relu
          # ends the layers
        # ends the file
        """
    assert formatted(text) == dedent(
        """\
        # The file.

        name: net  # its name
        # The image.
        input:
          channels: 3
          height: 32  # rows
          width: 32

        layers:
          # first
          - conv2d: {out_channels: 8, kernel_size: 3}  # thin
          - sum:  # both
              - identity
              # the other branch
              - - relu
                - conv2d: 8
                # ends the branch

          - relu
          # ends the layers
        # ends the file
        """
    )


def test_keys_are_brought_in_order_with_their_comments_and_the_file_keeps_its_header() -> None:
    text = """
        # header
        layers: [relu]
        # why so many
        parameters: {n: int = 3}  #c1
        input: {channels: 3, height: 8, width: 8}
        name: net
        """
    assert formatted(text) == dedent(
        """\
        # header
        name: net
        input: {channels: 3, height: 8, width: 8}
        # why so many
        parameters:  #c1
          n: int = 3

        layers:
          - relu
        """
    )


def test_aliases_stay_behind_their_anchors() -> None:
    text = """
        layers:
          - conv2d: {out_channels: 8, kernel_size: 3, init: &narrow {weight: {normal: {std: 0.010}}}}
          - conv2d: {out_channels: &n 8, kernel_size: 3, init: *narrow}
          - linear: {out_features: *n}
        blocks: {b: {layers: [linear: {out_features: *n}]}}
        name: net
        """
    assert formatted(text) == dedent(
        """\
        layers:
          - conv2d: {out_channels: 8, kernel_size: 3, init: &narrow {weight: {normal: {std: 0.01}}}}
          - conv2d: {out_channels: &n 8, kernel_size: 3, init: *narrow}
          - linear: {out_features: *n}

        blocks:
          b: {layers: [linear: {out_features: *n}]}
        name: net
        """
    )


def test_calls_are_as_short_as_they_mean_the_same() -> None:
    text = """
        name: net
        blocks:
          dropout:
            parameters: {width: int, p: float = 0.5}
            layers: [linear: $width]
        layers:
          - relu: {}
          - linear: {out_features: 10}
          - linear: {name: fc, out_features: 10}
          - dropout: {p: 0.5}
          - dropout: {width: 3}
          - batch_norm: {eps: 0.001}
          - identity: {}
          - conv2d: {init: {}}
        """
    assert formatted(text).partition("\nlayers:\n")[2] == (
        "  - relu\n"
        "  - linear: 10\n"
        "  - linear: {name: fc, out_features: 10}\n"
        "  - dropout: {p: 0.5}\n"
        "  - dropout: 3\n"
        "  - batch_norm: {eps: 1e-3}\n"
        "  - identity: {}\n"
        "  - conv2d: {init: {}}\n"
    )


def test_a_word_that_a_shared_file_may_define_keeps_its_fields() -> None:
    text = "use: [blocks/vgg.yaml]\n\nlayers:\n  - linear: {out_features: 10}\n"
    assert formatted(text) == text


def test_quotes_are_where_yaml_needs_them_and_where_a_text_has_several_words_in_brackets() -> None:
    text = """
        source: 'Somebody 2020: a title'
        layers:
          - rearrange: "b c h w -> b (h w) c"
          - rearrange: {pattern: "b (h w) c -> b c h w", h: "8"}
          - conv2d: {out_channels: "$widths[0]", kernel_size: "max(1, $k)", name: 'conv'}
          - conv2d: {out_channels: '4 * $n', bias: "no"}
        """
    assert formatted(text) == dedent(
        """\
        source: "Somebody 2020: a title"

        layers:
          - rearrange: b c h w -> b (h w) c
          - rearrange: {pattern: "b (h w) c -> b c h w", h: "8"}
          - conv2d: {out_channels: "$widths[0]", kernel_size: "max(1, $k)", name: conv}
          - conv2d: {out_channels: 4 * $n, bias: no}
        """
    )


def test_a_name_that_looks_like_a_number_stays_as_it_is() -> None:
    text = "name: 1.10\n\nlayers:\n  - conv2d: {name: 1.10, p: 0.1}\n  - mark: 1.10\noutputs: [1.10]\n"
    assert formatted(text.replace("0.1}", "0.10}")).count("1.10") == 4


def test_values_that_were_aligned_are_aligned_and_others_are_not() -> None:
    text = """
        layers:
          - block: {width: 8, squeeze: true, stride: 1}
          - block: {width:   16, squeeze: false, stride: 1, count: 2}
          - block: {width: 128, squeeze: true, stride: 10}
          - other: {width: 8, stride: 1}
          - other: {width: 16, stride: 1}
        """
    assert formatted(text) == dedent(
        """\
        layers:
          - block: {width:   8, squeeze: true,  stride:  1}
          - block: {width:  16, squeeze: false, stride:  1, count: 2}
          - block: {width: 128, squeeze: true,  stride: 10}
          - other: {width: 8, stride: 1}
          - other: {width: 16, stride: 1}
        """
    )


@pytest.mark.parametrize("text", ["a: [1", "a: 1\na: 2\n", "- relu\n", "a: .inf\n", "", "a: *b\n"])
def test_what_is_no_spec_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        format_text(text)


def test_every_key_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(SPEC_KEYS)
    assert sorted(ORDER_OF_BLOCK) == sorted(BLOCK_KEYS)
