"""Vectors of a frozen encoder as features of a linear student."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from synthkd.artifacts.folder import STUDENT_ARTIFACT
from synthkd.encoders.reference import EncoderReference, resolve_encoder_path
from synthkd.errors import StudentError
from synthkd.students.base import Floats, Ints
from synthkd.students.classifiers.files import ARRAYS


class EncoderFeatures:
    """Mean vectors of a frozen encoder, which is loaded when it is first needed.

    Attributes:
        encoder: Folder or hub name of the encoder.
    """

    def __init__(self, encoder: str, max_length: int | None, device: str | None) -> None:
        self.encoder, self._max_length, self._device = encoder, max_length, device
        # The working folder may be another one when the encoder is loaded.
        self._path = resolve_encoder_path(encoder)
        self._sha256 = ""
        self._width: int | None = None
        #: The reference of a student's folder, the folder, and the user's own name of the encoder.
        self._stored: tuple[EncoderReference, Path, str | None] | None = None

    def restore(
        self, reference: EncoderReference, folder: Path, given: str | None, width: int
    ) -> None:
        """Take the encoder that a student's folder names, or the user's own (`given`)."""
        given = None if given is None else resolve_encoder_path(given)
        self._sha256, self._width = reference.sha256, width
        self._stored = (reference, folder.resolve(), given)

    def reference(self, folder: Path) -> EncoderReference:
        """Return what a student in `folder` records of the encoder."""
        if self._stored is not None:
            return self._stored[0]
        return EncoderReference.of(self._path, self._sha256, folder)

    def fit(self, texts: Sequence[str]) -> Floats:
        """Return the (n, d) vectors of training texts, by the encoder as it is now."""
        self._sha256, self._width, self._stored = "", None, None
        return self.transform(texts)

    def transform(self, texts: Sequence[str]) -> Floats:
        """Return (n, d) vectors.

        Raises:
            StudentError: The encoder is not found, or is another one than at training.
        """
        from synthkd.encoders.frozen import load_frozen_encoder, load_referenced_encoder

        if self._stored is not None:
            reference, folder, given = self._stored
            encoder, self.encoder = load_referenced_encoder(
                reference, folder, given, self._max_length, self._device
            )
            self._path, self._stored = self.encoder, None
            width = int(encoder.model.config.hidden_size)
            if self._width != width:
                raise STUDENT_ARTIFACT.refuse(
                    folder / ARRAYS, f"weight: {width} rows are needed for this encoder"
                )
            return encoder.embed(texts)
        encoder = load_frozen_encoder(self._path, self._max_length, self._device)
        if self._sha256 not in ("", encoder.sha256):
            raise StudentError(
                f"the encoder {self.encoder!r} is another one now than at training; put the right"
                " one there, or train again"
            )
        self._sha256 = encoder.sha256
        return encoder.embed(texts)

    def fold(
        self, texts: Sequence[str], matrix: Floats, train: Ints, held_out: Ints
    ) -> tuple[Floats, Floats]:
        """Return the features of training and held-out rows of a fold."""
        return matrix[train], matrix[held_out]
