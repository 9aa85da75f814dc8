"""Numbers of a candidate among its siblings, the candidates of the same input.

A critic scores rows in batches and may not look across them, so these numbers are columns, computed
while all candidates of an input are together. A critic that was trained with them requires them.

For each candidate: the share of its siblings with a higher likelihood per token, its likelihood
less the mean of all, its similarity to siblings (mean, greatest, mean weighted by likelihood), and
the mean similarity among all of the input.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from synthkd.critics.teacher_numbers import column_values
from synthkd.critics.text.features import ColumnWords, bucket, rarities
from synthkd.errors import CriticError
from synthkd.kinds.base import Kind
from synthkd.labels.candidates import SIBLINGS
from synthkd.text.hashed_ngrams import Floats, Ints


def with_siblings(rows: pa.Table, kind: Kind, vectors: Floats | None = None) -> pa.Table:
    """Append the columns `SIBLINGS`; null for a candidate without siblings or likelihood.

    Args:
        rows: All candidates of their inputs.
        kind: Their kind.
        vectors: Unit vectors of the answers (rows, d), such as an encoder's; by default similarity
            is of rare shared words.
    """
    groups = _inputs(rows, kind)
    alike = vectors if vectors is not None else _word_vectors(rows, kind)
    per_token = column_values(rows, "logprob", rows.num_rows) / np.maximum(
        column_values(rows, "tokens", rows.num_rows), 1
    )
    values = np.full((rows.num_rows, len(SIBLINGS)), np.nan)
    order = np.argsort(groups, kind="stable")
    for here in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(here) > 1:
            near = alike[here] @ alike[here].T
            cosines = near if isinstance(near, np.ndarray) else near.toarray()
            values[here] = _numbers(np.asarray(cosines), per_token[here])
    for name, column in zip(SIBLINGS, values.T, strict=True):
        if name in rows.schema.names:
            rows = rows.drop_columns([name])
        rows = rows.append_column(name, pa.array(column, pa.float64(), from_pandas=True))
    return rows


def _numbers(cosines: Floats, likelihood: Floats) -> Floats:
    """Return the six numbers of one input's candidates (n, 6)."""
    others = ~np.eye(len(cosines), dtype=bool)
    count = len(cosines) - 1
    mean = (cosines * others).sum(1) / count
    weight = np.exp(likelihood) * others
    return np.stack(
        [
            np.where(
                np.isnan(likelihood), np.nan, (likelihood > likelihood[:, None]).sum(1) / count
            ),
            likelihood - likelihood.mean(),
            mean,
            np.where(others, cosines, -1).max(1),
            (cosines * weight).sum(1) / weight.sum(1),
            np.full(len(cosines), mean.mean()),
        ],
        axis=1,
    )


def _inputs(rows: pa.Table, kind: Kind) -> Ints:
    """Number the inputs: by ``input_id`` if the rows have it, else by the kind's input columns."""
    names = ["input_id"] if "input_id" in rows.schema.names else list(kind.input_columns)
    if not names:
        raise CriticError(
            f"the kind {kind.name!r} has no input columns and the rows no `input_id` to group by"
        )
    numbered = np.zeros(rows.num_rows, np.int64)
    for name in names:
        codes = rows.column(name).combine_chunks().dictionary_encode().indices.fill_null(-1)
        pairs = np.stack([numbered, np.asarray(codes, dtype=np.int64)], axis=1)
        numbered = np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return numbered


def _word_vectors(rows: pa.Table, kind: Kind) -> Floats:
    """Return sparse unit vectors of the answers' words, weighted by rarity (rows, words)."""
    from scipy.sparse import coo_matrix, diags

    answers = [ColumnWords(rows.column(name)) for name in kind.answer_columns or kind.columns[-1:]]
    rarity = rarities(answers)
    place = np.concatenate([words.rows for words in answers])
    word = np.concatenate([bucket(words.stems) for words in answers])
    counted = coo_matrix((np.ones(len(place)), (place, word)), (rows.num_rows, len(rarity))).tocsr()
    counted.data = (1 + np.log(counted.data)) * rarity[counted.indices]
    lengths = np.sqrt(np.asarray(counted.multiply(counted).sum(1)).reshape(-1))
    vectors: Floats = diags(1 / np.maximum(lengths, 1e-9)) @ counted
    return vectors
