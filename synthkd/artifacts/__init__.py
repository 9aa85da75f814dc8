"""Folders of critics and students: hashes of every file, and schemas of their content.

folder       `hashes.json`: written with a folder, compared when the folder is read
settings     JSON files read with pydantic models: types, bounds, finite numbers, no unknown field
arrays       safetensors and Parquet: names, types, shapes, finite numbers, bounded memory
model_files  settings and arrays of a trained model
checkpoint   transformers checkpoints: safetensors only, and nothing that names code
gguf         GGUF files, converted to such checkpoints once
"""

from synthkd.artifacts.arrays import (
    Array,
    Arrays,
    check_arrays,
    read_arrays,
    read_table,
    write_arrays,
)
from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.artifacts.folder import (
    CRITIC_ARTIFACT,
    ENCODER,
    ONNX_ARTIFACT,
    STUDENT_ARTIFACT,
    Artifact,
    check_hashes,
    file_hashes,
    write_hashes,
)
from synthkd.artifacts.model_files import ModelFiles
from synthkd.artifacts.settings import (
    Columns,
    Count,
    Name,
    PluginName,
    Settings,
    Sha256,
    Weight,
    checked_settings,
    read_object,
    read_settings,
)

__all__ = [
    "CRITIC_ARTIFACT",
    "ENCODER",
    "ONNX_ARTIFACT",
    "STUDENT_ARTIFACT",
    "Array",
    "Arrays",
    "Artifact",
    "Columns",
    "Count",
    "ModelFiles",
    "Name",
    "PluginName",
    "Settings",
    "Sha256",
    "Weight",
    "check_arrays",
    "check_hashes",
    "checked_settings",
    "file_hashes",
    "read_arrays",
    "read_object",
    "read_settings",
    "read_table",
    "unsafe_checkpoint",
    "write_arrays",
    "write_hashes",
]
