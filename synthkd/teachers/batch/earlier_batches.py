"""Samples in batches of earlier runs, not sent again before those batches have ended."""

from __future__ import annotations

from synthkd.journal.batches import BatchRow, BatchStore
from synthkd.requests import Answer, Failure, Request


class EarlierSamples:
    """The samples that earlier batches hold, and their failures.

    A failure of an earlier batch belongs to a request that this run may not have read yet. It is
    kept and passed on with that request, since a run does not ask again for what has failed in it;
    or at the end.
    """

    def __init__(self, batches: BatchStore) -> None:
        self._journal = batches.journal
        #: request id -> sample index -> token of the last batch that holds the sample.
        self._tokens: dict[str, dict[int, str]] = {}
        #: Requests with answers of an earlier batch: the journal may have these samples by now.
        self._answered: set[str] = set()
        #: request id -> sample index -> failure to pass on.
        self._failures: dict[str, dict[int, Failure]] = {}

    def add(self, token: str, rows: list[BatchRow]) -> None:
        """Take in the rows of a batch of an earlier run."""
        for row in rows:
            samples = self._tokens.setdefault(row.request_id, {})
            samples.update(dict.fromkeys(row.sample_indexes, token))

    def move(self, row: BatchRow, token: str) -> None:
        """Take in that a row of an earlier batch is in another batch now."""
        if row.request_id in self._tokens:
            self._tokens[row.request_id].update(dict.fromkeys(row.sample_indexes, token))

    def is_last(self, token: str, request_id: str, index: int) -> bool:
        """Return True if no later batch than this one holds a sample."""
        return self._tokens.get(request_id, {}).get(index, token) == token

    def without_earlier(self, request: Request) -> tuple[Request | None, list[Failure]]:
        """Remove the samples of earlier batches from a request.

        Returns:
            The request for the other samples, None if there are none; failures to pass on with it.
        """
        failures = self._failures.pop(request.request_id, {})
        excluded = {*self._tokens.get(request.request_id, ()), *failures}
        if request.request_id in self._answered:
            excluded |= self.settled([request.request_id])[request.request_id]
        passed_on = list(failures.values())
        if not excluded:
            return request, passed_on
        left = tuple(index for index in request.sample_indexes if index not in excluded)
        return (request.with_samples(left) if left else None), passed_on

    def settled(self, request_ids: list[str]) -> dict[str, set[int]]:
        """Return the samples of requests that are in the journal, or failed permanently."""
        samples = {request_id: set[int]() for request_id in request_ids}
        for request_id, indexes in self._journal.cached_indexes(request_ids).items():
            samples[request_id] |= indexes
        for request_id, failures in self._journal.failures(request_ids).items():
            samples[request_id] |= {
                index for index, failure in failures.items() if failure.permanent
            }
        return samples

    def keep_failure(self, answer: Answer) -> bool:
        """Keep the failure of an earlier batch for later; return False for any other answer."""
        samples = self._tokens.get(answer.request_id, {})
        if (
            answer.sample_index not in samples
            or not isinstance(answer, Failure)
            or answer.permanent
        ):
            return False
        self._failures.setdefault(answer.request_id, {})[answer.sample_index] = answer
        self.mark_answered(answer)
        return True

    def mark_answered(self, answer: Answer) -> None:
        """Take in that a sample has its answer."""
        samples = self._tokens.get(answer.request_id)
        if samples is not None:
            self._answered.add(answer.request_id)
            samples.pop(answer.sample_index, None)
            if not samples:
                del self._tokens[answer.request_id]

    def kept_failures(self) -> list[Answer]:
        """Return the failures that were not passed on."""
        return [failure for failures in self._failures.values() for failure in failures.values()]
