"""The rest of Graph: profiles, Page and account, token, subscriptions, uploads, thread control, Messenger profile."""

from __future__ import annotations

import re
from collections.abc import Callable

from simulator.calls import Call
from simulator.config import Channel, Json
from simulator.errors import GraphError, invalid, no_object, unknown_path
from simulator.phone import Phone
from simulator.rules import check_upload
from simulator.sending import new_attachment
from simulator.state import PAGE_FIELDS, World

PSID_FIELDS = ("id", "first_name", "last_name", "name", "profile_pic", "locale", "timezone", "gender")
IGSID_FIELDS = (
    "id",
    "name",
    "username",
    "profile_pic",
    "follower_count",
    "is_verified_user",
    "is_user_follow_business",
    "is_business_follow_user",
)
_PERMITTED_FIELDS = ("locale", "timezone", "gender")  # each needs a permission of its own, else the whole call fails
# What ``POST /sim/user`` can make of a profile; "empty" answers with the id alone.
PROFILE_ERRORS = ("consent", "no_profile", "no_permission", "no_instagram_user", "empty")


def _profile_error(name: str) -> GraphError:
    if name == "consent":
        return GraphError("(#230) User consent is required to access user profile", 230)
    if name == "no_profile":
        return invalid("No profile available for this user.", 2018218)
    if name == "no_permission":
        return invalid("Insufficient permission to access user profile.", 2018247)
    return GraphError("(#9010) No matching Instagram user", 9010)


def get_node(world: World, call: Call) -> dict[str, Json]:
    """``GET /{id}``: a customer's profile, the Page, or the Instagram account. Raises ``GraphError``."""
    wanted = _wanted(call)
    config = world.config
    if call.node in ("me", config.page_id):
        page = {
            "id": config.page_id,
            "name": "EXTRACTOS EUM",
            "username": "extractoseum",
            "user_id": config.ig_id,
            "instagram_business_account": {"id": config.ig_id},
            "connected_instagram_account": {"id": config.ig_id},
        }
        return _picked(page, wanted or ("id", "name"))
    if call.node == config.ig_id:
        account = {"id": config.ig_id, "user_id": config.ig_id, "username": "extractoseum", "name": "EXTRACTOS EUM"}
        return _picked(account, wanted or ("id",))
    phone = world.recipient(call.node)
    if phone is None or phone.gone:
        raise no_object(call.node)
    return _profile(world, phone, wanted)


def _wanted(call: Call) -> tuple[str, ...]:
    fields = re.sub(r"\{[^}]*\}", "", str(call.parameters.get("fields", "")))
    return tuple(name.strip() for name in fields.split(",") if name.strip())


def _picked(values: dict[str, Json], wanted: tuple[str, ...]) -> dict[str, Json]:
    for name in wanted:
        if name not in values:
            raise invalid(f"Tried accessing nonexisting field ({name})")
    return {**{name: values[name] for name in wanted}, "id": values["id"]}


def _profile(world: World, phone: Phone, wanted: tuple[str, ...]) -> dict[str, Json]:
    if phone.profile_error == "empty":
        return {"id": phone.user}
    if phone.profile_error is not None:
        raise _profile_error(phone.profile_error)
    if phone.last_action is None:  # nobody's profile is readable before the person wrote
        raise _profile_error("consent" if phone.channel == "instagram" else "no_profile")
    known = IGSID_FIELDS if phone.channel == "instagram" else PSID_FIELDS
    for name in wanted:
        if name not in known:
            raise invalid(f"Tried accessing nonexisting field ({name})")
        if name in _PERMITTED_FIELDS and name not in world.knobs.profile_permissions:
            raise invalid(f"Insufficient permission to access user profile: {name}", 2018247)
    standard = (
        ("name", "username", "profile_pic") if phone.channel == "instagram" else ("first_name", "last_name", "profile_pic")
    )
    values = profile_values(phone)
    return {**{name: values[name] for name in wanted or standard}, "id": phone.user}


def profile_values(phone: Phone) -> dict[str, Json]:
    """Every profile field of a customer; on Instagram name and picture may be null."""
    first, _, last = (phone.name or "").partition(" ")
    picture = f"https://scontent.xx.fbcdn.net/p/{phone.user}.jpg" if phone.name else None
    values: dict[str, Json]
    if phone.channel == "instagram":
        values = {
            "name": phone.name,
            "username": phone.username or f"usuario_{phone.user}",
            "profile_pic": picture,
            "follower_count": 120,
            "is_verified_user": False,
            "is_user_follow_business": False,
            "is_business_follow_user": False,
        }
    else:
        values = {
            "first_name": first,
            "last_name": last,
            "name": phone.name or "",
            "profile_pic": picture or "",
            "locale": "es_MX",
            "timezone": -6,
            "gender": "female",
        }
    return {**values, **phone.profile, "id": phone.user}


def debug_token(world: World, call: Call) -> dict[str, Json]:
    """``GET /debug_token``: what Graph thinks of ``input_token``."""
    given = call.parameters.get("input_token")
    if not given:
        raise invalid("The parameter input_token is required")
    token, config, now = world.token, world.config, world.clock.now()
    expired = bool(token.expires_at) and now >= token.expires_at
    if given != config.token or not token.valid or expired:
        subcode = 463 if expired else token.subcode
        error: dict[str, Json] = {
            "code": 190,
            "message": "Error validating access token: Session has expired." if expired else "Invalid OAuth access token.",
        }
        return {"data": {"is_valid": False, "error": error if subcode is None else {**error, "subcode": subcode}, "scopes": []}}
    return {
        "data": {
            "app_id": config.app_id,
            "type": "PAGE",
            "application": "Simulated",
            "is_valid": True,
            "issued_at": 1760000000,
            "expires_at": token.expires_at,
            "data_access_expires_at": token.data_access_expires_at or int(now) + 90 * 86400,
            "profile_id": config.page_id,
            "user_id": "42",
            "scopes": list(token.scopes),
            "granular_scopes": [{"scope": scope, "target_ids": [config.page_id]} for scope in token.scopes],
        }
    }


