"""Columns as people and tools name them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.captures import LeadCaptured
from services.ingest.domain.columns.meanings import CONSENT, TARGETS, ColumnOrigin, SourceColumn, columns_of, is_target
from services.ingest.domain.rows import capture_of
from services.ingest.domain.tables.table_reading import TableReading


def paths(*headers: str) -> dict[str, str | None]:
    """The path of each header, with `not ` before one whose yes is a no."""
    return {column.header: _path(column) for column in columns_of(headers)}


def _path(column: SourceColumn) -> str | None:
    return f"not {column.path}" if column.negated else column.path


def one(header: str) -> SourceColumn:
    return columns_of([header])[0]


EXPORTS: dict[str, dict[str, str]] = {
    "a badge scanner's": {
        "Scan ID": "id",
        "Scan Date": "date",
        "Scan Time": "time",
        "First Name": "contact.firstName",
        "Last Name": "contact.lastName",
        "Job Title": "contact.title",
        "Company": "company.name",
        "E-mail Address": "contact.email",
        "Mobile": "contact.phone",
        "Booth": "context.booth",
        "Number of Employees": "company.size",
        "Mailing Address": "context.Mailing Address",
        "Badge ID": "context.Badge ID",
    },
    "a British CRM's": {
        "Given name": "contact.firstName",
        "SURNAME": "contact.lastName",
        "Organisation": "company.name",
        "Telephone": "contact.phone",
        "email_address": "contact.email",
        "Turnover": "company.annualRevenue",
        "Lead Source": "source",
    },
    "a hasty one": {
        "\ufeffFrist Name": "contact.firstName",
        "LastNam": "contact.lastName",
        "Compnay": "company.name",
        "Emails": "contact.email",
        "Phone-Nr.": "contact.phone",
    },
    "a form's": {
        "firstName": "contact.firstName",
        "contact.lastName": "contact.lastName",
        "company.name": "company.name",
        "context.landing page": "context.landing page",
        "consent.email": "consent.email",
        "consent.wording": "consent.wording",
        "company.annualRevenue": "company.annualRevenue",
        "utm_source": "context.utm_source",
        "capturedAt": "time",
    },
    "Google Contacts', until 2024": {
        "Name": "contact.name",
        "Given Name": "contact.firstName",
        "Additional Name": "context.Additional Name",
        "Family Name": "contact.lastName",
        "Given Name Yomi": "context.Given Name Yomi",
        "Name Prefix": "context.Name Prefix",
        "Birthday": "context.Birthday",
        "E-mail 1 - Type": "context.E-mail 1 - Type",
        "E-mail 1 - Value": "contact.email",
        "E-mail 2 - Value": "contact.email",
        "Phone 1 - Type": "context.Phone 1 - Type",
        "Phone 1 - Value": "contact.phone",
        "Address 1 - City": "context.Address 1 - City",
        "Organization 1 - Name": "company.name",
        "Organization 1 - Title": "contact.title",
        "Organization 2 - Name": "context.Organization 2 - Name",
        "Website 1 - Value": "company.website",
        "Event 1 - Value": "context.Event 1 - Value",
    },
    "Google Contacts', since": {
        "First Name": "contact.firstName",
        "Phonetic First Name": "context.Phonetic First Name",
        "Last Name": "contact.lastName",
        "Nickname": "context.Nickname",
        "File As": "context.File As",
        "Organization Name": "company.name",
        "Organization Title": "contact.title",
        "E-mail 1 - Label": "context.E-mail 1 - Label",
        "E-mail 1 - Value": "contact.email",
        "Phone 3 - Value": "contact.phone",
    },
    "Outlook's": {
        "Title": "context.Title",
        "First Name": "contact.firstName",
        "Middle Name": "context.Middle Name",
        "Company": "company.name",
        "Job Title": "contact.title",
        "Assistant's Phone": "context.Assistant's Phone",
        "Business Fax": "context.Business Fax",
        "Business Phone": "contact.phone",
        "Company Main Phone": "contact.phone",
        "Mobile Phone": "contact.phone",
        "E-mail Address": "contact.email",
        "E-mail Type": "context.E-mail Type",
        "E-mail 2 Address": "contact.email",
        "Manager's Name": "context.Manager's Name",
        "Web Page": "company.website",
    },
    "Salesforce's, a report": {
        "Salutation": "context.Salutation",
        "First Name": "contact.firstName",
        "Title": "contact.title",
        "Company / Account": "company.name",
        "Lead Source": "source",
        "Lead Owner": "context.Lead Owner",
        "Lead Status": "context.Lead Status",
        "Campaign Status": "context.Campaign Status",
        "Last Modified Date": "context.Last Modified Date",
        "Created Date": "date",
        "Last Activity Date": "context.Last Activity Date",
        "Email Opt Out": "not consent.email",
        "Do Not Call": "not consent.phone",
        "Fax Opt Out": "context.Fax Opt Out",
    },
    "Salesforce's, from the API": {
        "FirstName": "contact.firstName",
        "LeadSource": "source",
        "NumberOfEmployees": "company.size",
        "AnnualRevenue": "company.annualRevenue",
        "MobilePhone": "contact.phone",
        "AssistantPhone": "context.AssistantPhone",
        "HasOptedOutOfEmail": "not consent.email",
        "HasOptedOutOfFax": "context.HasOptedOutOfFax",
        "DoNotCall": "not consent.phone",
        "IsEmailBounced": "context.IsEmailBounced",
        "SystemModstamp": "context.SystemModstamp",
        "Account.Name": "company.name",
        "Account.Phone": "contact.phone",
        "GDPR_Consent__c": "consent.email",
    },
    "HubSpot's": {
        "Record ID": "context.Record ID",
        "Email": "contact.email",
        "Phone Number": "contact.phone",
        "Mobile Phone Number": "contact.phone",
        "Associated Company": "company.name",
        "Company Domain Name": "company.website",
        "Create Date": "date",
        "Unsubscribed from all email": "not consent.email",
        "Opted out of email: Marketing Information": "not consent.email",
        "Marketing contact status": "context.Marketing contact status",
        "Original Source": "source",
        "properties.jobtitle": "contact.title",
        "hs_email_optout": "not consent.email",
    },
    "Apollo's": {
        "Title": "contact.title",
        "Company Name": "company.name",
        "Company Name for Emails": "company.name",
        "Email": "contact.email",
        "Email Status": "context.Email Status",
        "Email Confidence": "context.Email Confidence",
        "Primary Email Source": "context.Primary Email Source",
        "First Phone": "contact.phone",
        "Work Direct Phone": "contact.phone",
        "Corporate Phone": "contact.phone",
        "# Employees": "company.size",
        "Industry": "company.industry",
        "Person Linkedin Url": "context.Person Linkedin Url",
        "Website": "company.website",
        "Company Address": "context.Company Address",
        "Company Phone": "contact.phone",
        "Secondary Email": "contact.email",
        "Contact Owner": "context.Contact Owner",
    },
    "LinkedIn's connections": {
        "First Name": "contact.firstName",
        "URL": "context.URL",
        "Email Address": "contact.email",
        "Company": "company.name",
        "Position": "contact.title",
        "Connected On": "date",
    },
    "Meta's lead ads": {
        "id": "id",
        "created_time": "time",
        "ad_name": "context.ad_name",
        "campaign_name": "context.campaign",
        "form_name": "context.form",
        "platform": "source",
        "full_name": "contact.name",
        "phone_number": "contact.phone",
        "job_title": "contact.title",
    },
    "Eventbrite's": {
        "Order #": "context.Order #",
        "Order Date": "date",
        "Attendee #": "context.Attendee #",
        "First Name": "contact.firstName",
        "Buyer Email": "context.Buyer Email",
        "Email": "contact.email",
        "Attendee Status": "context.Attendee Status",
        "Cell Phone": "contact.phone",
    },
    "Mailchimp's": {
        "Email Address": "contact.email",
        "OPTIN_TIME": "consent.capturedAt",
        "OPTIN_IP": "context.OPTIN_IP",
        "CONFIRM_TIME": "context.CONFIRM_TIME",
        "UNSUB_TIME": "not consent.email",
        "UNSUB_REASON": "context.UNSUB_REASON",
        "LAST_CHANGED": "context.LAST_CHANGED",
    },
    "Pipedrive's": {
        "Person - Name": "contact.name",
        "Person - Email - Work": "contact.email",
        "Person - Phone - Mobile": "contact.phone",
        "Person - Organization": "company.name",
        "Person - Marketing status": "consent.email",
        "Organization - Address": "context.Organization - Address",
        "Lead - Title": "context.Lead - Title",
        "Deal - Title": "context.Deal - Title",
    },
    "Zoho's": {
        "Lead Owner": "context.Lead Owner",
        "Company": "company.name",
        "Designation": "contact.title",
        "Fax": "context.Fax",
        "No. of Employees": "company.size",
        "Annual Revenue (USD)": "company.annualRevenue",
        "Created Time": "time",
        "Modified Time": "context.Modified Time",
        "Email Opt Out": "not consent.email",
        "Unsubscribed Mode": "context.Unsubscribed Mode",
    },
    "Shopify's": {
        "Accepts Email Marketing": "consent.email",
        "Default Address Company": "company.name",
        "Default Address Phone": "contact.phone",
        "Phone": "contact.phone",
        "Accepts SMS Marketing": "context.Accepts SMS Marketing",
        "Note": "context.Note",
    },
    "Gravity Forms'": {
        "Entry Id": "id",
        "Entry Date": "date",
        "Name (Prefix)": "context.Name (Prefix)",
        "Name (First)": "contact.firstName",
        "Name (Last)": "contact.lastName",
        "Source Url": "context.Source Url",
        "Consent (Consent)": "consent.email",
        "Consent (Text)": "consent.wording",
    },
    "a German one": {
        "Anrede": "context.Anrede",
        "Titel": "context.Titel",
        "Vorname": "contact.firstName",
        "Name": "contact.lastName",
        "Firma": "company.name",
        "Straße": "context.Straße",
        "Telefon (geschäftlich)": "contact.phone",
        "Telefax": "context.Telefax",
        "E-Mail-Adresse:": "contact.email",
        "Mitarbeiterzahl": "company.size",
        "Keine Werbung": "not consent",
        "Einwilligung": "consent.email",
        "Abgemeldet": "not consent.email",
    },
    "a French one": {
        "Civilité": "context.Civilité",
        "Prénom": "contact.firstName",
        "Nom de famille": "contact.lastName",
        "Société": "company.name",
        "Courriel": "contact.email",
        "N° de téléphone": "contact.phone",
        "Chiffre d’affaires": "company.annualRevenue",  # noqa: RUF001 - the typographic apostrophe is meant
        "Désinscrit": "not consent.email",
        "Horodateur": "time",
    },
    "a Spanish one": {
        "Nombre": "contact.firstName",
        "Apellidos": "contact.lastName",
        "Empresa": "company.name",
        "Correo electrónico": "contact.email",
        "Móvil": "contact.phone",
        "Puesto": "contact.title",
        "No enviar correo": "not consent.email",
        "Acepta marketing": "consent.email",
    },
    "a Portuguese one": {
        "Primeiro nome": "contact.firstName",
        "Sobrenome": "contact.lastName",
        "Razão social": "company.name",
        "Telemóvel": "contact.phone",
        "Número de funcionários": "company.size",
        "Consentimento LGPD": "consent.email",
        "Carimbo de data/hora": "time",
    },
}


@pytest.mark.parametrize("whose", EXPORTS)
def test_the_columns_of_an_export_are_understood(whose: str) -> None:
    assert paths(*EXPORTS[whose]) == EXPORTS[whose]


@pytest.mark.parametrize("whose", EXPORTS)
def test_no_column_of_a_known_export_is_asked_about(whose: str) -> None:
    assert not [one for one in columns_of(list(EXPORTS[whose])) if one.origin is ColumnOrigin.ASKED]


def test_it_is_known_how_a_column_was_understood() -> None:
    columns = columns_of(["Email", "Compnay", "Booth map", "Notes", "Fax"], {"Notes": "contact.title", "Fax": ""})
    assert [(column.path, column.origin) for column in columns] == [
        ("contact.email", ColumnOrigin.NAMED),
        ("company.name", ColumnOrigin.GUESSED),
        ("context.Booth map", ColumnOrigin.KEPT),
        ("contact.title", ColumnOrigin.GIVEN),
        (None, ColumnOrigin.LEFT_OUT),
    ]


def test_every_path_is_understood_as_itself() -> None:
    assert paths(*TARGETS) == {path: path for path in TARGETS}


@pytest.mark.parametrize(
    "header",
    [
        "\ufeffEmail",
        "Email\u00a0",
        "\u200bE\u2011Mail",
        "* Email *",
        "Email (required)",
        "Email:",
        "e-mail?",
        '"Email"',
        "EMAIL_ADDRESS",
        "emailAddress",
        "Email 2",
        "email_2",
        "Email (2)",
        "Lead: Email",
        "Contact - E-Mail",
        "properties.email",
        "fields[email]",
        "data.contact.email",
        "What is your email address?",
        "Q3. Please enter your e-mail address:",
        "1) Email",
        "Wie lautet Ihre E-Mail-Adresse?",
        "Quelle est votre adresse e-mail ?",
        "¿Cuál es su correo electrónico?",
        "Qual é o seu e-mail?",
        "Email / E-Mail",
        "Email Address or E-mail",
        "Attendee Email",
        "Email__c",
    ],
)
def test_what_stands_around_a_name_does_not_hide_it(header: str) -> None:
    assert (one(header).path, one(header).origin) == ("contact.email", ColumnOrigin.NAMED)


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("Emial Address", "contact.email"),
        ("Fist name", "contact.firstName"),
        ("Telphone", "contact.phone"),
        ("Oragnisation", "company.name"),
        ("Email (as on your badge)", "contact.email"),
    ],
)
def test_a_guess_is_marked_as_one(header: str, path: str) -> None:
    assert (one(header).path, one(header).origin) == (path, ColumnOrigin.GUESSED)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Phase",
            "Stage",
            "Mailing address",
            "Contract name",
            "Attended",
            "Branch",
            "Employee",
            "Destination",
            "Contacts",
        ),
        *(
            "Username",
            "Company Site",
            "Phone Type",
            "Email (assistant)",
            "Phone (fax)",
            "Name (company)",
            "Phone / Fax",
        ),
        *(
            "Contact 2 Email",
            "First Name 2",
            "Guest 2 First Name",
            "Email or phone",
            "Parent Company",
        ),
        *("ids", "Badge ID", "Customer ID", "Contact Date", "Owner Email", "Email domain", "Event 2 - Value", "Name 2"),
        *("Scan data", "Created Dates", "Email 1 - Label", "Visitors", "Phone 1 - Country", "Emails consent date"),
    ],
)
def test_a_name_of_another_meaning_is_kept_as_it_is(header: str) -> None:
    assert (one(header).path or "").startswith("context.")


def test_of_several_names_for_one_moment_the_likeliest_counts() -> None:
    found = paths("Created Date", "Scan Date", "Registration Date", "Email")
    assert found == {
        "Created Date": "context.Created Date",
        "Scan Date": "date",
        "Registration Date": "context.Registration Date",
        "Email": "contact.email",
    }


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (["Title", "Job Title"], {"Title": "context.Title", "Job Title": "contact.title"}),
        (["Title", "Name"], {"Title": "contact.title", "Name": "contact.name"}),
        (["Emial Address", "Email"], {"Emial Address": "context.Emial Address", "Email": "contact.email"}),
        (["Event", "Event Name"], {"Event": "context.event", "Event Name": "context.Event Name"}),
        (
            ["Notes", "notes.", "notes_"],
            {"Notes": "context.Notes", "notes.": "context.notes_", "notes_": "context.notes_ 2"},
        ),
    ],
)
def test_a_name_that_is_sure_goes_before_one_that_is_not(headers: list[str], found: dict[str, str]) -> None:
    assert paths(*headers) == found


def test_several_columns_hold_the_address_and_the_number() -> None:
    columns = columns_of(["Mobile", "Home Phone", "Address 2", "Email"], {"Address 2": "contact.email"})
    assert [column.path for column in columns] == ["contact.phone", "contact.phone", "contact.email", "contact.email"]


def test_what_the_user_says_holds() -> None:
    given = {
        "Title": "contact.title",
        "When": "time",
        "Optin": "not consent.email",
        "Never": "not consent",
        "x": "context.x",
    }
    columns = columns_of(["Job Title", "Created at", *given], given)
    assert [(column.path, column.negated) for column in columns] == [
        ("contact.title", False),
        ("context.Created at", False),
        ("contact.title", False),
        ("time", False),
        ("consent.email", True),
        (CONSENT, True),
        ("context.x", False),
    ]


@pytest.mark.parametrize(
    ("header", "path"),
    [
        ("Email Opt-Out?", "not consent.email"),
        ("email_opt_out", "not consent.email"),
        ("Lead: Email Opt Out", "not consent.email"),
        ("Email Opt Out (Y/N)", "not consent.email"),
        ("Unsubscribed", "not consent.email"),
        ("Do not e-mail", "not consent.email"),
        ("Don’t call", "not consent.phone"),  # noqa: RUF001 - the typographic apostrophe is meant
        ("DNC", "not consent.phone"),
        ("Do Not Contact", "not consent"),
        ("Bitte nicht anrufen", "not consent.phone"),
        ("Ne pas appeler", "not consent.phone"),
        ("No llamar", "not consent.phone"),
        ("Opt-in", "consent.email"),
        ("GDPR consent*", "consent.email"),
        ("Newsletter", "consent.email"),
        ("Consentement", "consent.email"),
        ("Consent to call", "consent.phone"),
    ],
)
def test_it_is_known_whether_a_yes_agrees_or_refuses(header: str, path: str) -> None:
    assert _path(one(header)) == path


@pytest.mark.parametrize(
    "header",
    [
        "GDPR",
        "DSGVO",
        "RGPD",
        "LGPD",
        "Email consent declined",
        "Opt",
        "Emails consent",
        "Email Opt Out (No = may be mailed)",
        "No email consent",
        "Permission",
        "I agree to receive offers and accept the privacy policy. " * 20,
        "Do not send e-mail before noon",
        "Marketing preferences",
        "Newsletter Abo",
        "Werbung",
        "Bitte nicht mehr anrufen",
        "Consentement refusé",
        "Fecha y motivo de baja",
        "Subscribe",
        "Privacy",
    ],
)
def test_what_may_be_consent_and_is_not_understood_is_asked(header: str) -> None:
    column = one(header)
    assert (column.origin, column.negated) == (ColumnOrigin.ASKED, False)
    assert (column.path or "").startswith("context.")


@pytest.mark.parametrize(
    "header",
    [
        "Options",
        "No. of calls",
        "Marketing Budget",
        "Notes",
        "Phone no",
        "Average order value",
        "Accepted cards",
        "Option 1",
    ],
)
def test_not_all_that_looks_like_consent_is_asked_about(header: str) -> None:
    assert one(header).origin is not ColumnOrigin.ASKED


def test_cells_that_may_state_consent_have_room_before_others() -> None:
    columns = columns_of([*(f"extra {n}" for n in range(60)), "Permission"])
    assert columns[-1].path == "context.Permission"
    assert columns[-2] == SourceColumn("extra 59", None, ColumnOrigin.LEFT_OUT)


@given(st.lists(st.text(max_size=20), max_size=80), st.sampled_from([[], ["consent.wording"]]))
def test_any_headers_make_a_capture_whose_context_the_schema_takes(headers: list[str], more: list[str]) -> None:
    needed = {"contact.name": "Ana Reyes", "contact.email": "ana@example.com", "company.name": "Blue Fork"}
    columns = columns_of([*dict.fromkeys([*headers, *more, *needed])], {path: path for path in needed})
    assert all(column.path is None or is_target(column.path) for column in columns)
    kept = [column for column in columns if (column.path or "").startswith(("context.", "consent.wording"))]
    row = {column.header: "x" for column in kept} | needed
    wanted = tuple(column for column in columns if column in kept or column.header in needed)
    captured = LeadCaptured.model_validate(capture_of(row, TableReading(wanted), "website").data)
    assert len(captured.context or {}) == len(kept)


@pytest.mark.parametrize(
    "path",
    [
        "context.",
        "context.a.b",
        "contact.mail",
        "context.$set",
        "",
        "context",
        "context. a",
        "context.a\0",
        "not",
        "not time",
    ],
)
def test_no_field_maps_to_what_the_schema_does_not_know(path: str) -> None:
    assert not is_target(path)


@pytest.mark.parametrize(
    "path", ["contact.email", "context.any thing", "id", "consent", "not consent.email", "not consent", "context.not"]
)
def test_a_field_maps_to_a_path_or_to_a_fit_name_in_the_context(path: str) -> None:
    assert is_target(path)


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "text",
    ["a", "( ", "e-", "lead ", "1 ", "or ", "do not ", "(a", "no x", "no ", "e ", "q1. what is ", "a/", "[", "\u0300"],
)
def test_hostile_headers_take_no_long_time(text: str) -> None:
    columns_of([f"{text * (20_000 // len(text))}{number}" for number in range(100)])
    columns_of([f"{text * (140 // len(text))}{number}" for number in range(100)])
