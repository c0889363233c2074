"""The documents of `models` that several services read."""

STANDING, TRAINING, PROGRESS = "standing", "training", "progress"
"""The ids of rows that are no model: the model in use, the last training, its progress."""
HEURISTIC = 0
"""The version that means no model: predictions by the formula."""


def model_id(version: int) -> str:
    """Return the id of a model's document."""
    return f"model:{version:06d}"
