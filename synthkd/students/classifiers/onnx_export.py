"""Export an encoder student as an ONNX model, and compare its probabilities with the student's."""

from __future__ import annotations

import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.artifacts.folder import write_hashes
from synthkd.errors import StudentError, require_extra
from synthkd.storage import ONNX_FOLDER, check_output, replaced_folder, write_json
from synthkd.students.classifiers.onnx import MODEL, SETTINGS, TOKENIZER, VERSION, OnnxClassifier
from synthkd.students.training_hashes import write_training_hashes

#: Largest difference of a probability from the student's in an export in float32.
TOLERANCE = 1e-4
#: Texts of different lengths, on which both are compared.
_PROBES = (
    "a",
    "where is it?",
    "my card has not come yet and I need it by Friday",
    "Zürich 100 %, " * 9,
)
#: Possible inputs of the model.
_FIELDS = ("input_ids", "attention_mask", "token_type_ids")


def export_onnx(student: Any, out: Path, int8: bool = False) -> float:
    """Write an encoder student as an ONNX model into a new folder, or over an earlier export.

    Args:
        student: A trained student with `exports_onnx`.
        out: The folder.
        int8: Quantise weights and embeddings to 8-bit integers (dynamic quantisation): about a
            quarter of the size, and other probabilities.

    Returns:
        The largest difference of a probability from the student's, over a few probe texts.

    Raises:
        StudentError: The student is no encoder, or its model cannot be exported.
    """
    require_extra("the export to ONNX", "onnx", "onnx", "onnxruntime")
    _check(student)
    check_output(out, ONNX_FOLDER)
    with replaced_folder(out, ONNX_FOLDER) as folder:
        try:
            _write_model(student, folder / MODEL)
            if int8:
                _quantise(folder / MODEL)
        except StudentError:
            raise
        except Exception as error:  # noqa: BLE001 (exporters raise many things)
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StudentError(
                f"the model of this student cannot be exported to ONNX: {reason}"
            ) from None
        student.tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
        pad = student.tokenizer.pad_token_id
        write_json(
            folder / SETTINGS,
            {
                "version": VERSION, "classes": list(student.classes),
                "temperature": float(student.temperature),
                "max_length": int(student.max_length), "pad": 0 if pad is None else int(pad),
                "int8": int8,
            },
        )  # fmt: skip
        write_training_hashes(folder, student.training_hashes)
        write_hashes(folder)
        difference = float(
            np.abs(
                OnnxClassifier.load(folder, 1).probabilities(_PROBES)
                - student.probabilities(_PROBES)
            ).max()
        )
        if not int8 and not difference <= TOLERANCE:
            raise StudentError(
                "the exported model gives other probabilities than the student (by"
                f" {difference:.2g}); it was not written"
            )
    return difference


def _check(student: Any) -> None:
    if student.learns != "labels":
        raise StudentError(
            f"the student {student.name!r} writes text: its folder is a transformers checkpoint"
            " already; only"
            " classifiers are exported to ONNX"
        )
    if not student.exports_onnx:
        raise StudentError(
            f"the student {student.name!r} is no encoder and needs no ONNX: its probabilities are"
            " plain numpy already"
        )
    if student.model is None:
        raise StudentError("this student was not trained yet: nothing to export")
    if not student.tokenizer.is_fast:
        raise StudentError(
            "the tokenizer of this student has no fast form (tokenizer.json); nothing can be"
            " exported"
        )


def _write_model(student: Any, path: Path) -> None:
    """Trace the module on a small batch; the numbers of rows and tokens stay dynamic."""
    import torch

    wanted = set(inspect.signature(student.model.forward).parameters)
    names = [
        name for name in _FIELDS if name in student.tokenizer.model_input_names and name in wanted
    ]
    model = _logits_of(student.model, names)
    batch = student.tokenizer(list(_PROBES[1:3]), padding=True, return_tensors="pt")
    fields = tuple(batch[name].cpu() for name in names)
    axes = {name: {0: "rows", 1: "tokens"} for name in names}
    options: dict[str, Any] = {"dynamo": False, "dynamic_axes": {**axes, "logits": {0: "rows"}}}
    if find_spec("onnxscript") is not None:
        free = torch.export.Dim.DYNAMIC
        options = {
            "dynamo": True, "external_data": False, "verbose": False,
            "dynamic_shapes": {"fields": tuple({0: free, 1: free} for _ in names)},
        }  # fmt: skip
    device = next(student.model.parameters()).device
    was_training = student.model.training
    with _silence(), torch.inference_mode(False), torch.no_grad():
        try:
            torch.onnx.export(
                model.cpu().eval(),
                fields,
                str(path),
                input_names=names,
                output_names=["logits"],
                **options,
            )
        finally:
            student.model.to(device).train(was_training)


def _logits_of(inner: Any, names: list[str]) -> Any:
    """Return a module from fields, in the order of their names, to logits (B, C)."""
    import torch

    class Logits(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, *fields: Any) -> Any:
            output = self.inner(**dict(zip(names, fields, strict=True)))
            return getattr(output, "logits", output)

    return Logits()


def _quantise(path: Path) -> None:
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(path)
    # Quantisation replaces the tensors of the exporter's shapes, and infers its own.
    del model.graph.value_info[:]
    small = path.with_suffix(".int8")
    with _silence():
        # Seven bits: products of eight-bit weights overflow on processors without VNNI.
        quantize_dynamic(
            model, small, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True
        )
    small.replace(path)


@contextmanager
def _silence() -> Iterator[None]:
    """Silence what exporters print and log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
