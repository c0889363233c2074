# Short names for the usual commands: `just --list`.

# list the recipes
default:
    @just --list

# the whole funnel on this machine, with an account of every record
demo *arguments:
    deploy/run pantry demo {{ arguments }}

# servers, workers and gateway until Ctrl-C
up *arguments:
    deploy/run pantry up {{ arguments }}

# tests: `just test tests/domain -n 0`
test *arguments:
    deploy/run pytest {{ arguments }}

# format, and fix what can be fixed
fix:
    deploy/run ruff check --fix .
    deploy/run ruff format .

# types, lint and import contracts, of Python and of the pages
check:
    deploy/run ruff check .
    deploy/run ruff format --check .
    deploy/run mypy
    deploy/run lint-imports
    .ci/front/check

# write what is generated: schemas, AsyncAPI, the contract's table, the pages of settings, metrics and log events, the pages' types
export:
    deploy/run python -m schemas.export
    deploy/run python -m services.composition.reference
    .ci/front/check --write

# everything that must hold before a change lands
ci:
    .ci/run
