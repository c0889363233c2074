"""Tables in text files, as tools and people write them."""

import pytest

from schemas.captures import is_email
from services.ingest.domain.tables.table import SourceTable, UnreadableTable, read_csv
from services.ingest.domain.tables.text_decoding import decode_text, encoding_of

HEADER = "Name,Email,Company"
ANA = "Ana Reyes,ana@example.com,Blue Fork"


def read(text: str | bytes) -> SourceTable:
    return read_csv(text.encode() if isinstance(text, str) else text)


def cells(text: str | bytes) -> list[dict[str, str]]:
    table = read(text)
    return [table.cells(row) for row in table.rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["Ana Reyes", "Zoë Müller", "Анна Ковальчук", "山田 太郎"])
def test_the_encoding_is_found(name: str, encoding: str) -> None:
    (row,) = cells(f"{HEADER}\r\n{name},a@example.com,Blue Fork\r\n".encode(encoding))
    assert row["Name"] == name


def test_zeros_between_the_letters_of_a_cell_make_no_utf_16_of_the_file() -> None:
    (row,) = cells(f"{HEADER}\n\0A\0n\0a\0,a@example.com,Blue Fork\n")
    assert row["Email"] == "a@example.com"


def test_a_sign_of_utf_16_that_holds_the_byte_of_a_line_end_ends_no_line() -> None:
    (row,) = cells("线上,Email,Company\r\n上海,a@example.com,Blue Fork\r\n".encode("utf-16-le"))
    assert row["线上"] == "上海"


def test_each_line_has_its_own_encoding_and_that_is_said() -> None:
    table = read(f"{HEADER}\nZoë,z@example.com,a\n".encode() + "Jürgen € “x”,j@example.com,b\n".encode("cp1252"))
    assert [row.cells[0] for row in table.rows] == ["Zoë", "Jürgen € “x”"]
    (note,) = table.notes
    assert note.startswith("line 3 is not in UTF-8: read as Windows-1252")
    assert decode_text(b"J\xfcrgen\x81").text == "Jürgen\x81"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_line_ends_are_found(delimiter: str, end: str) -> None:
    text = end.join((HEADER, ANA.replace("Fork", "Fork & Co"), "")).replace(",", delimiter)
    assert cells(text) == [{"Name": "Ana Reyes", "Email": "ana@example.com", "Company": "Blue Fork & Co"}]


def test_a_first_line_that_names_the_delimiter_counts_and_is_no_row() -> None:
    table = read('sep=;\r\nName;Email;Company, or what\r\nAna;a@example.com;"x"\r\n')
    assert table.headers == ("Name", "Email", "Company, or what")
    assert table.rows[0].line == 3


@pytest.mark.parametrize(
    "above",
    [
        "Leads of the spring fair",
        "Exported by:,Ana\nDate:,2026-05-16",
        "Event,NRA Show\nBooth,7\n",
        "Contact,,Company",
        ",,,,\n\ufeff",
    ],
)
def test_what_is_above_the_header_is_passed_over(above: str) -> None:
    table = read(f"{above}\n{HEADER},Phone,City\n{ANA},,Denver")
    assert table.headers == ("Name", "Email", "Company", "Phone", "City")
    assert len(table.rows) == 1


def test_a_row_that_names_columns_too_is_no_header() -> None:
    assert read("Wer,E-Mail,Woher\nAna,a@example.com,Website\nEmail,b@example.com,Phone").headers[0] == "Wer"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("Name,Email,,", "Ana Reyes,ana@example.com,no,unsubscribed"),
        ("Naam van u,Adres,Bron van,Soort", "Jan,jan@example.com,Website,Restaurant"),
    ],
)
def test_a_row_with_an_address_is_no_header(header: str, row: str) -> None:
    table = read(f"{header}\n{row}\nJo,jo@example.com,x,y\n".encode())
    assert [one.line for one in table.rows] == [2, 3]


@pytest.mark.parametrize(
    "long", ["a@" + "." * 300_000 + "@", "a" + "\u0301\u0316" * 200_000 + "@x.de"], ids=["dots", "marks"]
)
def test_a_long_cell_beside_the_header_is_judged_in_one_pass(long: str) -> None:
    table = read(f"Name,Email,{long}\nAna,ana@example.com,{long}\n".encode())
    assert (len(table.rows), table.headers[:2]) == (1, ("Name", "Email"))
    assert not is_email(long)


