"""Entailment by a transformers checkpoint for natural language inference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkd.artifacts.checkpoint import unsafe_checkpoint
from synthkd.errors import InputError, MissingExtraError


def entailment_class(labels: Mapping[int, str]) -> int:
    """Which class of a checkpoint is entailment, by its name. Raises `InputError` where no name says it."""
    found = [
        number
        for number, name in labels.items()
        if "entail" in name.casefold()
        and not name.casefold().replace("-", "_").startswith(("not", "non", "no_"))
    ]
    if len(found) != 1:
        raise InputError(
            f"no class of this checkpoint is named entailment (there are: {', '.join(labels.values())}); set id2label in"
            " its config.json"
        )
    return found[0]


class EntailmentModel:
    """P(entailment) of (premise, hypothesis). A premise that is too long is cut at its end; ``cut`` counts those."""

    def __init__(self, folder: str, batch: int = 32, device: str | None = None) -> None:
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
        except ImportError:
            raise MissingExtraError("an entailment model", "local") from None
        if not (Path(folder) / "config.json").is_file():
            raise InputError(
                f"{folder}: no checkpoint here (config.json is missing), and no scorer of that name"
            )
        self.name = Path(folder).resolve().name
        self.cut = 0
        self._batch = batch
        self._torch: Any = torch
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        # Safetensors only, and never code that comes with a checkpoint: a pickle could run anything.
        if problem := unsafe_checkpoint(Path(folder)):
            raise InputError(f"{problem}; an entailment model is a transformers checkpoint with safetensors")
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            # Padding on the left would move the places of a pair's tokens, and so its score, with its neighbours.
            self._tokenizer.padding_side = "right"
            model: Any = AutoModelForSequenceClassification.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True
            )
        except Exception as error:  # noqa: BLE001 (what a strange checkpoint raises is nowhere declared)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise InputError(
                f"{folder}: not loaded: {reason}; an entailment model is a transformers checkpoint with safetensors"
            ) from None
        self._model: Any = model.to(self._device).eval()
        self._class = entailment_class(
            {int(number): str(name) for number, name in model.config.id2label.items()}
        )
        self._longest = min(
            self._tokenizer.model_max_length, getattr(model.config, "max_position_embeddings", 512), 4096
        )

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        order = sorted(range(len(pairs)), key=lambda i: len(pairs[i][0]) + len(pairs[i][1]))
        found = [0.0] * len(pairs)
        for start in range(0, len(order), self._batch):
            places = order[start : start + self._batch]
            for place, score in zip(places, self._scores([pairs[i] for i in places]), strict=True):
                found[place] = score
        return found

    def _scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        premises, hypotheses = zip(*pairs, strict=True)
        read = self._tokenizer(
            list(premises), list(hypotheses), padding=True, truncation="only_first", max_length=self._longest, return_tensors="pt"
        )  # fmt: skip
        self.cut += int((read["attention_mask"].sum(dim=1) >= self._longest).sum())
        with self._torch.inference_mode():
            logits = self._model(**read.to(self._device)).logits
        scores: list[float] = logits.float().softmax(dim=1)[:, self._class].clamp(0, 1).tolist()
        return scores
