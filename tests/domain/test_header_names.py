"""The data file of the names that columns have."""

import yaml

from services.ingest.domain.columns.header_names import FILE, LANGUAGES
from services.ingest.domain.columns.header_text import clean_header, header_key
from services.ingest.domain.columns.meanings import CONSENT, TARGETS, ColumnOrigin, columns_of

SAID = yaml.safe_load(FILE.read_bytes())
SECTIONS = ("names", "only_alone", "yes_means_no")
ENTRIES = [
    (section, path, source, name)
    for section in SECTIONS
    for path, by_source in SAID[section].items()
    for source, listed in by_source.items()
    for name in listed
]


def test_no_name_stands_for_two_things() -> None:
    meanings: dict[str, set[tuple[str, str]]] = {}
    for section, path, _, name in ENTRIES:
        meanings.setdefault(header_key(name), set()).add((section, path))
    for about, listed in SAID["mean_something_else"].items():
        for name in listed:
            meanings.setdefault(header_key(name), set()).add((about, ""))
    assert {name: of for name, of in meanings.items() if len(of) > 1} == {}


def test_every_name_leads_to_its_path() -> None:
    wrong = []
    for section, path, _, name in ENTRIES:
        (column,) = columns_of([name])
        said = (column.path, column.negated, column.origin)
        wrong += [] if said == (path, section == "yes_means_no", ColumnOrigin.NAMED) else [(name, *said)]
    assert wrong == []


def test_every_path_is_a_target_and_has_names_in_all_languages() -> None:
    assert {path for _, path, _, _ in ENTRIES} <= {*TARGETS, CONSENT}
    assert {(path, language) for path in TARGETS for language in LANGUAGES} <= {
        (path, source) for section, path, source, _ in ENTRIES if section == "names"
    }


def test_every_name_has_a_language_or_a_product_whose_document_is_named() -> None:
    assert {source for _, _, source, _ in ENTRIES} - set(LANGUAGES) == set(SAID["sources"])
    assert all(len(document) > 10 for document in SAID["sources"].values())


def test_a_name_is_the_same_with_and_without_what_stands_around_it() -> None:
    assert [name for *_, name in ENTRIES if header_key(clean_header(name)) != header_key(name)] == []