def subscribed_apps(world: World, call: Call) -> dict[str, Json]:
    """``/{id}/subscribed_apps``: POST replaces the list of fields; one unknown field fails the whole call."""
    _own(world, call)
    if call.method == "GET":
        app = {
            "id": world.config.app_id,
            "name": "Simulated",
            "link": "https://app.example/",
            "subscribed_fields": world.subscribed,
        }
        return {"data": [app] if world.subscribed else []}
    if call.method == "DELETE":
        world.subscribed = []
        return {"success": True}
    given = call.parameters.get("subscribed_fields", "")
    fields = [str(name).strip() for name in (given if isinstance(given, list) else str(given).split(",")) if str(name).strip()]
    known = {*PAGE_FIELDS, "messaging_seen", "messaging_referral", "message_edit", "messaging_handover", "comments"}
    for name in fields:
        if name not in known:
            raise invalid(f"Param subscribed_fields must be one of {{{', '.join(sorted(known))}}} - got {name!r}.")
    if not fields:
        raise invalid("The parameter subscribed_fields is required.")
    world.subscribed = fields
    return {"success": True}


def message_attachments(world: World, call: Call) -> dict[str, Json]:
    """``POST /{id}/message_attachments``: an upload by URL; returns its id."""
    _own(world, call)
    channel: Channel = "instagram" if call.parameters.get("platform") == "instagram" else "messenger"
    return {"attachment_id": new_attachment(world, check_upload(channel, call.parameters.get("message")))}


def _own(world: World, call: Call) -> None:
    if call.node not in ("me", world.config.page_id, world.config.ig_id):
        raise no_object(call.node)


def thread_control(world: World, call: Call) -> dict[str, Json]:
    """``pass_``, ``take_``, ``release_``, ``request_thread_control`` and ``thread_owner``."""
    _own(world, call)
    recipient = call.parameters.get("recipient")
    user = recipient.get("id") if isinstance(recipient, dict) else recipient
    phone = world.recipient(str(user))
    if phone is None:
        raise invalid("No matching user found", 2018001)
    if call.edge == "thread_owner":
        return {"data": [{"thread_owner": {"app_id": phone.owner_app or world.config.app_id}}]}
    if call.edge == "pass_thread_control":
        target = str(call.parameters.get("target_app_id") or "")
        if not target:
            raise invalid("The parameter target_app_id is required")
        phone.owner_app = None if target == world.config.app_id else target
    elif call.edge == "take_thread_control":
        phone.owner_app = None
    return {"success": True}


def messenger_profile(world: World, call: Call) -> dict[str, Json]:
    """``/{id}/messenger_profile``: get_started, greeting, ice breakers and the persistent menu."""
    _own(world, call)
    kept = world.messenger_profile["instagram" if call.parameters.get("platform") == "instagram" else "messenger"]
    if call.method == "GET":
        wanted = _wanted(call)
        shown = {name: value for name, value in kept.items() if name in wanted}
        return {"data": [shown] if shown else []}
    if call.method == "DELETE":
        for name in call.parameters.get("fields") or ():
            kept.pop(str(name), None)
        return {"result": "success"}
    given = {name: call.parameters[name] for name in _PROFILE_PROPERTIES if name in call.parameters}
    if not given:
        raise invalid(f"At least one of {', '.join(_PROFILE_PROPERTIES)} is required")
    for breakers in given.get("ice_breakers") or ():
        if isinstance(breakers, dict) and len(breakers.get("call_to_actions") or ()) > 4:
            raise invalid("ice_breakers takes 4 questions at most")
    if "persistent_menu" in given and "get_started" not in {**kept, **given}:
        raise invalid("persistent_menu needs get_started first", 2018145)
    kept.update(given)
    return {"result": "success"}


_PROFILE_PROPERTIES = ("get_started", "greeting", "ice_breakers", "persistent_menu", "commands", "whitelisted_domains")

Endpoint = Callable[[World, Call], dict[str, Json]]
_EDGES: dict[tuple[str, str], Endpoint] = {
    ("GET", "subscribed_apps"): subscribed_apps,
    ("POST", "subscribed_apps"): subscribed_apps,
    ("DELETE", "subscribed_apps"): subscribed_apps,
    ("POST", "message_attachments"): message_attachments,
    ("POST", "pass_thread_control"): thread_control,
    ("POST", "take_thread_control"): thread_control,
    ("POST", "release_thread_control"): thread_control,
    ("POST", "request_thread_control"): thread_control,
    ("GET", "thread_owner"): thread_control,
    ("GET", "messenger_profile"): messenger_profile,
    ("POST", "messenger_profile"): messenger_profile,
    ("DELETE", "messenger_profile"): messenger_profile,
}


def endpoint(call: Call) -> Endpoint:
    """What answers this call (sends aside). Raises ``GraphError`` for an unknown path."""
    if call.node == "debug_token" and not call.edge and call.method == "GET":
        return debug_token
    if len(call.path) == 1 and call.method == "GET":
        return get_node
    if len(call.path) == 2 and (call.method, call.edge) in _EDGES:
        return _EDGES[call.method, call.edge]
    raise unknown_path("/".join(call.path))
