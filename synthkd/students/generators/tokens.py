"""Examples as token ids, all at once: what is read is coded exactly as a run of the checkpoint codes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.students.base import Floats, Ints
from synthkd.students.generators.examples import Example, Messages

#: Texts that the tokenizer is given at a time.
_MANY = 20_000


@dataclass(frozen=True)
class TokenizedExamples:
    """Examples as tokens, one after the other: ``ids`` (tokens,), ``starts`` (n + 1,), ``given`` (n,) how many of each are
    read, ``weights`` (n,), ``places`` (n,) which example each is, since those that are too long are not among them."""

    ids: np.ndarray[Any, np.dtype[np.int32]]
    starts: Ints
    given: Ints
    weights: Floats
    places: Ints

    def __len__(self) -> int:
        return len(self.given)

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each example, read and written."""
        return np.diff(self.starts)

    @property
    def said(self) -> int:
        """Tokens that are to be written, over all."""
        return int(len(self.ids) - self.given.sum())

    def take(self, rows: Sequence[int] | Ints) -> TokenizedExamples:
        """These examples, in this order."""
        rows = np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        inside = np.arange(int(starts[-1])) - np.repeat(starts[:-1], lengths)
        ids = self.ids[np.repeat(self.starts[rows], lengths) + inside]
        return TokenizedExamples(ids, starts, self.given[rows], self.weights[rows], self.places[rows])


class ExampleTokenizer:
    """Codes prompts as the `transformers` backend does, and completions as what goes on from them."""

    def __init__(self, tokenizer: Any, seq2seq: bool) -> None:
        self.tokenizer, self.seq2seq = tokenizer, seq2seq
        self.end, self.pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)

    def text(self, messages: Messages) -> tuple[str, bool]:
        """A prompt as one text, and whether the tokenizer adds its own marks: a chat's template has them already."""
        if messages[0]["role"] != "prompt" and self.tokenizer.chat_template:
            turns = [dict(message) for message in messages]
            said = self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            return str(said), False
        return "\n\n".join(message["content"] for message in messages), True

    def prompts(self, prompts: Sequence[Messages]) -> list[list[int]]:
        """Token ids of what is read."""
        texts = [self.text(messages) for messages in prompts]
        # Many rows answer one question.
        distinct = list(dict.fromkeys(texts))
        coded = dict(zip(distinct, self._marked(distinct), strict=True))
        return [coded[text] for text in texts]

    def _marked(self, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
        """Token ids of texts, with the tokenizer's own marks for those that want them."""
        found: list[list[int]] = [[] for _ in texts]
        for own in (True, False):
            members = [i for i, (_, marks) in enumerate(texts) if marks is own]
            for i, ids in zip(members, self._ids([texts[i][0] for i in members], own), strict=True):
                found[i] = ids
        return found

    def examples(self, examples: Sequence[Example], most: int) -> tuple[TokenizedExamples, int]:
        """All examples of at most so many tokens, and how many were longer."""
        pieces: list[list[int]] = []
        given: list[int] = []
        for start in range(0, len(examples), _MANY):
            for read, said in self._pairs(examples[start : start + _MANY]):
                pieces.append(read + said)
                given.append(len(read))
        fits = [i for i, piece in enumerate(pieces) if self._fits(len(piece), given[i], most)]
        lengths = np.array([len(pieces[i]) for i in fits], np.int64)
        flat = [token for i in fits for token in pieces[i]]
        coded = TokenizedExamples(
            np.array(flat, np.int32),
            np.concatenate([[0], lengths.cumsum()]).astype(np.int64),
            np.array([given[i] for i in fits], np.int64),
            np.array([examples[i].weight for i in fits], np.float64),
            np.array(fits, np.int64),
        )
        return coded, len(examples) - len(fits)

    def _fits(self, tokens: int, read: int, most: int) -> bool:
        """What is read and written shares the context of a decoder; an encoder has one of its own."""
        return max(read, tokens - read) <= most if self.seq2seq else tokens <= most

    def _pairs(self, examples: Sequence[Example]) -> list[tuple[list[int], list[int]]]:
        read = self.prompts([example.messages for example in examples])
        if self.seq2seq:
            said = self._ids([example.completion.strip() for example in examples], False)
            return [(one, [*other, self.end]) for one, other in zip(read, said, strict=True)]
        texts = [self.text(example.messages) for example in examples]
        # A chat's template ends where the answer begins; a space there would be one that nobody writes.
        heard = [
            example.completion if marks else example.completion.lstrip()
            for example, (_, marks) in zip(examples, texts, strict=True)
        ]
        joined = self._marked(
            [(text + more, marks) for (text, marks), more in zip(texts, heard, strict=True)]
        )
        behind = [_behind(one, both, self.end) for one, both in zip(read, joined, strict=True)]
        apart = [text for text, ids in zip(heard, behind, strict=True) if ids is None]
        alone = iter(self._ids(apart, False))
        said = [next(alone) if ids is None else ids for ids in behind]
        return [(one, [*ids, self.end]) for one, ids in zip(read, said, strict=True)]

    def _ids(self, texts: list[str], marks: bool) -> list[list[int]]:
        if not texts:
            return []
        bare = {"return_attention_mask": False, "return_token_type_ids": False}
        found: list[list[int]] = self.tokenizer(texts, add_special_tokens=marks, **bare)["input_ids"]
        return found

    def decode(self, ids: Sequence[int]) -> str:
        """A written text, as the `transformers` backend gives it."""
        return str(
            self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        )


def _behind(read: list[int], both: list[int], end: int) -> list[int] | None:
    """The completion's tokens behind the prompt's, as they come in one text (some tokenizers treat the start of a text in
    their own way); None where that text does not begin with the prompt's tokens: the completion is then coded alone."""
    if both[-1:] == [end] and read[-1:] != [end]:
        both = both[:-1]
    return both[len(read) :] if both[: len(read)] == read and len(both) > len(read) else None
