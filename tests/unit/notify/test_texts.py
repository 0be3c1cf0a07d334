"""What the staff reads, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from notify.texts import Item, masked, tell

LINK = "https://crm.example.com/c/{conversation}"
ANA: dict[str, Any] = {"channel": "WA", "conversation": "7", "name": "Ana Pérez", "user": "+525512345678"}


def item(kind: str, detail: dict[str, Any] | None = None, **more: Any) -> Item:
    return Item(**{"kind": kind, "detail": detail or {}, **ANA, **more})


def account(kind: str, detail: dict[str, Any], channel: str = "IG", number: str = "17841470026191358") -> Item:
    return Item(kind=kind, detail=detail, channel=channel, account=number)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (item("handover", {"reason": "pidió factura"}),
         "Ana Pérez (WhatsApp) pide hablar con una persona.\nMotivo: pidió factura.\nhttps://crm.example.com/c/7"),
        (item("handover", {"reason": "pidió hablar con una persona"}),
         "Ana Pérez (WhatsApp) pide hablar con una persona.\nhttps://crm.example.com/c/7"),
        (item("handover", count=4),
         "Ana Pérez (WhatsApp) pide hablar con una persona.\nY 3 más.\nhttps://crm.example.com/c/7"),
        (item("hot_lead", {"product": "extracto de árnica", "quantity": 2}),
         "Ana Pérez (WhatsApp) hizo un pedido.\nPedido: 2 × extracto de árnica.\nhttps://crm.example.com/c/7"),
        (item("complaint", {"reason": "llegó roto"}),
         "Ana Pérez (WhatsApp) tiene una queja.\nMotivo: llegó roto.\nhttps://crm.example.com/c/7"),
        (item("send_failed", {"reason": "window"}),
         "A Ana Pérez (WhatsApp) no le llegó una respuesta.\n"
         "Motivo: ya pasó el tiempo en que la plataforma deja contestar.\nhttps://crm.example.com/c/7"),
        (account("channel_down", {"reason": "El token de Meta ya no es válido."}),
         "Instagram (…1358) no puede enviar mensajes.\nMotivo: El token de Meta ya no es válido.\n"
         "Los mensajes esperan y salen solos cuando se arregle. Revisa con: omnicrm doctor"),
        (account("channel_up", {}, "EMAIL", "hola@eum.mx"), "Correo (ho…@eum.mx) ya puede enviar mensajes otra vez."),
        (account("token", {"text": "El token de Meta vence el 2026-12-01"}),
         "El acceso a Instagram (…1358) está en riesgo.\nEl token de Meta vence el 2026-12-01."),
        (Item(kind="webhook_off", detail={"host": "crm.example.com", "subscription": 3, "reason": "no recibió nada en 5 días"}),
         "Se apagó el webhook a crm.example.com.\nMotivo: no recibió nada en 5 días.\n"
         "Para encenderlo otra vez: omnicrm webhook enable 3"),
    ],
)  # fmt: skip
def test_a_notice_in_full(one: Item, words: str) -> None:
    assert tell([one], link=LINK).text == words


def test_the_subject_tells_who_and_what_in_one_line() -> None:
    assert tell([item("handover", count=3)], link="").subject == "Ana Pérez (WhatsApp) pide hablar con una persona (y 2 más)"
    assert "\n" not in tell([item("handover", name="Ana\r\nBcc: x@y.z")], link="").subject


@pytest.mark.parametrize(
    ("who", "shown"),
    [
        ({"name": None}, "…5678 (WhatsApp)"),
        ({"name": None, "username": "mariposa", "channel": "IG"}, "@mar… (Instagram)"),
        ({"name": None, "user": "ana.perez@correo.mx", "channel": "EMAIL"}, "an…@correo.mx (correo)"),
        ({"name": None, "user": "unverified:ana.perez@correo.mx:abcd2345", "channel": "EMAIL"}, "an…@correo.mx (correo)"),
        ({"name": None, "user": "5360758100663278", "channel": "FB"}, "…3278 (Messenger)"),
        ({"name": None, "user": "lid:99887766554433"}, "…4433 (WhatsApp)"),
        ({"name": "A" * 100}, "A" * 59 + "… (WhatsApp)"),
    ],
)
def test_who_has_no_name_is_shown_by_a_masked_handle(who: dict[str, Any], shown: str) -> None:
    assert tell([item("complaint", **who)], link="").text.startswith(f"{shown} tiene una queja.")


def test_a_long_reason_is_cut_and_stays_one_line() -> None:
    text = tell([item("complaint", {"reason": "muy\nlargo " * 100})], link="").text
    assert len(text) < 250 and text.count("\n") == 1


def test_after_quiet_hours_each_conversation_is_one_line() -> None:
    told = tell(
        [
            item("handover", {"reason": "pidió factura"}, count=3),
            item("hot_lead", {"product": "árnica", "quantity": 2}),
            item("complaint", conversation="8", name="Luis"),
            account("token", {"text": "Vence el 2026-12-01"}),
        ],
        link=LINK, held="22:00-08:00",
    )  # fmt: skip
    assert told.subject == "6 avisos de las horas de silencio"
    assert told.text.splitlines() == [
        "6 avisos de las horas de silencio (22:00-08:00):",
        "- Ana Pérez (WhatsApp): pide hablar con una persona (pidió factura); hizo un pedido (2 × árnica), y 2 más. "
        "https://crm.example.com/c/7",
        "- Luis (WhatsApp): tiene una queja. https://crm.example.com/c/8",
        "- Instagram (…1358): está en riesgo su acceso (Vence el 2026-12-01).",
    ]


def test_a_long_night_is_cut_and_counted() -> None:
    told = tell([item("handover", conversation=str(n)) for n in range(60)], link="", held="22:00-08:00")
    assert told.text.splitlines()[-1] == "Y 20 más."


def test_a_handle_is_never_shown_whole() -> None:
    for handle in ("+525512345678", "5215512345678@s.whatsapp.net", "120363021234567890@g.us", "ana.perez@correo.mx"):
        assert handle not in masked(handle) and masked(handle)
