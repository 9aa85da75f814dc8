"""Expectation maximisation for the unknown true answers of items, after Dawid and Skene (1979).

The model of the annotators (a confusion matrix each, or one reliability each) is the caller's; the
loop over posteriors is the same for all. crowd-kit, which has it too, needs transformers, pandas
and nltk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
P = TypeVar("P")


def expectation_maximisation(
    items: Ints, posterior: Floats, maximise: Callable[[Floats], tuple[P, Floats]]
) -> Iterator[tuple[P, Floats, Floats]]:
    """Alternate M-steps and E-steps without end; the caller stops when it has converged.

    Args:
        items: Item of each hypothesis (rows,). A hypothesis is one possible true answer of one
            item.
        posterior: Probability of each hypothesis to begin with (rows,); sums to 1 over an item.
        maximise: The M-step: parameters fitted to a posterior, and the log-likelihood of each
            hypothesis (rows,).

    Yields:
        Parameters, the posterior under them, and the log-likelihood of each item.
    """
    count = int(items.max()) + 1
    while True:
        parameters, logs = maximise(posterior)
        top = np.full(count, -np.inf)
        np.maximum.at(top, items, logs)
        likelihood = np.exp(logs - top[items])
        total = np.bincount(items, weights=likelihood, minlength=count)
        posterior = likelihood / total[items]
        yield parameters, posterior, top + np.log(total)
