"""Tests of a critic's folder: every file is hashed, and schemas bound a stranger's content."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from support.files import write_csv

from synthkd.artifacts.folder import HASHES, write_hashes
from synthkd.critics.files import ARRAYS, CONFIG
from synthkd.critics.folder import FACTS, HELD_OUT, SEEN, load_critic
from synthkd.critics.labels import read_labels
from synthkd.critics.train import train_critic
from synthkd.errors import CriticError, SynthKDError
from synthkd.kinds.triple import TripleKind

KIND = TripleKind()
OPTIONS: dict[str, dict[str, Any]] = {
    "linear": {},
    "text": {},
    "knowledge-base": {},
    "stack": {"critics": ["linear", "text"], "folds": 2},
}
ANY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    database=None,
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(1 << 70), st.just(1e308), st.just(-0.5),
    st.sampled_from(["", "x", "../../x", "/etc/passwd", "linear", "\u202e"]), st.just([]),
    st.just({}), st.just([None]),
    st.just({"a": {"b": []}}),
)  # fmt: skip


def sheet_rows() -> list[dict[str, Any]]:
    return [
        {"head": f"thing {i // 2}", "relation": "UsedFor", "tail": f"{'good' if i % 2 else 'bad'}"
            f" use {i}", "label": i % 2 == 1}
        for i in range(160)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def critics(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return one trained critic of each kind that asks nobody and needs no encoder."""
    base = tmp_path_factory.mktemp("critics")
    sheet = read_labels(write_csv(base / "sheet.csv", sheet_rows()), KIND)
    for name, options in OPTIONS.items():
        train_critic(KIND, sheet, name, base / name, options)
    return {name: base / name for name in OPTIONS}


@pytest.fixture(params=list(OPTIONS))
def folder(request: pytest.FixtureRequest, critics: dict[str, Path], tmp_path: Path) -> Path:
    return shutil.copytree(critics[request.param], tmp_path / "critic")


def table() -> pa.Table:
    return pa.Table.from_pylist([{"head": "a", "relation": "UsedFor", "tail": "good use"}])


def files(folder: Path) -> list[Path]:
    read = {".json", ".safetensors", ".parquet"}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in read and path.name[0] != "."
    )


def seal(folder: Path) -> None:
    """Write new hashes at every level, as a stranger would."""
    for inside in sorted(
        {path.parent for path in folder.rglob(HASHES)}, key=lambda path: -len(path.parts)
    ):
        write_hashes(inside)


@pytest.mark.slow
def test_the_hashes_name_every_file_of_the_folder(folder: Path) -> None:
    listed = set(json.loads((folder / HASHES).read_text())["files"])
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert there - listed <= {HASHES, ".synthkd.json"}
    assert {CONFIG, ARRAYS, FACTS, HELD_OUT, SEEN} <= listed


@pytest.mark.slow
@given(st.data())
@ANY
def test_a_changed_byte_of_any_file_is_refused_in_one_line(
    critics: dict[str, Path], data: st.DataObject
) -> None:
    folder = critics[data.draw(st.sampled_from(sorted(OPTIONS)))]
    path = data.draw(st.sampled_from(files(folder)))
    before = path.read_bytes()
    place, other = data.draw(st.integers(0, len(before) - 1)), data.draw(st.integers(1, 255))
    try:
        path.write_bytes(before[:place] + bytes([before[place] ^ other]) + before[place + 1 :])
        with pytest.raises(CriticError) as caught:
            load_critic(folder, KIND)
        assert len(str(caught.value).splitlines()) == 1
    finally:
        path.write_bytes(before)


