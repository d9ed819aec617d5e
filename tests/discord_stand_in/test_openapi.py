"""The check against Discord's own description finds what is wrong, and lets pass what is not."""

from pathlib import Path

import pytest

from tests.discord_stand_in import message_payloads
from tests.discord_stand_in.openapi import OpenApi, open_api
from tests.discord_stand_in.stand_in import StandIn
from tests.discord_stand_in.world import World
from tests.shared import shared_path

MESSAGES = "/channels/{channel_id}/messages"


@pytest.fixture(scope="module")
def api() -> OpenApi:
    found = open_api(shared_path("data/discord-openapi.json"))
    assert found is not None
    return found


def test_requests(api: OpenApi):
    good = {"content": "x", "message_reference": {"message_id": 1}, "nonce": "n"}
    assert api.check_request("POST", MESSAGES, {}, good) == []
    (found,) = api.check_request("POST", MESSAGES, {}, {"content": 5})
    assert found.startswith(f"request POST {MESSAGES}: content: 5 is not")
    assert api.check_request("POST", MESSAGES, {}, None) != []
    assert api.check_request("GET", MESSAGES, {"limit": "100", "after": "1"}, None) == []
    assert len(api.check_request("GET", MESSAGES, {"limit": "500", "since": "1"}, None)) == 2
    assert api.check_request("GET", "/nowhere", {}, None) != []


def test_responses(api: OpenApi):
    world = World()
    ids = world.fill(world.general.id, 20)
    page = [message_payloads.message_json(world, world.messages[one]) for one in ids]
    assert api.check_response("GET", MESSAGES, 200, page) == []
    del page[0]["author"]
    (found,) = api.check_response("GET", MESSAGES, 200, page)
    assert "'author' is a required property" in found
    limited = {"message": "m", "code": 0, "retry_after": 1.0, "global": False}
    assert api.check_response("GET", MESSAGES, 429, limited) == []
    assert api.check_response("GET", MESSAGES, 429, {"message": "m"}) != []
    assert api.check_response("GET", MESSAGES, 404, {"message": "m", "code": 0}) == []


async def test_without_the_description_nothing_is_checked(tmp_path: Path):
    async with StandIn(description=tmp_path / "missing.json") as stand_in:
        assert not stand_in.validates
        assert stand_in.api_url.startswith("http://127.0.0.1:")
