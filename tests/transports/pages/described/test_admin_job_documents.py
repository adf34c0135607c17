"""What operators ask is described, route by route: what is served and what the document names are the same."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from quart import Blueprint, Quart

from greenroom.supervisors.cli.chosen.kinds import built_in_kinds
from greenroom.transports.pages import Bounds
from greenroom.transports.pages.admin import admin_routes
from greenroom.transports.pages.openapi import openapi
from greenroom.transports.pages.operator_requests import _whole


def document(*, admin: bool) -> Any:
    bounds = Bounds(deadline_max_s=60.0, history_max=300)
    return openapi(built_in_kinds(), bounds, version="0", admin=admin)


def test_each_route_of_operators_is_described_and_no_other() -> None:
    app = Quart("test")
    desk: Any = SimpleNamespace(views=None, jobs=None)
    routes: Blueprint = admin_routes(desk, operators=None)  # type: ignore[arg-type]
    app.register_blueprint(routes)
    served = {
        (str(rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if str(rule.rule).startswith("/admin/api/") and method in ("GET", "POST")
    }
    found = document(admin=True)
    described = {
        (path, method)
        for path, item in found["paths"].items()
        for method in item
        if path.startswith("/admin/api/") and method != "parameters"
    }
    assert described == served and ("/admin/api/jobs/edit", "post") in served
    assert not any(path.startswith("/admin") for path in document(admin=False)["paths"])


def test_what_is_referred_to_is_there() -> None:
    found = document(admin=True)
    refs = set(re.findall(r"#/components/schemas/([\w.]+)", str(found["paths"]) + str(found["components"])))
    assert refs <= found["components"]["schemas"].keys()
    edit = found["paths"]["/admin/api/jobs/edit"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    fields = found["components"]["schemas"][edit["$ref"].rpartition("/")[2]]["properties"]
    assert fields.keys() == {"id", "arguments", "shown", "priority", "delay_s"}


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"ids": [1.0, 2]}, {"ids": [1, 2]}),
        ({"queue": "q", "limits": {"concurrency": 3.0, "rate": {"n": 2.0, "per_s": 0.5}}},) * 2,
        ({"arguments": {"share": 3.0}, "priority": 4.0}, {"arguments": {"share": 3.0}, "priority": 4}),
        ({"until_ms": 1e300}, {"until_ms": 1e300}),
    ],
)
def test_a_whole_number_is_one_however_it_is_written(sent: Any, read: Any) -> None:
    found = _whole(sent)
    assert found == read
    if "limits" in sent:
        assert type(found["limits"]["concurrency"]) is int and type(found["limits"]["rate"]["n"]) is int
    if "arguments" in sent:
        assert type(found["arguments"]["share"]) is float and type(found["priority"]) is int
