"""`synthkd graphs`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command_line import synthkd

pytest.importorskip("scipy", reason="needs the extra critics")

GOLD = "document_id,head,relation,tail\na,cat,isA,animal\na,dog,isA,animal\n"


def test_the_verb_compares_files(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text(GOLD)
    (tmp_path / "new.csv").write_text(
        "document_id,head,relation,tail\na,Cat,is_a,animal\nb,x,y,z\n"
    )
    result = synthkd("graphs", "gold.csv", "new.csv", "--scorer", "exact", cwd=tmp_path)
    assert result.returncode == 0
    figures = dict(line.rsplit(None, 1) for line in result.stdout.splitlines() if "[" not in line)
    assert (figures["exact precision"], figures["exact recall"]) == ("1.0000", "0.5000")
    assert "F1 (exact)" in result.stdout
    assert "of documents without gold: 1 triples" in result.stderr


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "gold.csv").write_text(GOLD)
    (tmp_path / "new.csv").write_text("document_id,head,tail\na,b,c\n")
    result = synthkd("graphs", "gold.csv", "new.csv", cwd=tmp_path)
    assert result.returncode == 2
    assert "new.csv: no column 'relation'" in result.stderr
