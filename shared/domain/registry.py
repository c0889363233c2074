"""The registry of models as documents of `models`, as far as more than one service reads them."""

STANDING, TRAINING, PROGRESS = "standing", "training", "progress"
"""The rows that are no model: which of them counts, what the last training came to, how far its leads are."""
HEURISTIC = 0
"""The number that stands for no model: predictions by the formula."""


def model_id(version: int) -> str:
    """The id of a model's document."""
    return f"model:{version:06d}"
