"""Draw the next token of each row from logits, with the row's own random numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from synthkd.keys import seed_from
from synthkd.requests import Request, Sampling
from synthkd.teachers.constrained_decoding import TokenMatcher

#: Tokens of a block: a draw first finds its block by the sums of blocks, then its token.
_BLOCK = 128
#: Most likely tokens among which a nucleus is looked for before all are sorted.
_LIKELY = 1024


@dataclass
class SampleRow:
    """One sample while it is generated.

    Attributes:
        request: Request that the sample answers.
        index: Number of the sample.
        prompt: Token ids of the rendered prompt.
        draws: Random numbers in [0, 1), one for each token.
        begin: Time at which its prompt was read, in seconds.
        tokens: Token ids so far.
        logprobs: Log-probability of each token, of the model itself at temperature 1.
        first_tokens: Alternatives of the answer's first token, as JSON.
        matcher: Grammar that the tokens keep to.
    """

    request: Request
    index: int
    prompt: list[int]
    draws: np.ndarray[Any, np.dtype[np.float64]]
    begin: float = 0.0
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    text: str = ""
    finish: str = ""
    first_tokens: str | None = None
    matcher: TokenMatcher | None = None

    @property
    def draw(self) -> float:
        """Random number of the next token."""
        return float(self.draws[len(self.tokens)])


def rows_of(request: Request, prompt: list[int]) -> list[SampleRow]:
    """Return a row for each sample that a request wants.

    Each has a random stream of its own, so that neither the other rows of a batch nor the samples
    that were bought before influence its tokens.
    """
    rows = []
    for index in request.sample_indexes:
        seed = request.sampling.seed
        stream = seed_from("sample", request.request_id, seed, index) if seed is not None else None
        draws = np.random.default_rng(stream).random(request.sampling.max_tokens)
        rows.append(SampleRow(request, index, prompt, draws))
    return rows


def draw_tokens(logits: torch.Tensor, rows: list[SampleRow]) -> torch.Tensor:
    """Draw one token per row by inverse transform sampling; note its log-probability in the row.

    Args:
        logits: (rows, vocabulary), float32.
        rows: The samples that go on.

    Returns:
        Token ids (rows,).
    """
    allowed = _masked(logits, rows)
    chosen = torch.empty(len(rows), dtype=torch.long, device=logits.device)
    for (temperature, top_p, top_k), members in _by_sampling(rows).items():
        if len(members) == len(rows):
            chosen = _drawn(allowed, rows, temperature, top_p, top_k)
        else:
            index = torch.tensor(members, device=logits.device)
            some = [rows[place] for place in members]
            chosen[index] = _drawn(allowed[index], some, temperature, top_p, top_k)
    gained = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(-1)
    for row, value in zip(rows, gained.tolist(), strict=True):
        row.logprobs.append(value)
    return chosen


def _drawn(
    logits: torch.Tensor,
    rows: list[SampleRow],
    temperature: float,
    top_p: float | None,
    top_k: int | None,
) -> torch.Tensor:
    if not temperature:
        return logits.argmax(-1)
    scaled = _truncated(logits / temperature, top_p, top_k)
    weights = (scaled - scaled.amax(-1, keepdim=True)).exp_()
    draws = torch.tensor([row.draw for row in rows], dtype=torch.float64, device=logits.device)
    return _inverse(weights, draws)


def _inverse(weights: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """Return the places at which the cumulative weights pass the draws.

    Cumulative sums over the whole vocabulary in double precision cost more than all the rest of a
    draw; here they go over the sums of blocks, then over one block.

    Args:
        weights: (rows, vocabulary), at least 0.
        draws: (rows,), in [0, 1).
    """
    rows, size = weights.shape
    padding = -size % _BLOCK
    blocks = torch.nn.functional.pad(weights, (0, padding)).view(rows, -1, _BLOCK)
    sums = blocks.sum(-1, dtype=torch.float64)
    mass = sums.cumsum(-1)
    target = draws * mass[:, -1]
    block = torch.searchsorted(mass, target[:, None], right=True)
    block = block.clamp(max=_last_positive(sums))
    inside = blocks.gather(1, block[..., None].expand(-1, -1, _BLOCK))[:, 0].double()
    left = target - (mass.gather(1, block)[:, 0] - sums.gather(1, block)[:, 0])
    place = torch.searchsorted(inside.cumsum(-1), left[:, None], right=True)
    # Rounding at the end of a block must not lead to a token without weight.
    place = place.clamp(max=_last_positive(inside))
    return (block * _BLOCK + place)[:, 0]


def _last_positive(weights: torch.Tensor) -> torch.Tensor:
    """Return the last place (rows, 1) with a weight above 0."""
    places = torch.arange(weights.shape[-1], device=weights.device)
    return torch.where(weights > 0, places, 0).amax(-1, keepdim=True)


def _masked(logits: torch.Tensor, rows: list[SampleRow]) -> torch.Tensor:
    """Set the logits (rows, vocabulary) of tokens outside a row's grammar to minus infinity."""
    constrained = [
        (place, row.matcher) for place, row in enumerate(rows) if row.matcher is not None
    ]
    if not constrained:
        return logits
    logits = logits.clone()
    places = torch.tensor([place for place, _ in constrained], device=logits.device)
    allowed = torch.from_numpy(np.stack([matcher.allowed() for _, matcher in constrained])).to(
        logits.device
    )
    logits[places] = logits[places].masked_fill(~allowed, float("-inf"))
    return logits


def _by_sampling(rows: list[SampleRow]) -> dict[tuple[float, float | None, int | None], list[int]]:
    groups: dict[tuple[float, float | None, int | None], list[int]] = {}
    for place, row in enumerate(rows):
        sampling: Sampling = row.request.sampling
        temperature = 1.0 if sampling.temperature is None else sampling.temperature
        groups.setdefault((temperature, sampling.top_p, sampling.top_k), []).append(place)
    return groups


def _truncated(logits: torch.Tensor, top_p: float | None, top_k: int | None) -> torch.Tensor:
    """Set the logits (rows, vocabulary) of tokens outside of top-k and top-p to minus infinity."""
    if top_k and top_k < logits.shape[-1]:
        floor = logits.topk(top_k).values[:, -1:]
        logits = logits.masked_fill(logits < floor, float("-inf"))
    if top_p and top_p < 1:
        logits = _nucleus(logits, top_p)
    return logits


def _nucleus(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the most likely tokens that reach a share of the mass together."""
    ordered, order = logits.topk(min(_LIKELY, logits.shape[-1]))
    shares = (ordered - logits.logsumexp(-1, keepdim=True)).exp()
    if bool((shares.sum(-1) < top_p).any()):
        ordered, order = logits.sort(descending=True)
        shares = ordered.softmax(-1)
    before = shares.cumsum(-1) - shares
    ordered = ordered.masked_fill(before >= top_p, float("-inf"))
    return torch.full_like(logits, float("-inf")).scatter(1, order, ordered)
