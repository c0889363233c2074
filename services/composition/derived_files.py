"""What the workers' manifests make of other files: rights, compose files, and the list of services."""

from pathlib import Path

from schemas.export import markdown_table, with_block
from services.composition.permissions import kafka_acls_text, mongo_roles_text, user_of
from services.composition.workers import MANIFESTS

_ROOT = Path(__file__).resolve().parents[2]
_BY = "written by `python -m services.composition.reference`"
_COMPOSE, _SECURITY, _SERVICES = _ROOT / "deploy", _ROOT / "deploy" / "security", _ROOT / "services" / "README.md"
_SECURED = """\
  {name}:
    <<: *process
    command: [worker, {name}]
    environment: {{<<: *settings, PANTRY_KAFKA_USERNAME: {user}, PANTRY_MONGO_USERNAME: {user}}}
    volumes: ["${{PANTRY_SECRETS:?the folder of the secrets}}/{name}:/run/secrets:ro", *config]
"""


def derived_files() -> dict[Path, str]:
    """Return the content of every file that the manifests decide. Raises `ValueError` if one lacks its marks."""
    names = [one.name for one in MANIFESTS]
    plain = "".join(f'  {name}: {{<<: *worker, command: ["worker", "{name}"]}}\n' for name in names)
    secured = "\n".join(_SECURED.format(name=name, user=user_of(name)) for name in names)
    table = markdown_table(
        ("worker", "what it does"), [(f"[`{one.name}/`]({one.name}/README.md)", one.says) for one in MANIFESTS]
    )
    return {
        _SECURITY / "kafka-acls.txt": kafka_acls_text(),
        _SECURITY / "mongo-roles.json": mongo_roles_text("pantry"),
        _COMPOSE / "compose.yaml": _with_workers(_COMPOSE / "compose.yaml", plain),
        _SECURITY / "compose.yaml": _with_workers(_SECURITY / "compose.yaml", secured),
        _SERVICES: with_block(_SERVICES, f"<!-- workers: {_BY} -->\n", table, "<!-- end of workers -->\n"),
    }


def _with_workers(compose: Path, block: str) -> str:
    return with_block(compose, f"  # workers: {_BY}\n", block, "  # end of workers\n")
