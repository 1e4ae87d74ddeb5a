"""Bytes without any order, and texts put together from pieces of YAML and of the language."""

from __future__ import annotations

from random import Random

from archc.blocks import block_words
from archc.operators import OPERATORS
from archc.spec.language.calls import CALL_KEYS
from archc.spec.language.names import RESERVED
from archc.spec.language.parsing import BLOCK_KEYS, SPEC_KEYS

LONGEST = 60  # pieces of a text
MOST_REPEATS = 3000

NUMBERS = (
    "0", "-0", "1", "-1", "2", "3", "7", "8", "63", "64", "255", "256", "1000", "9999", "10001", "65536", "2147483647",
    "2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "1" * 65,
    "9" * 4000, "0x7fffffffffffffff", "0xfffffffffffffffff", "0o777", "010", "1e-5", "1e308", "1e309", "5e-324",
    "1e400", "0.1", "-0.0", ".5", "5.", ".inf", "-.inf", ".nan", "1_000", "1:30", "+1", "--1", "1e", "0x",
)  # fmt: skip
"""Numbers at the limits of something, and what only looks like a number."""

EXPRESSIONS = (
    "$i", "$n", "$in_channels", "$in_features", "$num_classes", "$channels", "$features // 2",
    "2 * $height", "$width", "$tokens", "$length", "$depth", "x$channels",
    "$", "$$", "$ x", "1 // 0", "1 % 0", "8 // 3", "not 3",
    "min(1, 2)", "max(8, 4", "round(2.5)", "ceil(1e300)", "make_divisible(8, 0)", "make_divisible(1e308, 8)",
    "9223372036854775807 + $i", "$in_channels * $in_channels * 4611686018427387904", "1e308 * 10", "$i == true",
    "1 < 2", "1 < 2 < 3", "true and", "true or $nothing", "((((((((1))))))))", "-" * 40 + "1", "$i" + " + $i" * 130,
    "1 if $i else 2", "8 if $n > 1 else 4", "1 if true else " * 40 + "1", "$i[0]", "$n[$i]", "sqrt(-1)", "int(1e300)",
    "log2($n) + abs(-3)", "list = [1, 2]", "list = []",
    "b c h w -> b (h w) c", "b (c d) -> b d c", "b n (t h d) -> t b h n d", "b c ->", "a a -> a", "((", "b c h w -> 1",
    "2 ** 8", "$in_channels == [1, 2]", "block-$i", "block.$n", "$i.$i", "0.1 + 0.2", "1 > 2", "false",
)  # fmt: skip

_YAML = (
    "\n", "\n", "\n", "\n", "\n  ", "\n    ", "\n- ", "\n- ", "\n  - ", ": ", ": ", ": ", ":", "- ", "-", ", ", ",",
    "[", "]", "{", "}", "? ", "&a ", "*a", "&b ", "*b", "!!str ", "!x ", "!", "---\n", "...\n", "%YAML 1.2\n",
    "%TAG ! tag:x\n", "|\n", ">\n", "|2-\n", "'",
    '"', '"\\x41"', '"\\ud800"', '"\\', "#", " # x\n", "<<: ", "~", "null", "true", "False",
    "yes", "\t", "\r", "\r\n", "\\", "\u00e9", "\u4e2d", "\U0001f600", "\u0301", "\u200b", "\ufeff", "\u2028", "\x85",
    "\x00", "\x1b[31m", "\x7f", "@", "`", "%", "=", " ", "  ",
)  # fmt: skip

WORDS = (
    *OPERATORS,
    *block_words(),
    *SPEC_KEYS,
    *BLOCK_KEYS,
    *sorted(RESERVED),
    *CALL_KEYS,
    "branches",
    "query",
    "index",
    "value",
)
"""Every word of the language."""

_FIELDS = (
    "channels", "height", "width", "batch", "min", "opt", "max", "out_channels", "kernel_size", "out_features", "start",
    "stop", "weight", "bias", "zeros", "int = 1", "layer", "size = [1, 2]", "x", "a.b", "_", "9",
)  # fmt: skip
_NET = "name: net\ninput: {channels: 3, height: 8, width: 8}\n"
_HEADS = ("", "", "name: net\n", _NET + "layers:\n", _NET + "blocks:\n  b:\n    layers: [relu]\nlayers: [")


def random_bytes(random: Random) -> bytes:
    """Bytes of any value, or of a few values only, which meet more of the parser."""
    size = int(random.expovariate(1 / 60))
    if random.random() < 0.4:
        return random.randbytes(size)
    alphabet = random.sample(range(256), 4) + list(random.choice((b"[]{},:", b"- \n:a", b"'\"\\x\n ", b"&*!|>%a \n")))
    return bytes(random.choices(alphabet, k=size))


def random_text(random: Random) -> bytes:
    """A text of random pieces; sometimes a piece is repeated until it is long."""
    pieces = [random.choice(_HEADS)]
    for _ in range(random.randint(1, LONGEST)):
        piece = random_piece(random)
        pieces.append(piece * random.randint(2, MOST_REPEATS) if random.random() < 0.001 else piece)
    return "".join(pieces).encode("utf-8", "surrogatepass")


def random_piece(random: Random) -> str:
    """A piece of YAML or of the language."""
    kind = random.random()
    if kind < 0.5:
        return random.choice(_YAML)
    if kind < 0.8:
        return random.choice(random.choice((WORDS, _FIELDS)))
    return random.choice(random.choice((NUMBERS, EXPRESSIONS)))
