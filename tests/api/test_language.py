import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import api
from api.labels import JOB

ROOT = Path(str(api.__path__[0]))
METHODS = [("templates/**.html", "jinja2"), ("**.py", "python")]
OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true", "newstyle_gettext": "true"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "_n": None, "translate": None}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def sources() -> set[str | tuple[str, ...]]:
    """Every text of the templates and modules that is to be translated."""
    found = extract_from_dir(str(ROOT), METHODS, OPTIONS, KEYWORDS)
    return {message for _, _, message, _, _ in found}


@pytest.fixture(scope="module")
def chinese() -> Catalog:
    return read_po((ROOT / "i18n" / "zh.po").read_text(encoding="utf-8").splitlines(), abort_invalid=True)


def forms(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    return [text or ""] if isinstance(text, str | None) else list(text)


def test_no_text_lacks_a_translation_and_none_is_left_over(chinese: Catalog) -> None:
    translated = {
        tuple(message.id) if isinstance(message.id, list | tuple) else message.id
        for message in chinese
        if message.id and all(forms(message.string)) and not message.fuzzy
    }
    assert sources() - translated == set(), "texts without Chinese in api/i18n/zh.po"
    assert translated - sources() == set(), "texts in api/i18n/zh.po that nothing uses"


def test_translations_keep_the_placeholders(chinese: Catalog) -> None:
    for message in chinese:
        if not message.id:
            continue
        wanted = set(PLACEHOLDER.findall(forms(message.id)[-1]))
        for text in forms(message.string):
            assert set(PLACEHOLDER.findall(text)) == wanted, message.id


def test_no_template_says_something_in_one_language_only() -> None:
    for template in (ROOT / "templates").glob("*.html"):
        bare = _without_code(template.read_text(encoding="utf-8"))
        left = [word for word in re.findall(r"[A-Za-z\u4e00-\u9fff]{2,}", bare) if word not in _NAMES]
        assert left == [], f"{template.name}: {left}"


def test_every_job_of_the_rules_has_a_name() -> None:
    from odocare import wiring

    wanted = {match for text in wiring.rule_texts().values() for match in _jobs(text)}
    assert wanted - set(JOB) == set()


_NAMES = {"odocare", "VIN", "UTC", "Enter", "Esc"}


def _without_code(text: str) -> str:
    """What stands between the tags, without Jinja's code."""
    for pattern in (r"\{#.*?#\}", r"\{%.*?%\}", r"\{\{.*?\}\}", r"<script.*?</script>", r"<[^>]*>"):
        text = re.sub(pattern, " ", text, flags=re.DOTALL)
    return text


def _jobs(text: str) -> Iterator[str]:
    yield from re.findall(r'^job = "([^"]+)"', text, flags=re.MULTILINE)
