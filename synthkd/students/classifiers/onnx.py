"""Exported encoder students: ONNX models that need onnxruntime, numpy and a tokenizer alone.

export_onnx(load_student(folder), out)
OnnxClassifier.load(out).probabilities(texts)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from synthkd.artifacts.folder import ONNX_ARTIFACT, check_hashes
from synthkd.artifacts.settings import Settings, checked_settings, read_object
from synthkd.encoders.batches import batches_by_tokens, encodable_texts
from synthkd.errors import StudentError, require_extra
from synthkd.students.base import Floats, Ints, in_windows, text_list
from synthkd.students.classifiers.files import Classes, Temperature
from synthkd.students.classifiers.temperature import softmax_at
from synthkd.students.training_hashes import read_training_hashes

MODEL, TOKENIZER, SETTINGS = "model.onnx", "tokenizer.json", "onnx.json"
VERSION = 2
#: Tokens of a batch, padding included.
TOKENS = 512
#: Texts that are in memory as tokens at a time.
_WINDOW = 8192


class _Settings(Settings):
    version: Literal[2]
    classes: Classes
    temperature: Temperature
    max_length: Annotated[int, Field(ge=1, le=1_000_000)]
    pad: Annotated[int, Field(ge=0, le=1 << 31)]
    int8: bool


@dataclass
class OnnxClassifier:
    """A classifier that needs neither torch nor transformers.

    Attributes:
        classes: The classes, in the order of the probabilities.
        temperature: The calibrating temperature.
        int8: The weights are 8-bit integers.
        batch_tokens: Tokens of a batch, padding included.
        training_hashes: Hashes of the student's training rows (`students.training_hashes`).
    """

    classes: tuple[str, ...]
    temperature: float
    int8: bool
    batch_tokens: int
    _session: Any
    _tokenizer: Any
    _inputs: tuple[str, ...]
    _pad: int
    training_hashes: frozenset[int] = frozenset()

    @classmethod
    def load(
        cls, folder: str | Path, threads: int | None = None, batch_tokens: int = TOKENS
    ) -> OnnxClassifier:
        """Read what `export_onnx` wrote.

        Args:
            folder: The folder of the export.
            threads: Threads of onnxruntime; by default as many as there are cores.
            batch_tokens: Tokens of a batch, padding included.

        Raises:
            StudentError: A file is missing, altered, or of another version.
        """
        folder = Path(folder)
        settings = _settings(folder)
        require_extra("an exported student", "onnx", "onnxruntime", "tokenizers")
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.inter_op_num_threads = 1
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            session = onnxruntime.InferenceSession(
                str(folder / MODEL), options, providers=["CPUExecutionProvider"]
            )
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # noqa: BLE001 (both raise undeclared errors)
            raise StudentError(
                f"{folder}: cannot be read ({_line(error)}); export the student again"
            ) from None
        tokenizer.enable_truncation(settings.max_length)
        tokenizer.no_padding()
        return cls(
            classes=tuple(settings.classes),
            temperature=settings.temperature,
            int8=settings.int8,
            batch_tokens=batch_tokens,
            _session=session,
            _tokenizer=tokenizer,
            _inputs=tuple(one.name for one in session.get_inputs()),
            _pad=settings.pad,
            training_hashes=read_training_hashes(folder, ONNX_ARTIFACT),
        )

    def probabilities(self, texts: Sequence[str] | str) -> Floats:
        """Return (n, C) calibrated probabilities; a string is one text."""
        return in_windows(
            text_list(texts), _WINDOW, len(self.classes),
            lambda part: softmax_at(self._logits(part).astype(np.float64), self.temperature),
        )  # fmt: skip

    def predict(self, texts: Sequence[str] | str) -> list[str]:
        """Return the most likely class of each text; a string is one text."""
        return [self.classes[place] for place in self.probabilities(texts).argmax(1)]

    def _logits(self, texts: Sequence[str]) -> Any:
        tokens = self._tokenizer.encode_batch_fast(
            encodable_texts(texts, not self._tokenizer.encode("").ids)
        )
        ids = [one.ids for one in tokens]
        types = [one.type_ids for one in tokens] if "token_type_ids" in self._inputs else ids
        logits = np.empty((len(ids), len(self.classes)), dtype=np.float32)
        for chosen in batches_by_tokens(
            np.fromiter(map(len, ids), np.int64, len(ids)), self.batch_tokens
        ):
            fields = self._batch(ids, types, chosen)
            logits[chosen] = self._session.run(None, {name: fields[name] for name in self._inputs})[
                0
            ]
        return logits

    def _batch(self, ids: list[list[int]], types: list[list[int]], chosen: Ints) -> dict[str, Any]:
        """Return arrays (b, longest) of the chosen rows, the longest first."""
        longest = len(ids[chosen[0]])
        fields = {
            "input_ids": np.full((len(chosen), longest), self._pad, dtype=np.int64),
            "attention_mask": np.zeros((len(chosen), longest), dtype=np.int64),
            "token_type_ids": np.zeros((len(chosen), longest), dtype=np.int64),
        }
        for row, place in enumerate(chosen):
            size = len(ids[place])
            fields["input_ids"][row, :size] = ids[place]
            fields["attention_mask"][row, :size] = 1
            if types is not ids:
                fields["token_type_ids"][row, :size] = types[place]
        return fields


def _settings(folder: Path) -> _Settings:
    """Read the settings of an export, and check the hashes of its files."""
    if not (folder / SETTINGS).is_file():
        raise StudentError(
            f"{folder / SETTINGS}: no such file: no exported student here; `synthkd student export`"
            " writes one"
        )
    content = read_object(folder / SETTINGS, ONNX_ARTIFACT)
    if content.get("version") != VERSION:
        raise StudentError(f"{folder / SETTINGS}: of another version; export the student again")
    settings = checked_settings(folder / SETTINGS, content, _Settings, ONNX_ARTIFACT)
    check_hashes(folder, ONNX_ARTIFACT)
    for name in (MODEL, TOKENIZER):
        if not (folder / name).is_file():
            raise ONNX_ARTIFACT.refuse(folder / name, "missing")
    return settings


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
