from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from omnicrm.conversation import (
    MEDIA,
    BadConversation,
    Expected,
    compare,
    compare_clients,
    compare_crm,
    compare_joined,
    load,
    responses_of,
)

RESPONSES: dict[str, Any] = {
    "utter_saludar": [{"text": "¡Hola! ¿En qué te ayudo?"}, {"text": "¡Hola, {cliente_nombre}!\n¿Qué buscas hoy?"}],
    "utter_despedir": [{"text": "¡Hasta luego!"}],
}
HELLO, BYE = Expected(kind="utter", value="utter_saludar"), Expected(kind="utter", value="utter_despedir")


def write(folder: Path, text: str) -> Path:
    path = folder / "conversation.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_becomes_steps_for_the_simulator(tmp_path: Path) -> None:
    conversation = load(
        write(
            tmp_path,
            """
        title: Todo lo que se puede hacer
        steps:
          - {customer: hola, bot: [utter_saludar]}
          - {tap: Precios, bot: [{contains: "120"}, {text: "¿Algo más?"}]}
          - {send: sticker}
          - {story_reply: qué bonito}
          - {send: story_mention}
        crm: {owner: bot}
    """,
        )
    )
    assert [step.as_act() for step in conversation.steps] == [
        {"text": "hola"},
        {"tap": "Precios"},
        {"attachment": {"type": "sticker"}},
        {"story_reply": "qué bonito"},
        {"story_mention": True},
    ]
    assert conversation.steps[1].expected == (Expected(kind="contains", value="120"), Expected(kind="text", value="¿Algo más?"))
    assert conversation.crm == {"owner": "bot"}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("steps: [", "not YAML"),
        ("title: vacía", "list of steps"),
        ("steps: [{bot: [utter_x]}]", "step 1: needs exactly one of"),
        ("steps: [{customer: hola}, {customer: a, tap: b}]", "step 2: needs exactly one of"),
        ("steps: [{customer: hola, bott: [utter_x]}]", "bott"),
        ("steps: [{send: paloma}]", "cannot send paloma"),
        ("steps: [{customer: hola, bot: [{regex: x}]}]", "a reply is"),
        ("{steps: [{customer: hola}], crmm: {}}", "unknown key crmm"),
    ],
)
def test_a_file_that_says_nonsense_is_told_where(tmp_path: Path, text: str, cause: str) -> None:
    with pytest.raises(BadConversation, match=cause):
        load(write(tmp_path, text))


@pytest.mark.parametrize("shown", ["¡Hola! ¿En qué te ayudo?", "¡Hola, Lucía!\n¿Qué buscas hoy?", "¡Hola, !  ¿Qué buscas hoy?"])
def test_any_variation_of_a_response_is_that_response(shown: str) -> None:
    assert HELLO.matches(shown, RESPONSES)


@pytest.mark.parametrize("shown", ["¡Hasta luego!", "¡Hola! ¿En qué te ayudo? ¡Hasta luego!", ""])
def test_other_words_are_not(shown: str) -> None:
    assert not HELLO.matches(shown, RESPONSES)


def test_a_response_that_the_domain_lacks_matches_nothing() -> None:
    assert not Expected(kind="utter", value="utter_nadie").matches("", RESPONSES)


def test_as_written_is_no_problem() -> None:
    assert compare([HELLO, BYE], ["¡Hola! ¿En qué te ayudo?", "¡Hasta luego!"], RESPONSES) == []


def test_missing_extra_and_other_replies_are_each_said() -> None:
    assert compare([HELLO, BYE], ["¡Hola! ¿En qué te ayudo?"], RESPONSES) == ["missing reply: utter_despedir"]
    assert compare([HELLO], ["¡Hola! ¿En qué te ayudo?", "¿Sigues ahí?"], RESPONSES) == ["extra reply: «¿Sigues ahí?»"]
    assert compare([], ["uy"], RESPONSES) == ["extra reply: «uy»"]
    assert compare([BYE], ["uy"], RESPONSES) == ["expected utter_despedir, got «uy»"]


def test_what_the_crm_holds_is_compared_by_the_keys_that_are_written() -> None:
    held = {
        "owner": "human",
        "owner_reason": "pidió una persona",
        "opted_out": False,
        "orders": [{"product": "Árnica", "quantity": 2}],
        "client": {"name": "Lucía", "phone": None},
    }
    assert (
        compare_crm({"owner": "human", "client": {"name": "Lucía"}, "orders": [{"product": "Árnica", "quantity": 2}]}, held)
        == []
    )
    assert compare_crm({"opted_out": True}, held) == ["crm opted_out: expected True, holds False"]
    assert compare_crm({"colour": 1}, held) == ["crm: nothing is known about colour"]


