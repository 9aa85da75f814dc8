"""GGUF files as checkpoints: converted once, since reading one takes a minute.

transformers keeps the weights of such a file packed, and unpacks them at every step where no kernel
for them is installed. The converted checkpoint has them in bfloat16, in the cache of this machine.
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from contextlib import redirect_stderr, suppress
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from synthkd.errors import require_extra
from synthkd.keys import file_hash
from synthkd.storage.cache import cache_folder
from synthkd.teachers.transformers.checkpoint import HubFile, load_error

#: Raised when conversion changes: what was converted before is not used any more.
_VERSION = 1


def converted(model: Path | HubFile, revision: str | None) -> Path:
    """Return the folder of the checkpoint that a GGUF file was converted to.

    Raises:
        TeacherError: The file cannot be had, or is none that transformers can read.
    """
    require_extra("a GGUF file", "local", "gguf")
    file = model if isinstance(model, Path) else _download(model, revision)
    folder = cache_folder("gguf") / f"{file_hash(file)}-{_VERSION}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
            new = Path(temporary) / "new"
            try:
                # Bars of another library would break into the run's own.
                with redirect_stderr(io.StringIO()):
                    _convert(file, new)
            except Exception as error:  # noqa: BLE001 (the errors of a damaged file are not documented)
                raise load_error(error, file) from None
            # Another process may have converted it meanwhile.
            with suppress(OSError):
                new.rename(folder)
    return folder


def _download(model: HubFile, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(model.repository, model.file, revision=revision))
    except Exception as error:  # noqa: BLE001 (as above)
        raise load_error(error, str(model)) from None


def _convert(file: Path, folder: Path) -> None:
    # Beside nothing else: a tokenizer or a configuration in the same folder is another model's.
    with tempfile.TemporaryDirectory() as alone:
        link = Path(alone) / file.name
        try:
            os.symlink(file.resolve(), link)
        except OSError:
            # Windows allows links to few users.
            shutil.copyfile(file, link)
        options: dict[str, Any] = {"gguf_file": file.name, "trust_remote_code": False}
        tokenizer = AutoTokenizer.from_pretrained(alone, **options)
        packed = AutoModelForCausalLM.from_pretrained(
            alone, dtype=torch.bfloat16, quantization_config=_unpacked(), **options
        )
    config = AutoConfig.for_model(**_plain(packed.config.to_dict()))
    network = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    network.load_state_dict(packed.state_dict())
    network.generation_config = packed.generation_config
    network.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def _unpacked() -> Any:
    from transformers import GgufConfig

    return GgufConfig(dequantize=True)


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what is said of the packed file."""
    return {name: value for name, value in config.items() if name != "quantization_config"}
