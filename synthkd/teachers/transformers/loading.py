"""Load a local checkpoint as a sampler: a causal model or an encoder-decoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.artifacts.gguf import converted
from synthkd.errors import SynthKDError, TeacherError
from synthkd.teachers.transformers.causal import CausalSampler
from synthkd.teachers.transformers.checkpoint import HubFile, Model, asked_dtype, load_error
from synthkd.teachers.transformers.number_type import number_type
from synthkd.teachers.transformers.sampling import Sampler
from synthkd.teachers.transformers.seq2seq import Seq2SeqSampler

if TYPE_CHECKING:
    from synthkd.recipe import TeacherPart


def load_sampler(model: Model, part: TeacherPart) -> Sampler:
    """Load safetensors weights, which cannot run code, onto a GPU if there is one.

    A GGUF file is converted first, if it has not been.
    """
    # The run shows its own progress.
    transformers_logging.disable_progress_bar()
    if part.threads:
        torch.set_num_threads(part.threads)
    device = part.device or ("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(model, HubFile) or (isinstance(model, Path) and model.is_file()):
        model = _converted(model, part.revision)
    if isinstance(model, Path) and (problem := unsafe_checkpoint(model)):
        raise TeacherError(f"{problem}; give a checkpoint with safetensors, without code")
    options: dict[str, Any] = {"revision": part.revision} if part.revision else {}
    try:
        tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=False, **options)
        config = AutoConfig.from_pretrained(model, trust_remote_code=False, **options)
        seq2seq = config.is_encoder_decoder
        network = (AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM).from_pretrained(
            model,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=number_type(asked_dtype(part), config, device),
            **options,
        )
    except Exception as error:  # noqa: BLE001 (the errors of a broken checkpoint are not documented)
        raise load_error(error, model) from None
    make: type[Sampler] = Seq2SeqSampler if seq2seq else CausalSampler
    return make(network.to(device).eval(), tokenizer, str(part.model), part.batch_size)


def _converted(model: Path | HubFile, revision: str | None) -> Path:
    """Return the checkpoint of a GGUF file, here or on the hub."""
    try:
        if isinstance(model, HubFile):
            from huggingface_hub import hf_hub_download

            model = Path(hf_hub_download(model.repository, model.file, revision=revision))
        return converted(model)
    except SynthKDError:
        raise
    except Exception as error:  # noqa: BLE001 (the errors of a damaged file are not documented)
        raise load_error(error, model) from None
