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

from synthkd.errors import StorageError, require_extra
from synthkd.keys import file_hash
from synthkd.storage.cache import cache_folder

#: Raised when conversion changes: what was converted before is not used any more.
_VERSION = 1


def converted(file: Path) -> Path:
    """Return the folder of the checkpoint that a GGUF file was converted to.

    Raises:
        MissingExtraError: A package is missing.
        StorageError: The cache cannot be written.
        Exception: The file is none that transformers can read; which error is not documented.
    """
    require_extra("a GGUF file", "local", "torch", "transformers", "gguf")
    folder = cache_folder("gguf") / f"{file_hash(file)}-{_VERSION}"
    if not folder.is_dir():
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{folder.parent}: cannot be written ({error.strerror}); name another folder for"
                " converted models in SYNTHKD_CACHE"
            ) from None
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".new-") as temporary:
            new = Path(temporary) / "new"
            # Bars of another library would break into the run's own.
            with redirect_stderr(io.StringIO()):
                _convert(file, new)
            # Another process may have converted it meanwhile.
            with suppress(OSError):
                new.rename(folder)
    return folder


def _convert(file: Path, folder: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # Beside nothing else: a tokenizer or a configuration in the same folder is another model's.
    with tempfile.TemporaryDirectory() as alone:
        link = Path(alone) / file.name
        try:
            os.symlink(file.resolve(), link)
        except OSError:
            # Windows allows links to few users.
            shutil.copyfile(file, link)
        tokenizer = AutoTokenizer.from_pretrained(
            alone, gguf_file=file.name, trust_remote_code=False
        )
        packed = AutoModelForCausalLM.from_pretrained(
            alone, gguf_file=file.name, trust_remote_code=False, use_safetensors=True,
            dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True),
        )  # fmt: skip
    config = AutoConfig.for_model(**_plain(packed.config.to_dict()))
    network = type(packed)(config).to(torch.bfloat16)
    network.load_state_dict(packed.state_dict())
    network.generation_config = packed.generation_config
    network.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return a configuration without what is said of the packed file."""
    return {name: value for name, value in config.items() if name != "quantization_config"}
