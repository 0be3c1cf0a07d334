"""Requests against the same schemas that the OpenAPI document shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]
from jsonschema.validators import RefResolver, extend  # type: ignore[import-untyped]

from connectors.message import Json
from router.problem import Problem
from router.routes import Route
from router.schemas import COMPONENTS, LINE, LINES, VISIBLE

MAX_ERRORS = 20
MAX_NESTING = 32
_LONGEST_DETAIL = 300
_INTEGER = re.compile(r"-?[0-9]{1,9}")
_PATTERNS = {
    VISIBLE: "must have something to see", LINE: "must be one line, without control characters",
    LINES: "must not have control characters",
}  # fmt: skip


def read_body(route: Route, content_type: str | None, body: bytes) -> dict[str, Json]:
    """The body of a request, checked; empty for an operation that takes none. Raises ``Problem``."""
    if route.takes is None:
        return {}
    if not body and route.takes_nothing_too:
        return {}
    media_type = (content_type or "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Problem("unsupported-media-type", f"The body came as {media_type[:100] or 'nothing that is named'}.")
    document = _decode(body)
    _refuse(_errors(_validator(route.takes), document, "pointer"))
    checked: dict[str, Json] = document
    return checked


def read_query(route: Route, query: str) -> dict[str, Json]:
    """The parameters in a query string, checked, with the defaults of those left out. Raises ``Problem``."""
    try:
        given = parse_qsl(query, keep_blank_values=True, max_num_fields=50, errors="strict")
    except ValueError:
        raise Problem("malformed", "The query cannot be read.") from None
    errors: list[Json] = []
    found: dict[str, Json] = {}
    for name, text in given:
        if name not in route.query:
            errors.append({"parameter": name[:100], "detail": "There is no such parameter here."})
        elif name in found:
            errors.append({"parameter": name, "detail": "It may be given once."})
        else:
            found[name] = _typed(route.query[name], text)
            validator = _strict(route.query[name])
            errors += ({**error, "parameter": name} for error in _errors(validator, found[name], ""))
    _refuse(errors)
    defaults = {name: schema["default"] for name, schema in route.query.items() if "default" in schema}
    return {**defaults, **found}


def read_header(name: str, schema: Json, text: str | None) -> str | None:
    """A header, checked; None where it was not sent. Raises ``Problem``."""
    if text is not None:
        _refuse([{**error, "parameter": name} for error in _errors(_strict(schema), text, "")])
    return text


def _refuse(errors: list[Json]) -> None:
    if errors:
        first = errors[0]
        where = first.get("pointer", first.get("parameter", ""))
        raise Problem("invalid", f"{where}: {first['detail']}" if where else first["detail"], {"errors": errors[:MAX_ERRORS]})


# --- JSON ----------------------------------------------------------------------------------------------------------------


def _decode(body: bytes) -> Json:
    try:
        document = json.loads(body.decode("utf-8"), parse_constant=_no_constant, object_pairs_hook=_once)
    except RecursionError:
        raise Problem("malformed", "The JSON is nested too deeply.") from None
    except ValueError as error:
        raise Problem("malformed", f"The body is not JSON: {str(error)[:100]}.") from None
    if _depth(document) > MAX_NESTING:
        raise Problem("malformed", "The JSON is nested too deeply.")
    return document


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return made


def _depth(value: Json) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, level = waiting.pop()
        deepest = max(deepest, level)
        if isinstance(item, (dict, list)):
            waiting += [(below, level + 1) for below in (item.values() if isinstance(item, dict) else item)]
    return deepest


# --- schemas -------------------------------------------------------------------------------------------------------------


def _pattern(_validator: Any, pattern: str, instance: Json, schema: Json) -> Iterator[ValidationError]:
    if not isinstance(instance, str) or len(instance) > schema.get("maxLength", len(instance)):
        return
    # JSON Schema's `$` is the very end; Python's lets a line break stand behind it.
    if not re.search(re.sub(r"(?<!\\)\$$", r"\\Z", pattern), instance):
        yield ValidationError(_PATTERNS.get(pattern, f"does not match {pattern}"))


_Validator = extend(Draft202012Validator, {"pattern": _pattern})
_RESOLVER = RefResolver("", {"components": {"schemas": COMPONENTS}})


@cache
def _validator(component: str) -> Any:
    return _strict(COMPONENTS[component])


def _strict(schema: Json) -> Any:
    return _Validator(schema, resolver=_RESOLVER)


def _errors(validator: Any, value: Json, pointing: str) -> list[Json]:
    """Every breach, outermost first: ``{"pointer", "detail"}``, without the pointer where ``pointing`` is empty."""
    found = [*_unstorable(value, ()), *((tuple(error.absolute_path), _said(error)) for error in _some(validator, value))]
    found.sort(key=lambda item: (len(item[0]), [str(part) for part in item[0]]))
    return [{**({pointing: _pointer(path)} if pointing else {}), "detail": said[:_LONGEST_DETAIL]} for path, said in found]


def _some(validator: Any, value: Json) -> Iterator[ValidationError]:
    for number, error in enumerate(validator.iter_errors(value)):
        if number > MAX_ERRORS:
            return
        yield error


def _said(error: ValidationError) -> str:
    """What is wrong, without repeating a long value."""
    if error.validator == "anyOf" and all("required" in option for option in error.validator_value):
        return f"must have one of {', '.join(option['required'][0] for option in error.validator_value)}"
    if error.validator == "not":
        return f"must not have {' and '.join(error.validator_value['required'])} together"
    if error.validator == "anyOf":
        return "; or ".join(_said(below) for below in error.context)
    if error.validator in ("maxLength", "minLength"):
        return f"must have {'at most' if error.validator == 'maxLength' else 'at least'} {error.validator_value} characters"
    if error.validator in ("maxItems", "minItems"):
        return f"must have {'at most' if error.validator == 'maxItems' else 'at least'} {error.validator_value} items"
    return str(error.message)


def _unstorable(value: Json, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Texts that JSON can write and that are none: no schema can say so."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            yield path, "has half of a surrogate pair"
    elif isinstance(value, (dict, list)):
        for name, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _unstorable(below, (*path, name))


def _pointer(path: tuple[Any, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _typed(schema: Json, text: str) -> Json:
    """A parameter's text as its schema's type; as it is, where it cannot be one, so that the schema refuses it."""
    if schema["type"] == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if schema["type"] == "boolean" and text in ("true", "false"):
        return text == "true"
    return text
