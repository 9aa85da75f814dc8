"""Check a transformers checkpoint before loading: safetensors only, no code.

All loaders pass ``trust_remote_code=False`` and ``use_safetensors=True`` as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: Files that can run code when they are read.
UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.joblib", "*.h5", "*.msgpack")
_CONFIGS = "*config.json"
#: Keys that name code in the folder or on a hub. A checkpoint of the user may have these, since the
#: code is never run; one in the folder of a critic or student may not.
_CODE = {
    "auto_map",
    "custom_pipelines",
    "custom_generate",
    "quantization_config",
    "trust_remote_code",
}
_KERNELS = {"use_kernels", "kernel_config"}
_ATTENTION = "attn_implementation"
#: Bytes of a configuration at most.
_LARGEST = 1 << 24


def lacks_safetensors(folder: Path) -> str:
    """Return why a folder has no readable weights; "" if it has."""
    if any(folder.glob("*.safetensors")):
        return ""
    unsafe = sorted(path.name for pattern in UNSAFE for path in folder.glob(pattern))
    found = f" ({unsafe[0]} can run code and is not read)" if unsafe else ""
    return f"{folder}: no safetensors here{found}"


def unsafe_checkpoint(folder: Path, own: bool = False) -> str:
    """Return why a checkpoint must not be loaded; "" if it may be.

    Args:
        folder: The checkpoint.
        own: Whether it is in the folder of a critic or student, in which nothing may name code.
    """
    if lacking := lacks_safetensors(folder):
        return lacking
    if own:
        for pattern in ("*.py", *UNSAFE):
            for path in sorted(folder.glob(pattern)):
                return f"{path}: it can run code and is not read"
        if (folder / "adapter_config.json").exists():
            return f"{folder / 'adapter_config.json'}: an adapter of another checkpoint"
    for path in sorted(folder.glob(_CONFIGS)):
        try:
            if path.stat().st_size > _LARGEST:
                return f"{path}: larger than {_LARGEST:,} bytes"
            config = json.loads(path.read_text("utf-8"))
            for key, value in _entries(config):
                if own and key in _CODE and value:
                    return f"{path}: `{key}` names code or a form of weights that is not read"
                if key in _KERNELS and value:
                    return f"{path}: `{key}` asks for code from a hub"
                if key.lstrip("_").endswith(_ATTENTION) and "/" in json.dumps(value):
                    return f"{path}: `{key}` names an attention kernel of a hub, which is code"
        except (OSError, ValueError, RecursionError):
            return f"{path}: not JSON"
    return ""


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield keys and values at any depth."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield key, one
            yield from _entries(one)
    elif isinstance(value, list):
        for one in value:
            yield from _entries(one)
