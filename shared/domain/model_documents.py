"""The documents of `models` that several services read."""

STANDING, TRAINING, PROGRESS = "standing", "training", "progress"
"""The ids of rows that are no model: the model in use, the last training, its progress."""
HEURISTIC = 0
"""The version that means no model: predictions by the formula."""
TOO_FEW, TOO_FEW_WHY = "too_few", "too few outcomes to learn from and to be judged by"
"""The status of a training that had too few outcomes, and its reason."""


def model_id(version: int) -> str:
    """Return the id of a model's document."""
    return f"model:{version:06d}"
