"""Ids that came before are known, with what stood under them, however many there are."""

from __future__ import annotations

import pytest

from synthkd.stages.input_ids import SeenIds


@pytest.mark.parametrize("few", [0, 1, 3, 100])
def test_an_id_is_new_once_and_its_content_is_known(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SeenIds, "few", few)
    with SeenIds() as seen:
        for turn in range(2):
            for number in range(10):
                assert seen.add(f"id {number}", b"content %d" % number) is (turn == 0)
        for number in range(10):
            assert seen.add(f"id {number}", b"other") is None
