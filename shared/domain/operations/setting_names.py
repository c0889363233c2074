"""Names of settings in the environment: finds misspelt ones and suggests the right name."""

import difflib
import re
from collections.abc import Collection, Iterator, Mapping

PREFIX = "PANTRY_"
OTHERS = {
    "PANTRY_CACHE": "Folder of Kafka's jars and of the tools of `deploy/audit`. If unset, it is `~/.cache/pantry`.",
    "PANTRY_SECRETS": "Folder with a folder of secrets for each process, which `deploy/security/compose.yaml` mounts.",
}
"""Variables that only `deploy/` reads, with their meaning."""
_TESTS = "PANTRY_TEST_"
# Kubernetes sets variables for each Service: those of one called `pantry-gateway` look like settings.
_SERVICE = re.compile(r"PANTRY_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_\w+)?)")
_SERVICE_ADDRESS = ("tcp://", "udp://", "sctp://")
_ALIKE = 0.75


def variable(field: str) -> str:
    """Return the environment variable of a field of the settings."""
    return f"{PREFIX}{field}".upper()


def unknown_settings(environment: Mapping[str, str], fields: Collection[str]) -> Iterator[str]:
    """Yield a sentence for each variable that looks like a setting and is none of `fields`."""
    known = {variable(field) for field in fields}
    for name, value in environment.items():
        upper = name.upper()
        if upper.startswith(PREFIX) and upper not in known | OTHERS.keys() and not _is_foreign(upper, value):
            yield _sentence(name, upper, known)


def _is_foreign(upper: str, value: str) -> bool:
    of_service = _SERVICE.fullmatch(upper) or (upper.endswith("_PORT") and value.startswith(_SERVICE_ADDRESS))
    return upper.startswith(_TESTS) or bool(of_service)


def _sentence(name: str, upper: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(upper, sorted(known), 1, _ALIKE)
    if not near:
        return f"{name} is not a setting; deploy/docs/settings.md lists them"
    return f"{name} is not a setting; did you mean {near[0] if name == upper else near[0].lower()}?"
