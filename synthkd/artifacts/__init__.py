"""Folders of critics and students: hashes of every file, and schemas that bound what a stranger's folder can do.

folder       `hashes.json`: written with a folder, compared when it is read
settings     JSON files through pydantic models: types, bounds, finite numbers, no unknown field
arrays       safetensors and Parquet: names, types, shapes, finite numbers, bounded memory
checkpoint   transformers checkpoints: safetensors only, and nothing that names code
encoder      frozen encoders that are named by their content, and found again after a move
"""
