"""Load, check and write the checkpoint of a generator; add and keep LoRA adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.artifacts.gguf import converted
from synthkd.encoders.device import pick_device, quiet_transformers
from synthkd.errors import StudentError, SynthKDError, require_extra
from synthkd.recipe.published_values import public_name
from synthkd.students.generators.options import LoraOptions

#: Name of the embedded teacher's checkpoint, as in recipes.
EMBEDDED = "synthkd/everyday"
#: Folder of the LoRA adapter beside the merged weights.
ADAPTER = "adapter"


def require_students_extra() -> None:
    """Raise MissingExtraError if a package of the generator student is not installed."""
    require_extra(
        "the generator student", "students", "torch", "transformers", "accelerate", "safetensors"
    )


def load_checkpoint(
    name: str, dtype: str = "float32", device: str | None = None, own: bool = False
) -> tuple[Any, Any]:
    """Load model and tokenizer from safetensors, without code that comes with them.

    Args:
        name: A folder, a GGUF file, a model of the hub, or `synthkd/everyday`.
        dtype: The type of the weights.
        device: The device; an accelerator by default.
        own: The checkpoint is part of a student's folder: no file may name code.

    Raises:
        StudentError: The checkpoint cannot write text: no such folder, other weights, an encoder, a
            tokenizer that does not belong to the model or has no end token.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING,
        MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING,
    )

    if name == EMBEDDED:
        name = str(Path(__file__).parents[2] / "teachers" / "everyday")
    folder = Path(name)
    if folder.is_dir():
        _refuse_unreadable(folder, own)
    elif not folder.is_file() and (folder.is_absolute() or name.startswith((".", "~"))):
        raise StudentError(
            f"{name}: no such folder of a checkpoint; name a folder, a GGUF file, a model of the"
            " hub, or scratch"
        )
    try:
        with quiet_transformers():
            if folder.is_file():
                name = str(converted(folder))
                _refuse_unreadable(Path(name), own)
            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            seq2seq = (
                type(config) in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING and config.is_encoder_decoder
            )
            if not seq2seq and not _decodes(config, MODEL_FOR_CAUSAL_LM_MAPPING):
                raise StudentError(
                    f"checkpoint {name!r} is a {config.model_type!r} that cannot write text; name a"
                    " causal or a sequence-to-sequence model"
                )
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
            auto_class = AutoModelForSeq2SeqLM if seq2seq else AutoModelForCausalLM
            model, loading = auto_class.from_pretrained(
                name, trust_remote_code=False, use_safetensors=True, dtype=getattr(torch, dtype),
                output_loading_info=True,
            )  # fmt: skip
    except SynthKDError:
        raise
    except Exception as error:  # noqa: BLE001 (a broken checkpoint raises undeclared errors)
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise StudentError(
            f"checkpoint {name!r} cannot be loaded: {reason}; it must be a transformers model with"
            " safetensors"
        ) from None
    if missing := sorted(loading["missing_keys"]):  # these would be random numbers
        raise StudentError(
            f"checkpoint {name!r}: {len(missing)} of its weights are not there, {missing[0]} first;"
            " its config and weights do not belong together"
        )
    check_tokenizer(model, tokenizer, name)
    return model.to(pick_device(device)), tokenizer


def _decodes(config: Any, causal: Any) -> bool:
    """Return True if a model of this configuration continues a text.

    Encoders such as BERT have a causal class too, which serves only as the decoder of another
    model.
    """
    if type(config) not in causal:
        return False
    names = [*(config.architectures or [])]
    encoder = any(
        name.endswith(("ForMaskedLM", "ForPreTraining", "ForSequenceClassification"))
        for name in names
    )
    only = {
        "bert",
        "roberta",
        "xlm-roberta",
        "electra",
        "camembert",
        "ernie",
        "big_bird",
        "megatron-bert",
        "modernbert",
    }
    return not encoder and not (
        config.model_type in only and not getattr(config, "is_decoder", False)
    )


def check_tokenizer(model: Any, tokenizer: Any, name: str) -> None:
    """Check that a tokenizer fits a model, and set its padding token."""
    rows = int(model.get_input_embeddings().weight.shape[0])
    if len(tokenizer) > rows:
        raise StudentError(
            f"checkpoint {name!r}: the tokenizer has {len(tokenizer):,} tokens, the model knows"
            f" {rows:,}; they do not belong together"
        )
    if tokenizer.eos_token_id is None:
        raise StudentError(
            f"checkpoint {name!r}: the tokenizer has no end token, so nothing could end an answer"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token


def context_length(model: Any) -> int | None:
    """Return the tokens that a model reads and writes at most; None if it has no bound."""
    config = model.config.get_text_config()
    if getattr(config, "relative_attention_num_buckets", None):
        return None
    for name in ("max_position_embeddings", "n_positions"):
        if isinstance(tokens := getattr(config, name, None), int) and tokens > 0:
            return tokens
    return None


def _refuse_unreadable(folder: Path, own: bool) -> None:
    if not (folder / "config.json").is_file():
        raise StudentError(f"{folder}: no config.json here; a transformers checkpoint has one")
    if problem := unsafe_checkpoint(folder, own):
        raise StudentError(f"{problem}; save the checkpoint as safetensors, without code")


def add_lora(model: Any, lora: LoraOptions, seq2seq: bool, name: str) -> Any:
    """Freeze a model's weights and add a LoRA adapter that is trained."""
    require_extra("LoRA", "lora", "peft")
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=lora.targets,
        task_type=TaskType.SEQ_2_SEQ_LM if seq2seq else TaskType.CAUSAL_LM,
    )  # fmt: skip
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        reason = str(error).strip().splitlines()[0]
        raise StudentError(f"lora: {reason}; `lora.targets` names modules of {name!r}") from None


class LoraAdapter:
    """The configuration and weights of a LoRA adapter, which outlive its merging."""

    def __init__(self, model: Any) -> None:
        from peft import get_peft_model_state_dict

        self.config = model.peft_config["default"]
        if self.config.base_model_name_or_path:
            # Keep only the last part of a path: the student may be published.
            self.config.base_model_name_or_path = public_name(self.config.base_model_name_or_path)
        self.tensors = {
            name: tensor.detach().cpu().clone().contiguous()
            for name, tensor in get_peft_model_state_dict(model).items()
        }

    def save(self, folder: Path) -> None:
        """Write `adapter_config.json` and `adapter_model.safetensors`, as peft reads them."""
        from safetensors.torch import save_file

        folder.mkdir()
        self.config.save_pretrained(folder)
        save_file(self.tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def write_checkpoint(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write config, safetensors, tokenizer and generation config."""
    with quiet_transformers():
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        model.generation_config.save_pretrained(folder)