def test_responses_come_from_a_domain_in_one_file_or_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "domain").mkdir()
    (tmp_path / "domain.yml").write_text("responses: {utter_a: [{text: a}]}", encoding="utf-8")
    (tmp_path / "domain/more.yml").write_text("responses: {utter_b: [{text: b}]}", encoding="utf-8")
    assert responses_of(tmp_path) == {"utter_a": [{"text": "a"}], "utter_b": [{"text": "b"}]}


MAIL = "¡Hola! ¿En qué te ayudo?\n\nCuesta $120.\n\n1. Ver precios\n2. Hablar con alguien"
PRICE = Expected(kind="contains", value="$120")


def test_a_mail_holds_all_replies_of_a_step_in_order() -> None:
    assert compare_joined([HELLO, PRICE], [MAIL], RESPONSES) == []
    assert compare_joined([], [], RESPONSES) == []


@pytest.mark.parametrize(
    ("expected", "shown"),
    [
        ([HELLO], [MAIL]), ([BYE, PRICE], [MAIL]), ([HELLO, BYE], [MAIL]), ([HELLO], []), ([], [MAIL]),
        ([HELLO, PRICE], [MAIL, MAIL]),
    ],
)  # fmt: skip
def test_a_mail_with_too_much_too_little_or_something_else_is_a_problem(
    expected: list[Expected], shown: list[str]
) -> None:
    assert len(compare_joined(expected, shown, RESPONSES)) == 1


def test_a_step_can_belong_to_some_channels(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("title: x\nsteps:\n  - send: sticker\n    channels: [instagram]\n  - customer: hola\n", encoding="utf-8")
    first, second = load(file).steps
    assert (first.on("instagram"), first.on("email"), second.on("email")) == (True, False, True)


def test_a_conversation_of_one_person_goes_from_channel_to_channel_in_that_persons_words(tmp_path: Path) -> None:
    conversation = load(
        write(
            tmp_path,
            """
        steps:
          - {via: instagram, customer: "mi cel es {telefono} {otro}", bot: [{contains: "{telefono}"}]}
          - {via: whatsapp, customer: hola}
    """,
        )
    )
    assert (conversation.across, [step.via for step in conversation.steps]) == (True, ["instagram", "whatsapp"])
    step = conversation.steps[0].filled({"telefono": "5512345678"})
    assert (step.value, step.expected[0].value) == ("mi cel es 5512345678 {otro}", "5512345678")


def test_a_person_who_changes_channels_must_begin_on_one(tmp_path: Path) -> None:
    with pytest.raises(BadConversation, match="step 1: must say via which channel"):
        load(write(tmp_path, "steps: [{customer: hola}, {via: whatsapp, customer: hola}]"))


def client(number: int, *proposals: str) -> dict[str, Any]:
    return {"client": {"id": number}, "proposals": list(proposals)}


@pytest.mark.parametrize(("held", "problems"), [
    ({"instagram": client(1), "whatsapp": client(1), "messenger": client(2, "p")}, []),
    ({"instagram": client(1), "whatsapp": client(3), "messenger": client(2, "p")},
     ["crm one_client: instagram, whatsapp are different clients"]),
    ({"instagram": client(1), "whatsapp": client(1), "messenger": client(1, "p")},
     ["crm proposed: messenger was joined already"]),
    ({"instagram": client(1), "whatsapp": client(1), "messenger": client(2)},
     ["crm proposed: nothing is proposed for the client of messenger"]),
    ({"instagram": client(1), "whatsapp": client(1), "messenger": None}, ["crm: nobody wrote via messenger"]),
])  # fmt: skip
def test_whose_channels_are_one_client_is_compared(held: dict[str, Any], problems: list[str]) -> None:
    assert compare_clients({"one_client": ["instagram", "whatsapp"], "proposed": ["messenger"]}, held) == problems


PROJECT = Path(__file__).parents[3]
WRITTEN = [step for file in sorted((PROJECT / "tests/conversations").glob("*.yml")) for step in load(file).steps]


def test_each_kind_of_thing_that_is_sent_is_answered_in_words_of_its_own() -> None:
    responses = responses_of(PROJECT)
    answers = [variation["text"] for variation in responses["utter_adjunto"]]
    wordless = [step for step in WRITTEN if step.action == "send" or (step.action == "story_reply" and not step.value)]
    told: dict[str, set[str]] = {}
    for step in wordless:
        means = {text for text in answers for expected in step.expected if expected.matches(text, responses)}
        assert len(means) <= 1, f"{step}: whichever of {means}"
        told.setdefault(step.value or step.action, set()).update(means)
    assert set(told) == {*MEDIA, "story_mention", "story_reply"}
    assert all(len(means) == 1 for means in told.values())
    assert len(set().union(*told.values())) == len(told)
