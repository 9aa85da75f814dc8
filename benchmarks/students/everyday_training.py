"""The base and the students of the everyday world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.students.everyday_world import kind

Row = Mapping[str, Any]
#: Training rows of a student: all, or those that the critic keeps at a target precision.
ARMS: tuple[Any, ...] = ("raw", 0.8, 0.9, 0.95)
#: The target precision of the headline, chosen on the tuning heads.
BEST = 0.95
#: Parameters of the teacher, all of its embeddings counted; a student has a tenth at most.
TEACHER_PARAMETERS = 5_573_888
#: A student without a base, which has never read the name of a held-out head.
UNMET = "filtered 0.95, no base"


@dataclass(frozen=True)
class Settings:
    """Options of the decoder (``shape``), steps and learning rates."""

    shape: dict[str, Any] = field(
        default_factory=lambda: {
            "layers": 3,
            "width": 96,
            "heads": 3,
            "vocabulary": 2000,
            "context": 64,
        }
    )
    batch: int = 64
    base_steps: int = 6000
    base_lr: float = 3e-3
    steps: int = 600
    lr: float = 3e-4
    unmet_steps: int = 1000

    @classmethod
    def quick(cls) -> Settings:
        """Return settings that run in a minute, and show nothing."""
        return cls(base_steps=150, steps=30, unmet_steps=30)


def name_of(arm: Any) -> str:
    """Return the name of a corpus: `raw`, or `filtered 0.9`."""
    return "raw" if arm == "raw" else f"filtered {arm}"


def students(
    corpora: Mapping[Any, Sequence[Row]], settings: Settings, seed: int, folder: Path
) -> Iterator[tuple[str, Path, int]]:
    """Train the base, a student for each arm, and one without a base.

    Yields name, folder and parameters. The base is trained on the corpus None.
    """
    one = settings
    base, size = _trained(
        folder / "base", corpora[None], one.shape, one.base_steps, one.base_lr, seed, one
    )
    yield "base", base, size
    for arm in ARMS:
        model = _trained(
            folder / name_of(arm), corpora[arm], str(base), one.steps, one.lr, seed, one
        )
        yield name_of(arm), *model
    yield (
        UNMET,
        *_trained(
            folder / UNMET, corpora[BEST], one.shape, one.unmet_steps, one.base_lr, seed, one
        ),
    )


def _trained(
    folder: Path,
    rows: Sequence[Row],
    base: Any,
    steps: int,
    lr: float,
    seed: int,
    settings: Settings,
) -> tuple[Path, int]:
    """Train for a number of steps, whatever the number of rows, and save."""
    from synthkd.students.generators.student import GeneratorStudent

    student = GeneratorStudent(
        base=base, seed=seed, epochs=steps * settings.batch / len(rows), lr=lr,
        batch_size=settings.batch,
        schedule="cosine", weight_decay=0.1,
    )  # fmt: skip
    student.fit_rows(rows, kind())
    size = int(student.record["parameters"])
    if size > TEACHER_PARAMETERS / 10:
        raise SystemExit(
            f"{size:,} parameters are more than a tenth of the teacher's {TEACHER_PARAMETERS:,}"
        )
    folder.mkdir(parents=True)
    student.save(folder)
    return folder, size
