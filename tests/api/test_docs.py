"""docs/feed.md says what the code does."""

import re
from pathlib import Path

import pytest

from api.feeds import MOST_WAIT_S
from api.options import Limits
from api.outcomes import MOST
from store import feed
from store.consumers import Scope
from store.outcome_report import REPORTABLE, Report
from store.sessions import TICKET_LIFE
from tests.api.conftest import REPOSITORY, Client

PAGE = (REPOSITORY / "docs" / "feed.md").read_text(encoding="utf-8")
API = REPOSITORY / "api"


def problems() -> set[str]:
    """Names of the problems that programs can meet."""
    found: set[str] = set()
    for module in API.glob("*.py"):
        if module.name in {"session.py", "login.py"}:
            continue  # of the pages
        text = module.read_text(encoding="utf-8")
        found |= set(re.findall(r'Problem\(\s*\d{3},\s*"([a-z-]+)"', text))
        found |= set(re.findall(r'\d{3}: \("([a-z-]+)"', text))
    return found


@pytest.mark.parametrize("name", sorted(problems() - {"method-not-allowed", "refused", "conflict", "span"}))
def test_every_problem_a_program_meets_is_told(name: str) -> None:
    if name in {"unknown-signal", "schema-not-current"}:
        return  # told in their own detail
    assert f"`{name}`" in PAGE


def test_scopes_states_and_fields_are_all_named() -> None:
    for word in (*Scope, *REPORTABLE, *Report.__struct_fields__):
        assert f"`{word}`" in PAGE, word


async def test_the_parameters_of_the_feed_are_all_named(client: Client) -> None:
    described = (await client.get("/v1/openapi.json")).json()
    (operation,) = described["paths"]["/v1/feeds/{feed}/events"].values()
    for parameter in operation["parameters"]:
        if parameter["in"] == "query":
            assert f"| `{parameter['name']}` |" in PAGE, parameter["name"]


def test_the_numbers_are_those_of_the_code() -> None:
    limits = Limits()
    assert f"1 to {feed.MOST} (100)" in PAGE
    assert f"0 to {MOST_WAIT_S} (0)" in PAGE
    assert f"At most {MOST} at once" in PAGE
    assert f"{limits.key_per_s:.0f} requests a second per key, {limits.key_burst:.0f} at once" in PAGE
    assert f"hold {limits.waits_per_key} such requests open" in PAGE
    assert limits.body_bytes == 1 << 20
    assert TICKET_LIFE.total_seconds() == 15 * 60


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (REPOSITORY / "docs" / Path(target)).exists(), target
