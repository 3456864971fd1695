"""Chinese and English: which one a reader gets, its texts, and pages rendered in it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from babel import Locale, negotiate_locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api import icons, labels
from api.assets import Assets
from api.duebar import due_bar
from api.wording import Wording

COOKIE: Final = "lang"
_COOKIE_LIFE_S: Final = 365 * 86_400
DEFAULT: Final = "zh"
_LOCALES: Final = {"zh": "zh_Hans_CN", "en": "en_GB"}
_TAGS: Final = {"zh": "zh-CN", "en": "en"}
NAMES: Final = {"zh": "中文", "en": "English"}


@dataclass(frozen=True, slots=True)
class Language:
    """One language with its templates."""

    code: str
    tag: str
    """For the `lang` attribute, BCP 47."""
    wording: Wording
    labels: labels.Labels
    environment: Environment

    def of(self, zh: str | None, en: str | None) -> str | None:
        """The one of two stored texts that this language wants; the other where it is missing."""
        first, second = (zh, en) if self.code == "zh" else (en, zh)
        return first or second


def translations(code: str) -> NullTranslations:
    """The catalogue of a language, compiled in memory; English stands in the sources."""
    file = files("api").joinpath("i18n", f"{code}.po")
    if not file.is_file():
        return NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, read_po(io.BytesIO(file.read_bytes()), locale=_LOCALES[code]))
    compiled.seek(0)
    return Translations(compiled)


def _build(code: str, assets: Assets) -> Language:
    texts = translations(code)
    wording = Wording(Locale.parse(_LOCALES[code]), texts.gettext)
    environment = Environment(
        loader=PackageLoader("api", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    # newstyle: values are escaped before they are put into a translated text
    environment.install_gettext_callables(texts.gettext, texts.ngettext, newstyle=True)  # type: ignore[attr-defined] # added by the extension
    language = Language(code, _TAGS[code], wording, labels.Labels(texts.gettext), environment)
    environment.globals.update(
        language=language,
        w=wording,
        label=language.labels,
        asset=assets.url,
        icon=icons.icon,
        due_bar=due_bar,
        names=NAMES,
    )
    return language


class Languages:
    """Both languages, ready to render."""

    def __init__(self, assets: Assets) -> None:
        self._languages = {code: _build(code, assets) for code in _LOCALES}

    def __getitem__(self, code: str) -> Language:
        return self._languages[code]

    def choose(self, request: Request) -> Language:
        """By `?lang=`, else the cookie, else what the browser accepts, else Chinese."""
        for asked in (request.query_params.get("lang"), request.cookies.get(COOKIE)):
            if asked in self._languages:
                return self._languages[asked]
        accepted = [
            part.split(";")[0].strip() for part in request.headers.get("accept-language", "").split(",")
        ]
        found = negotiate_locale([tag for tag in accepted if tag][:10], ["zh", "en"], sep="-")
        return self._languages[found or DEFAULT]

    def page(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **values: Any,  # noqa: ANN401 - whatever the template names
    ) -> HTMLResponse:
        """A template in the reader's language; `?lang=` is remembered."""
        language = self.choose(request)
        values.setdefault("visitor", None)
        text = language.environment.get_template(template).render(
            request=request, switch=_switch(request, language), **values
        )
        response = HTMLResponse(text, status_code=status, headers=dict(headers or {}))
        response.headers["Content-Language"] = language.tag
        if request.query_params.get("lang") == language.code:
            response.set_cookie(
                COOKIE, language.code, max_age=_COOKIE_LIFE_S, httponly=True, samesite="lax", path="/"
            )
        return response


def _switch(request: Request, language: Language) -> str:
    """The same address in the other language."""
    other = "en" if language.code == "zh" else "zh"
    if request.method != "GET" or "ticket" in request.query_params:
        return f"?lang={other}"
    return f"?{request.url.include_query_params(lang=other).query}"
