import pytest

from shared.domain.operations.setting_names import unknown_settings
from shared.settings import Settings


def told(name: str, value: str = "x") -> list[str]:
    return list(unknown_settings({name: value}, Settings.model_fields))


def test_a_misspelt_setting_is_named_beside_the_one_that_was_meant() -> None:
    assert told("PANTRY_MONGO_UR") == ["PANTRY_MONGO_UR is not a setting; did you mean PANTRY_MONGO_URL?"]
    assert told("pantry_kafka_pasword") == [
        "pantry_kafka_pasword is not a setting; did you mean pantry_kafka_password?"
    ]
    assert told("PANTRY_HTP_PORT", "8080") == ["PANTRY_HTP_PORT is not a setting; did you mean PANTRY_HTTP_PORT?"]


def test_a_name_that_is_like_no_setting_is_told_without_a_guess() -> None:
    assert told("PANTRY_QUUX") == ["PANTRY_QUUX is not a setting; deploy/docs/settings.md lists them"]


@pytest.mark.parametrize(
    "name", ["PANTRY_MONGO_URL", "pantry_mongo_url", "PATH", "PANTRY_TEST_ANYTHING", "PANTRY_CACHE"]
)
def test_settings_in_any_case_and_the_names_of_others_are_no_strangers(name: str) -> None:
    assert not told(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PANTRY_SERVICE_HOST", "10.0.0.1"),
        ("PANTRY_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ("PANTRY_GATEWAY_SERVICE_PORT_HTTP", "8080"),
        ("PANTRY_GATEWAY_PORT", "tcp://10.0.0.1:8080"),
        ("PANTRY_GATEWAY_PORT_8080_TCP_ADDR", "10.0.0.1"),
    ],
)
def test_what_kubernetes_says_of_a_service_is_no_stranger(name: str, value: str) -> None:
    assert not told(name, value)


def test_a_value_is_never_quoted() -> None:
    assert "hunter2" not in "".join(told("PANTRY_KAFKA_PASSWRD", "hunter2"))
