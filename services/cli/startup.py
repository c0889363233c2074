"""Load a command's settings, and print its errors as sentences with exit status 2."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from deploy.local.child_process import ServerFailed
from services.cli.common import console, explain_fault
from shared.domain.operations.setting_names import PREFIX, unknown_settings, variable
from shared.env_file import read_env_file
from shared.errors import Permanent, Transient, UsageError
from shared.settings import Settings


def load_settings(file: Path | None) -> None:
    """Load settings from this file where the environment has none.

    Raises `ConfigError` and `UsageError`. It refuses an unknown name that looks like a setting: after a typo the
    default would apply unnoticed.
    """
    from_file = read_env_file(file) if file else {}
    faults = [*unknown_settings(os.environ, Settings.model_fields)]
    faults += [f"{fault} ({file})" for fault in unknown_settings(from_file, Settings.model_fields)]
    given = {name.upper() for name in os.environ}
    os.environ |= {name: text for name, text in from_file.items() if _is_new(name.upper(), given)}
    faults += _faults_of_secrets(os.environ.get(variable("secrets_dir")))
    if faults:
        raise UsageError("\n".join(faults))


def _is_new(upper: str, given: set[str]) -> bool:
    return upper.startswith(PREFIX) and upper not in given


def _faults_of_secrets(folder: str | None) -> list[str]:
    names = [one.name for one in Path(folder).iterdir()] if folder and Path(folder).is_dir() else []
    return [f"{fault} ({folder})" for fault in unknown_settings(dict.fromkeys(names, ""), Settings.model_fields)]


@contextmanager
def print_errors() -> Iterator[None]:
    """On an error of the user or an absent server, print a sentence and exit with status 2."""
    try:
        yield
    except (UsageError, Permanent, ServerFailed) as error:
        _end(str(error))
    except Transient as error:
        _end(f"{error.server} refused, or doesn't answer: {error}")
    except ValidationError as error:
        _end("\n".join(_faults_of(error)))


def _faults_of(error: ValidationError) -> Iterator[str]:
    """Yield the faults of the settings without their values, which may be secrets."""
    for fault in error.errors(include_url=False, include_input=False):
        place = "".join(f"{variable(str(part))}: " for part in fault["loc"][:1])
        yield place + explain_fault(fault)


def _end(text: str) -> None:
    console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(2)
