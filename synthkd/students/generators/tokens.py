"""Tokenise examples; prompts are tokenised as by the backend `transformers`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkd.students.base import Floats, Ints
from synthkd.students.generators.examples import Example, Messages

#: Examples that are tokenised at a time.
_CHUNK = 20_000


@dataclass(frozen=True)
class TokenizedExamples:
    """Examples as tokens, one after another; examples that are too long are left out.

    Attributes:
        ids: (tokens,) token ids, of a prompt and then of its completion.
        starts: (n + 1,) where each example starts in `ids`.
        prompt_lengths: (n,) tokens of the prompt.
        weights: (n,) weights.
        example_indices: (n,) the index of each among all examples.
    """

    ids: np.ndarray[Any, np.dtype[np.int32]]
    starts: Ints
    prompt_lengths: Ints
    weights: Floats
    example_indices: Ints

    def __len__(self) -> int:
        return len(self.prompt_lengths)

    @property
    def lengths(self) -> Ints:
        """(n,) tokens of each example, of prompt and completion."""
        return np.diff(self.starts)

    def take(self, rows: Sequence[int] | Ints) -> TokenizedExamples:
        """Return some examples, in the given order."""
        rows = np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        starts = np.concatenate([[0], lengths.cumsum()]).astype(np.int64)
        inside = np.arange(int(starts[-1])) - np.repeat(starts[:-1], lengths)
        ids = self.ids[np.repeat(self.starts[rows], lengths) + inside]
        return TokenizedExamples(
            ids, starts, self.prompt_lengths[rows], self.weights[rows], self.example_indices[rows]
        )


class ExampleTokenizer:
    """Tokenises prompts as the backend `transformers`, and completions after them."""

    def __init__(self, tokenizer: Any, seq2seq: bool) -> None:
        self.tokenizer, self.seq2seq = tokenizer, seq2seq
        self.end, self.pad = int(tokenizer.eos_token_id), int(tokenizer.pad_token_id)

    def text(self, messages: Messages) -> tuple[str, bool]:
        """Return a prompt as one text, and whether the tokenizer adds special tokens.

        The text of a chat template has its special tokens already.
        """
        if messages[0]["role"] != "prompt" and self.tokenizer.chat_template:
            turns = [dict(message) for message in messages]
            text = self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
            return str(text), False
        return "\n\n".join(message["content"] for message in messages), True

    def prompts(self, prompts: Sequence[Messages]) -> list[list[int]]:
        """Return the token ids of prompts."""
        texts = [self.text(messages) for messages in prompts]
        # Many rows have the same prompt.
        distinct = list(dict.fromkeys(texts))
        coded = dict(zip(distinct, self._marked(distinct), strict=True))
        return [coded[text] for text in texts]

    def _marked(self, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
        """Return the token ids of texts, each with or without special tokens."""
        coded: list[list[int]] = [[] for _ in texts]
        for own in (True, False):
            members = [i for i, (_, marks) in enumerate(texts) if marks is own]
            for i, ids in zip(members, self._ids([texts[i][0] for i in members], own), strict=True):
                coded[i] = ids
        return coded

    def examples(self, examples: Sequence[Example], most: int) -> tuple[TokenizedExamples, int]:
        """Tokenise the examples of at most `most` tokens; return also the number of longer ones."""
        pieces: list[list[int]] = []
        prompt_lengths: list[int] = []
        for start in range(0, len(examples), _CHUNK):
            for prompt, completion in self._pairs(examples[start : start + _CHUNK]):
                pieces.append(prompt + completion)
                prompt_lengths.append(len(prompt))
        fits = [
            i for i, piece in enumerate(pieces) if self._fits(len(piece), prompt_lengths[i], most)
        ]
        lengths = np.array([len(pieces[i]) for i in fits], np.int64)
        flat = [token for i in fits for token in pieces[i]]
        coded = TokenizedExamples(
            np.array(flat, np.int32),
            np.concatenate([[0], lengths.cumsum()]).astype(np.int64),
            np.array([prompt_lengths[i] for i in fits], np.int64),
            np.array([examples[i].weight for i in fits], np.float64),
            np.array(fits, np.int64),
        )
        return coded, len(examples) - len(fits)

    def _fits(self, tokens: int, read: int, most: int) -> bool:
        """Compare with the context, which a decoder's prompt and completion share."""
        return max(read, tokens - read) <= most if self.seq2seq else tokens <= most

    def _pairs(self, examples: Sequence[Example]) -> list[tuple[list[int], list[int]]]:
        read = self.prompts([example.messages for example in examples])
        if self.seq2seq:
            completions = self._ids([example.completion.strip() for example in examples], False)
            return [(one, [*other, self.end]) for one, other in zip(read, completions, strict=True)]
        texts = [self.text(example.messages) for example in examples]
        # A chat template ends where the answer begins: no space comes between them.
        written = [
            example.completion if marks else example.completion.lstrip()
            for example, (_, marks) in zip(examples, texts, strict=True)
        ]
        joined = self._marked(
            [(text + more, marks) for (text, marks), more in zip(texts, written, strict=True)]
        )
        behind = [
            _continuation(one, both, self.end) for one, both in zip(read, joined, strict=True)
        ]
        apart = [text for text, ids in zip(written, behind, strict=True) if ids is None]
        alone = iter(self._ids(apart, False))
        completions = [next(alone) if ids is None else ids for ids in behind]
        return [(one, [*ids, self.end]) for one, ids in zip(read, completions, strict=True)]

    def _ids(self, texts: list[str], marks: bool) -> list[list[int]]:
        if not texts:
            return []
        bare = {"return_attention_mask": False, "return_token_type_ids": False}
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=marks, **bare)["input_ids"]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Decode a completion, as the backend `transformers` does."""
        return str(
            self.tokenizer.decode(
                list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


def _continuation(read: list[int], both: list[int], end: int) -> list[int] | None:
    """Return the completion's tokens within those of the joined text, after the prompt's.

    Some tokenizers treat the start of a text differently. None if the joined text does not begin
    with the prompt's tokens: the completion is then tokenised by itself.
    """
    if both[-1:] == [end] and read[-1:] != [end]:
        both = both[:-1]
    return both[len(read) :] if both[: len(read)] == read and len(both) > len(read) else None
