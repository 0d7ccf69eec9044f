"""Our own description of the server, held to the server by schemathesis, which makes up requests from it."""

from __future__ import annotations

import json

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from twofold.serve.app import API
from twofold.serve.openapi import description

schema = schemathesis.openapi.from_dict(description())


def test_it_describes_every_path_there_is():
    paths = {route.path.replace(":path", "") for route in API} - {"/openapi.json"}
    assert set(description()["paths"]) == paths


def test_it_holds_what_it_refers_to_and_is_served(http):
    text = json.dumps(description())
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in description()["components"]["schemas"]
    assert http.get("/openapi.json").json() == description()


def test_with_a_key_it_says_so():
    asked = description(key=True)
    assert asked["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "security" in asked["paths"]["/v1/models"]["get"]
    assert "security" not in asked["paths"]["/health"]["get"]


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
def test_no_request_made_from_it_makes_the_server_fail(case, server):
    """Left out: that all that fits the description is accepted, which cannot say what a model's vocabulary holds."""
    body = case.body
    if isinstance(body, dict):  # quick ones
        for name in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
            if isinstance(body.get(name), int) and body[name] > 8:
                body[name] = 8
    case.call_and_validate(base_url=server.url, excluded_checks=[positive_data_acceptance], timeout=120)
