"""Students: small models that are trained on a corpus.

Classifiers learn labelled texts, generators learn to write the rows of any kind; the checkpoint of
a generator is the teacher of the next run.

    from synthkd.students import LinearStudent, evaluate_classifier, read_labelled_texts

    student = LinearStudent().fit(read_labelled_texts("rows.csv"))
    evaluate_classifier(student.probabilities(test.texts), test.labels, student.classes)
"""

from typing import TYPE_CHECKING

from synthkd.lazy_names import lazy_names

if TYPE_CHECKING:
    from synthkd.students.base import Classifier, LabelledTexts, Student, TextStudent
    from synthkd.students.classifiers.encoder import EncoderStudent
    from synthkd.students.classifiers.linear import LinearStudent
    from synthkd.students.classifiers.onnx import OnnxClassifier
    from synthkd.students.classifiers.onnx_export import export_onnx
    from synthkd.students.folders import load_student, read_manifest, save_student
    from synthkd.students.generators.contrastive_groups import contrastive_pairs
    from synthkd.students.generators.student import GeneratorStudent
    from synthkd.students.generators.untrained import new_checkpoint
    from synthkd.students.metrics import ClassifierEvaluation, evaluate_classifier, paired_bootstrap
    from synthkd.students.rows import read_labelled_texts
    from synthkd.students.serve import open_classifier, predict_file
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
    "Student": "base",
    "TextStudent": "base",
    "TrainedStudent": "train",
    "TrainingRequest": "train",
    "contrastive_pairs": "generators.contrastive_groups",
    "evaluate_classifier": "metrics",
    "export_onnx": "classifiers.onnx_export",
    "load_student": "folders",
    "new_checkpoint": "generators.untrained",
    "open_classifier": "serve",
    "paired_bootstrap": "metrics",
    "predict_file": "serve",
    "read_labelled_texts": "rows",
    "read_manifest": "folders",
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
    "Student",
    "TextStudent",
    "TrainedStudent",
    "TrainingRequest",
    "contrastive_pairs",
    "evaluate_classifier",
    "export_onnx",
    "load_student",
    "new_checkpoint",
    "open_classifier",
    "paired_bootstrap",
    "predict_file",
    "read_labelled_texts",
    "read_manifest",
    "save_student",
    "train_student",
]

__getattr__, __dir__ = lazy_names(__name__, _HOMES, __all__)
