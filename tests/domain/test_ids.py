"""Derived ids: UUIDs of version 5, whatever their parts are."""

import uuid

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.domain.ids import derive

NAMESPACE = uuid.UUID("5b0d3c1e-8f4e-5c39-9c0c-6b1c6f1f7a11")


@given(parts=st.lists(st.text(max_size=60), max_size=5))
@example(parts=[])
@example(parts=["", ""])
@example(parts=["cause", "/forms/web", "Žižkov 🍴"])
def test_an_id_is_the_version_5_uuid_of_its_parts(parts: list[str]) -> None:
    name = "".join(f"{len(part)}:{part}" for part in parts)
    assert derive(*parts) == str(uuid.uuid5(NAMESPACE, name))


def test_every_digit_before_the_variant_comes_out_as_uuid5_writes_it() -> None:
    derived = [derive("lead", str(number)) for number in range(2_000)]
    assert derived == [str(uuid.uuid5(NAMESPACE, f"4:lead{len(str(n))}:{n}")) for n in range(2_000)]
    assert {one[19] for one in derived} == set("89ab")


@given(parts=st.lists(st.text(max_size=8), min_size=1, max_size=3), at=st.integers(0, 8))
def test_where_a_part_ends_changes_the_id(parts: list[str], at: int) -> None:
    cut = [parts[0][:at], parts[0][at:], *parts[1:]]
    assert derive(*cut) != derive(*parts)


def test_a_lone_surrogate_has_no_id_as_before() -> None:
    with pytest.raises(UnicodeEncodeError):
        derive("lead", "\ud800")
