"""The words of the language that are no operator, block or initializer, as `language.md` explains them.

A section of that file has a word, or several, as its title, and ends with an example.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_SECTION = re.compile(r"^## ([^\n]+)\n\n(.*?)\n*(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@cache
def explanations() -> dict[str, str]:
    """Each word → what it means, with an example, as a page in Markdown."""
    page = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    return {word: f"{text}\n" for title, text in _SECTION.findall(page) for word in title.split(", ")}
