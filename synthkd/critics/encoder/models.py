"""Load encoders from files that cannot run code, and name them by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from synthkd.errors import CriticError, MissingExtraError, UserError

#: What a folder of weights in an unsafe form has instead of safetensors.
_UNSAFE = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle", "*.h5", "*.msgpack")


def need_local() -> None:
    """Say which extra the encoder critic needs."""
    from importlib.util import find_spec

    for extra, names in (("local", ("torch", "transformers")), ("critics", ("sklearn", "safetensors"))):
        if any(find_spec(name) is None for name in names):
            raise MissingExtraError("the encoder critic", extra)


def load_model(name: str) -> tuple[Any, Any]:
    """Model and tokenizer by folder or hub name: safetensors only, and never code that comes with them."""
    from transformers import AutoModel, AutoTokenizer

    folder = Path(name)
    if folder.is_dir():
        if lacking := lacks_safetensors(folder):
            raise CriticError(f"{lacking}; save the encoder as safetensors")
    elif folder.is_absolute() or name.startswith("."):
        raise CriticError(f"{name}: no such folder of an encoder; name a folder or a model of the hub")
    safe = {"trust_remote_code": False}
    try:
        with quiet():
            tokenizer = AutoTokenizer.from_pretrained(name, **safe)
            model, told = AutoModel.from_pretrained(
                name, use_safetensors=True, dtype="float32", output_loading_info=True, **safe
            )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CriticError(
            f"encoder {name!r} cannot be loaded: {reason}; it must be a transformers model with safetensors"
        ) from None
    # No one reads the pooler here; any other part without weights would be random numbers.
    missing = sorted(key for key in told["missing_keys"] if "pooler" not in key)
    if missing:
        raise CriticError(
            f"encoder {name!r}: {len(missing)} of its weights are not in the checkpoint, {missing[0]} first; its config and"
            " weights do not belong together"
        )
    return model.eval(), tokenizer


def lacks_safetensors(folder: Path) -> str:
    """Why no weights can be read from a folder, in words; "" where they can."""
    if any(folder.glob("*.safetensors")):
        return ""
    unsafe = sorted(path.name for pattern in _UNSAFE for path in folder.glob(pattern))
    found = f" ({unsafe[0]} can run code and is not read)" if unsafe else ""
    return f"{folder}: no safetensors here{found}"


class quiet:
    """No progress bars, and no report of weights that this use leaves out."""

    def __enter__(self) -> None:
        from transformers.utils import logging

        self._level, self._bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
        logging.set_verbosity_error()
        logging.disable_progress_bar()

    def __exit__(self, *_: object) -> None:
        from transformers.utils import logging

        logging.set_verbosity(self._level)
        if self._bars:
            logging.enable_progress_bar()


def content_hash(model: Any, tokenizer: Any) -> str:
    """SHA-256 over the weights by name and over the tokenizer: the same encoder, wherever it was found."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        array = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes())
    digest.update(tokenizer.backend_tokenizer.to_str().encode())
    return digest.hexdigest()


def pick_device(device: str | None) -> str:
    """The accelerator where there is one. Raises `UserError` for a device that is not there."""
    import torch

    if device is not None:
        try:
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise UserError(
                f"device {device!r}: {reason}; name `cuda` or `cpu`, or leave `device` out"
            ) from None
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"


def half(device: str, asked: bool | None = None) -> Any:
    """A context that computes in bf16: where ``asked``, and unless refused on accelerators that have it."""
    import torch

    kind = torch.device(device).type
    helps = kind == "cuda" and torch.cuda.is_bf16_supported()
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=helps if asked is None else asked)
