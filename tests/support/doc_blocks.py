"""Helpers of the tests of doc_blocks."""

from __future__ import annotations

import re

from support.files import ROOT


def blocks(page: str, language: str) -> list[str]:
    fences = re.findall(
        r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return [text for name, text in fences if name == language]
