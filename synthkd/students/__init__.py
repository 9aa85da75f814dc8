"""Students: small models that are trained on a corpus.

Classifiers learn labelled texts, taggers learn spans, generators learn to write the rows of any
kind; the checkpoint of a generator is the teacher of the next run.

    from synthkd.students import LinearStudent, evaluate_classifier, read_labelled_texts

    student = LinearStudent().fit(read_labelled_texts("rows.csv"))
    evaluate_classifier(student.probabilities(test.texts), test.labels, student.classes)
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.students.base import (
        Classifier,
        LabelledTexts,
        SpanStudent,
        StudentModel,
        TextStudent,
    )
    from synthkd.students.classifiers.encoder import EncoderStudent
    from synthkd.students.classifiers.linear import LinearStudent
    from synthkd.students.classifiers.onnx import OnnxClassifier
    from synthkd.students.classifiers.onnx_export import export_onnx
    from synthkd.students.folders import load_student, read_manifest, save_student
    from synthkd.students.generators.contrastive_groups import contrastive_pairs
    from synthkd.students.generators.student import GeneratorStudent
    from synthkd.students.generators.untrained import new_checkpoint
    from synthkd.students.metrics import (
        ClassifierEvaluation,
        SpanEvaluation,
        count_spans,
        evaluate_classifier,
        evaluate_spans,
        paired_bootstrap,
        paired_span_bootstrap,
    )
    from synthkd.students.rows import read_labelled_texts
    from synthkd.students.serve import open_classifier, predict_file
    from synthkd.students.span_rows import read_tagged_texts
    from synthkd.students.spans import TaggedTexts, TypedSpan
    from synthkd.students.taggers.retrieval import RowsByType, recall_by_type
    from synthkd.students.taggers.student import TaggerStudent
    from synthkd.students.train import TrainedStudent, TrainingRequest, train_student

#: Public name -> its module, which is imported when the name is first used.
_HOMES = {
    "Classifier": "base",
    "ClassifierEvaluation": "metrics",
    "EncoderStudent": "classifiers.encoder",
    "GeneratorStudent": "generators.student",
    "LabelledTexts": "base",
    "LinearStudent": "classifiers.linear",
    "OnnxClassifier": "classifiers.onnx",
    "RowsByType": "taggers.retrieval",
    "SpanEvaluation": "metrics",
    "SpanStudent": "base",
    "StudentModel": "base",
    "TaggedTexts": "spans",
    "TaggerStudent": "taggers.student",
    "TextStudent": "base",
    "TrainedStudent": "train",
    "TrainingRequest": "train",
    "TypedSpan": "spans",
    "contrastive_pairs": "generators.contrastive_groups",
    "count_spans": "metrics",
    "evaluate_classifier": "metrics",
    "evaluate_spans": "metrics",
    "export_onnx": "classifiers.onnx_export",
    "load_student": "folders",
    "new_checkpoint": "generators.untrained",
    "open_classifier": "serve",
    "paired_bootstrap": "metrics",
    "paired_span_bootstrap": "metrics",
    "predict_file": "serve",
    "read_labelled_texts": "rows",
    "read_manifest": "folders",
    "read_tagged_texts": "span_rows",
    "recall_by_type": "taggers.retrieval",
    "save_student": "folders",
    "train_student": "train",
}

__all__ = [
    "Classifier",
    "ClassifierEvaluation",
    "EncoderStudent",
    "GeneratorStudent",
    "LabelledTexts",
    "LinearStudent",
    "OnnxClassifier",
    "RowsByType",
    "SpanEvaluation",
    "SpanStudent",
    "StudentModel",
    "TaggedTexts",
    "TaggerStudent",
    "TextStudent",
    "TrainedStudent",
    "TrainingRequest",
    "TypedSpan",
    "contrastive_pairs",
    "count_spans",
    "evaluate_classifier",
    "evaluate_spans",
    "export_onnx",
    "load_student",
    "new_checkpoint",
    "open_classifier",
    "paired_bootstrap",
    "paired_span_bootstrap",
    "predict_file",
    "read_labelled_texts",
    "read_manifest",
    "read_tagged_texts",
    "recall_by_type",
    "save_student",
    "train_student",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