def test_an_address_as_long_as_may_be_is_one_and_a_longer_text_is_none() -> None:
    longest = f"{'a' * 64}@{'.'.join(['b' * 60, 'c' * 60, 'd' * 59])}.example"
    assert is_email(longest)
    assert not is_email("a" * 1_025 + "@x.example")


def test_a_header_of_unknown_names_is_found_by_its_cells() -> None:
    assert read("Kop:,x\na1,a2,a3,a4\n1,2,3,4").headers == ("a1", "a2", "a3", "a4")


def test_empty_columns_at_the_end_are_none_and_a_filled_one_without_a_name_has_its_number() -> None:
    table = read(f"{HEADER},,,\n{ANA},,,\n{ANA},,x,")
    assert table.headers == ("Name", "Email", "Company", "", "column 5")
    assert [row.remark for row in table.rows] == [None, "has more cells than the header"]
    assert read(f"{HEADER},,\n{ANA},,").headers == ("Name", "Email", "Company")


def test_a_header_repeated_and_the_footer_of_a_report_are_no_rows() -> None:
    table = read(f"{HEADER}\n{ANA}\n{HEADER}\n{ANA}\n\nTotal: 2,,\nConfidential - do not distribute\n")
    assert [row.line for row in table.rows] == [2, 4]
    assert table.notes == ("left out the file's footer: line 6, 7",)


def test_a_row_of_a_name_alone_is_no_footer() -> None:
    assert [row.line for row in read(f"{HEADER}\n{ANA}\nBo Li,,").rows] == [2, 3]


@pytest.mark.parametrize(
    ("line", "company"),
    [
        ('Ana,a@example.com,"Blue" Fork', "Blue Fork"),
        ('Ana,a@example.com,"Blue, or" Fork', "Blue, or Fork"),
        ('Ana,a@example.com,"Blue Fork', "Blue Fork"),
        ('"Ana,a@example.com,Blue Fork', "Blue Fork"),
    ],
)
def test_broken_quotes_cost_nothing_where_the_cells_are_as_many_as_the_header_s(line: str, company: str) -> None:
    table = read(f"{HEADER}\n{line}\n{ANA}")
    assert [table.cells(row)["Company"] for row in table.rows] == [company, "Blue Fork"]
    assert table.rows[0].fault is None
    assert table.rows[0].remark is not None


def test_a_row_of_nothing_that_one_can_see_is_none() -> None:
    assert len(read(f"{HEADER}\n{ANA}\n\u200b,\xa0,#N/A\n").rows) == 1


def test_a_header_alone_is_a_table_without_rows() -> None:
    assert read(HEADER).rows == []


@pytest.mark.parametrize("body", [b"", b"\n\n", b"one column\nonly\n", b"\xff\xfe", b"sep=;"])
def test_what_has_no_header_is_refused_in_a_sentence(body: bytes) -> None:
    with pytest.raises(UnreadableTable, match=r"^[A-Z].*\.$"):
        read(body)


def test_text_that_is_not_in_utf_8_is_noted_and_read_in_the_encoding_that_is_given() -> None:
    body = "Name,Company,Email\nŁukasz Wiśniewski,Źródło,l@x.pl\n".encode("cp1250")
    (note,) = read_csv(body).notes
    assert "give the encoding" in note
    table = read_csv(body, encoding=encoding_of("Windows-1250"))
    assert (table.rows[0].cells[0], table.notes) == ("Łukasz Wiśniewski", ())
    cyrillic = "Name,Email\nЮлий Щукин,i@x.ru\n"
    assert read_csv(cyrillic.encode("cp1251"), encoding="cp1251").rows[0].cells[0] == "Юлий Щукин"
    assert read_csv(cyrillic.encode("utf-8-sig"), encoding="cp1251").rows[0].cells[0] == "Юлий Щукин", "its mark says"


def test_characters_that_an_encoding_does_not_have_are_noted() -> None:
    (note,) = decode_text(b"Name\nJ\x81rgen\n", "cp1252").notes
    assert note.startswith("1 characters can't be read in cp1252")


@pytest.mark.parametrize(
    "name", ["rot13", "zlib", "idna", "undefined", "utf-7", "unicode_escape", "no such", "", "a\0b"]
)
def test_what_is_no_encoding_of_a_file_is_none(name: str) -> None:
    assert encoding_of(name) is None