def leaves(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield ways to every field of a JSON file."""
    if way:
        yield way
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, one in inner:
        yield from leaves(one, (*way, key))


@pytest.mark.slow
@given(st.data())
@ANY
def test_an_odd_field_with_new_hashes_is_refused_or_gives_probabilities(
    critics: dict[str, Path], data: st.DataObject
) -> None:
    folder = critics[data.draw(st.sampled_from(sorted(OPTIONS)))]
    path = data.draw(st.sampled_from([one for one in files(folder) if one.name in (CONFIG, FACTS)]))
    before, hashes = path.read_bytes(), {one: one.read_bytes() for one in folder.rglob(HASHES)}
    found = json.loads(before)
    *way, last = data.draw(st.sampled_from(list(leaves(found))))
    at = found
    for key in way:
        at = at[key]
    at[last] = data.draw(ODD)
    try:
        path.write_text(json.dumps(found))
        seal(folder)
        loads_or_refuses(folder)
    finally:
        path.write_bytes(before)
        for one, was in hashes.items():
            one.write_bytes(was)


@pytest.mark.slow
@given(st.data())
@ANY
def test_odd_arrays_with_new_hashes_are_refused_or_give_probabilities(
    critics: dict[str, Path], data: st.DataObject
) -> None:
    folder = critics[data.draw(st.sampled_from(sorted(OPTIONS)))]
    path = data.draw(st.sampled_from([one for one in files(folder) if one.name == ARRAYS]))
    before, hashes = path.read_bytes(), {one: one.read_bytes() for one in folder.rglob(HASHES)}
    arrays = load_file(path)
    name = data.draw(st.sampled_from(sorted(arrays)))
    harm = data.draw(st.sampled_from(sorted(HARMS)))
    if (harmed := HARMS[harm](arrays[name])) is None:
        del arrays[name]
    else:
        arrays[name] = harmed
    try:
        save_file({key: np.ascontiguousarray(value) for key, value in arrays.items()}, path)
        seal(folder)
        loads_or_refuses(folder)
    finally:
        path.write_bytes(before)
        for one, was in hashes.items():
            one.write_bytes(was)


def _filled(value: float) -> Callable[[Any], Any]:
    def fill(array: Any) -> Any:
        found = array.copy()
        if found.size:
            found.reshape(-1)[0] = value if found.dtype.kind == "f" else np.iinfo(found.dtype).max
        return found

    return fill


HARMS: dict[str, Callable[[Any], Any]] = {
    "gone": lambda array: None,
    "nan": _filled(float("nan")),
    "infinite": _filled(float("inf")),
    "huge": _filled(1e30),
    "shorter": lambda array: array[:-1],
    "empty": lambda array: array[:0],
    "another type": lambda array: array.astype(np.float16),
    "another shape": lambda array: array[None],
    "negative": lambda array: -array if array.dtype.kind == "f" else array - 1,
    "backwards": lambda array: array[::-1],
    "zeros": np.zeros_like,
}


def loads_or_refuses(folder: Path) -> None:
    scores, said = np.zeros(1), ""
    try:
        with np.errstate(all="ignore"):
            scores = load_critic(folder, KIND).score(table())
    except SynthKDError as error:
        said = str(error)
    assert len(said.splitlines()) <= 1
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999", "[" * 500 + "]" * 500])
def test_a_number_that_is_none_is_refused(
    critics: dict[str, Path], tmp_path: Path, text: str
) -> None:
    folder = shutil.copytree(critics["linear"], tmp_path / "critic")
    config = (folder / CONFIG).read_text()
    bias = json.loads(config)["bias"]
    (folder / CONFIG).write_text(config.replace(f'"bias": {bias}', f'"bias": {text}'))
    seal(folder)
    with pytest.raises(CriticError, match=r"critic\.json: .*(cut or altered|nested too deeply)"):
        load_critic(folder, KIND)


def test_a_bias_that_was_altered_with_new_hashes_does_not_serve_the_old_threshold(
    critics: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(critics["linear"], tmp_path / "critic")
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"bias": 50.0}))
    seal(folder)
    with pytest.raises(CriticError, match="scores its held-out rows differently"):
        load_critic(folder, KIND)


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [("score", float("nan"), "score"), ("score", 2.0, "score"), ("label", None, "label"), ("score",
    None, "score")],
)  # fmt: skip
def test_held_out_rows_without_a_probability_or_a_verdict_are_refused(
    critics: dict[str, Path], tmp_path: Path, column: str, value: Any, said: str
) -> None:
    folder = shutil.copytree(critics["linear"], tmp_path / "critic")
    held = pq.read_table(folder / HELD_OUT)
    values = held.column(column).to_pylist()
    changed = pa.array([value, *values[1:]], held.schema.field(column).type)
    pq.write_table(
        held.set_column(held.schema.names.index(column), column, changed), folder / HELD_OUT
    )
    seal(folder)
    with pytest.raises(CriticError, match=rf"held_out\.parquet: {said}"):
        load_critic(folder, KIND)


def test_a_table_that_says_it_has_billions_of_rows_is_not_read(
    critics: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synthkd.artifacts.arrays._MOST_ROWS", 10)
    with pytest.raises(CriticError, match=r"rows, more than 10"):
        load_critic(critics["linear"], KIND)


@pytest.mark.parametrize(
    "name",
    ["pytorch_model.bin", "own.py", "critic.pkl", "weights.pt", "more.json", "sub/tokenizer.json"],
)
def test_a_file_that_is_not_listed_is_refused(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(CriticError, match="not a file of this critic"):
        load_critic(folder, KIND)


def test_documents_and_hidden_files_may_be_edited_and_added(folder: Path) -> None:
    for name in ("README.md", "LICENSE", ".gitattributes", "figure.png"):
        (folder / name).write_text("for people")
    assert load_critic(folder, KIND).score(table()).shape == (1,)


def test_a_folder_of_an_earlier_version_is_refused_with_the_remedy(
    critics: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(critics["linear"], tmp_path / "critic")
    (folder / HASHES).write_text(json.dumps({FACTS: "0" * 32}))
    with pytest.raises(CriticError, match=r"earlier version.*train the critic again"):
        load_critic(folder, KIND)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd", "a/../../b", ""])
def test_hashes_that_lead_out_of_the_folder_are_refused(folder: Path, name: str) -> None:
    found = json.loads((folder / HASHES).read_text())
    found["files"][name] = "0" * 64
    (folder / HASHES).write_text(json.dumps(found))
    with pytest.raises(CriticError, match="inside the folder"):
        load_critic(folder, KIND)


def test_a_tree_that_leads_back_does_not_hang(critics: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(critics["knowledge-base"], tmp_path / "critic")
    arrays = load_file(folder / ARRAYS)
    inner = int(np.flatnonzero(arrays["trees_feature"] >= 0)[0])
    arrays["trees_left"][inner] = arrays["trees_right"][inner] = inner
    save_file(arrays, folder / ARRAYS)
    seal(folder)
    with pytest.raises(CriticError, match="does not end"):
        load_critic(folder, KIND)


def test_no_file_of_a_critic_holds_a_path_of_this_machine(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert str(tmp_path.parent).encode() not in data, path
            assert str(Path.home()).encode() + b"/" not in data, path


def test_an_option_that_a_critic_does_not_take_when_loaded_is_named(
    critics: dict[str, Path],
) -> None:
    for name in ("linear", "stack"):
        with pytest.raises(CriticError, match="'teacher' when it is loaded"):
            load_critic(critics[name], KIND, {"teacher": {"base_url": "http://127.0.0.1:9/v1"}})
