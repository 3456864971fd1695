"""Reading one rule's file: every key checked, every problem noted with its line."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from rules import words
from rules.condition import Condition, compile_condition
from rules.feature import FeatureTable
from rules.features import TABLES
from rules.lines import Lines
from rules.near import did_you_mean
from rules.rule import STAGED, TABLES_OF, Rule, RuleProblem
from rules.span import Span, parse_span
from rules.tree import ConditionError
from rules.trial import Trial, failures, read_trial
from vehicle.errors import RuleError
from vehicle.trigger import Severity, TriggerType

REQUIRED: Final = ("id", "on", "when", "severity", "trigger", "job", "source", "say", "test")
OPTIONAL: Final = ("clear", "for", "keep", "lead_d")
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_AT_LINE: Final = re.compile(r"\(at line (\d+), column \d+\)")
_Word = TypeVar("_Word", bound=StrEnum)


def read_rule(file: str, text: str) -> tuple[Rule | None, list[RuleProblem]]:
    """One rule out of its TOML text, or everything that is wrong with it."""
    for number, line in enumerate(text.splitlines(), start=1):
        if any("\ud800" <= char <= "\udfff" for char in line):  # what `surrogateescape` made of other bytes
            return None, [RuleProblem(file, number, "the file is not UTF-8: save it as UTF-8")]
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return None, [_syntax_problem(file, text, str(error))]
    reader = _Reader(file, Lines.of(text), document)
    rule = reader.rule()
    return (None if reader.problems else rule), reader.problems


def _syntax_problem(file: str, text: str, message: str) -> RuleProblem:
    at = _AT_LINE.search(message)
    line = int(at[1]) if at else max(1, len(text.splitlines()))
    return RuleProblem(file, line, f"not TOML: {message}")


def _version(document: dict[str, Any]) -> str:
    """Hash of what the rule does and says; layout, comments and tests do not count."""
    content = {key: value for key, value in document.items() if key != "test"}
    spelled = json.dumps(content, ensure_ascii=False, sort_keys=True, default=str)
    return hashlib.sha256(spelled.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Reader:
    """Walks one document; notes problems and goes on, so that all are told at once."""

    file: str
    lines: Lines
    document: dict[str, Any]
    problems: list[RuleProblem] = field(default_factory=list)

    def rule(self) -> Rule | None:
        """The rule; None, or not to be used, where problems were noted."""
        self.keys()
        self.identity()
        table = self.table()
        severity, trigger = self.word("severity", Severity), self.word("trigger", TriggerType)
        job, source = self.code("job"), self.text("source")
        lead_d = self.lead_d(trigger)
        if table is None:
            return None
        self.fitting(trigger, table)
        say, names = self.say(table)
        trials = self.trials(table)
        problems_n = len(self.problems)
        opens, clears = self.condition("when", table), self.condition("clear", table)
        hold, keep = self.span("for", table), self.span("keep", table)
        if opens is None or len(self.problems) > problems_n:
            return None
        rule = Rule(
            id=str(self.document.get("id", "")),
            on=table.name,
            version=_version(self.document),
            when=opens.text,
            clear=None if clears is None else clears.text,
            severity=severity or Severity.INFO,  # with a problem noted, it only runs the tests
            trigger=trigger or TriggerType.FAULT,
            job=job,
            source=source,
            say=say,
            placeholders=names if not self.problems else (),
            lead_d=lead_d,
            hold=hold,
            keep=keep,
            opens=opens,
            clears=clears,
        )
        self.run(rule, trials)
        return rule

    def fitting(self, trigger: TriggerType | None, table: FeatureTable) -> None:
        if trigger is not None and table.name not in TABLES_OF[trigger]:
            fitting = ", ".join(sorted(TABLES_OF[trigger]))
            self.note(
                f"trigger {trigger} cannot come from table {table.name}, only from {fitting}", "trigger"
            )

    def note(self, message: str, *path: str | int) -> None:
        self.problems.append(RuleProblem(self.file, self.lines.find(*path), message))

    def keys(self) -> None:
        known = (*REQUIRED, *OPTIONAL)
        for key in self.document:
            if key not in known:
                self.note(f"unknown key {key!r}{did_you_mean(key, known)}", key)
        for key in REQUIRED:
            if key not in self.document:
                self.note(f"missing key {key!r}")

    def text(self, key: str) -> str:
        """A text that is not empty; '' where it is missing or wrong."""
        value = self.document.get(key, "")
        if key in self.document and not (isinstance(value, str) and value.strip()):
            self.note(f"{key} is a text that is not empty, got {value!r}", key)
        return value.strip() if isinstance(value, str) else ""

    def code(self, key: str) -> str:
        value = self.text(key)
        if value and not _ID.fullmatch(value):
            self.note(f"{key} is small letters, digits and hyphens, got {value!r}", key)
        return value

    def identity(self) -> None:
        name = self.code("id")
        stem = self.file.replace("\\", "/").rpartition("/")[2].removesuffix(".toml")
        if name and name != stem:
            self.note(f"id is {name!r}, the file's name says {stem!r}: they must be equal", "id")

    def word(self, key: str, words_of: type[_Word]) -> _Word | None:
        value = self.text(key)
        try:
            return words_of(value)
        except ValueError:
            if value:
                known = [word.value for word in words_of]
                self.note(
                    f"unknown {key} {value!r}{did_you_mean(value, known)}, known: {', '.join(known)}", key
                )
            return None

    def table(self) -> FeatureTable | None:
        name = self.text("on")
        if name and name not in TABLES:
            self.note(f"unknown table {name!r}{did_you_mean(name, TABLES)}, known: {', '.join(TABLES)}", "on")
        return TABLES.get(name)

    def lead_d(self, trigger: TriggerType | None) -> tuple[int, ...]:
        given = self.document.get("lead_d", [])
        if not isinstance(given, list) or not all(type(days) is int and days >= 0 for days in given):
            self.note(f"lead_d is a list of whole days, as in [30, 14, 3], got {given!r}", "lead_d")
            return ()
        if given != sorted(set(given), reverse=True):
            self.note(f"lead_d falls, as in [30, 14, 3], got {given}", "lead_d")
        if given and trigger is not None and trigger not in STAGED:
            fitting = ", ".join(sorted(STAGED))
            self.note(f"lead_d fits triggers that look ahead to a date ({fitting}), not {trigger}", "lead_d")
        return tuple(given)

    def condition(self, key: str, table: FeatureTable) -> Condition | None:
        text = self.text(key)
        if not text:
            return None
        try:
            return compile_condition(text, table)
        except ConditionError as error:
            for problem in error.problems:
                self.note(f"{key}: {problem}", key)
            return None

    def span(self, key: str, table: FeatureTable) -> Span | None:
        text = self.text(key)
        if not text:
            return None
        try:
            return parse_span(text, table)
        except RuleError as error:
            self.note(f"{key}: {error}", key)
            return None

    def say(self, table: FeatureTable) -> tuple[dict[str, str], tuple[str, ...]]:
        """The words by language, and the columns they read."""
        given = self.document.get("say", {})
        if not isinstance(given, dict):
            self.note("say has a text in zh and one in en", "say")
            return {}, ()
        for key in given:
            if key not in words.LANGUAGES:
                self.note(f"say: unknown language {key!r}, known: {', '.join(words.LANGUAGES)}", "say", key)
        said: dict[str, Any] = {key: given.get(key) for key in words.LANGUAGES}
        texts = {key: text for key, text in said.items() if isinstance(text, str) and text.strip()}
        for language in words.LANGUAGES if "say" in self.document else ():
            if language not in texts:
                self.note(f"say: {language} is missing or empty", "say", language)
        for key, text in texts.items():
            for problem in words.problems(text, table):
                self.note(f"say.{key}: {problem}", "say", key)
        names = {key: list(dict.fromkeys(p.name for p in words.placeholders(texts[key]))) for key in texts}
        self.same_placeholders(names)
        return texts, tuple(dict.fromkeys(name for each in names.values() for name in each))

    def same_placeholders(self, names: dict[str, list[str]]) -> None:
        """Both languages tell the same values."""
        if len(names) < len(words.LANGUAGES):
            return
        for language, other in (("zh", "en"), ("en", "zh")):
            for name in _without(names[language], names[other]):
                self.note(f"say: {{{name}}} stands in {language} but not in {other}", "say", other)

    def trials(self, table: FeatureTable) -> list[tuple[int, Trial]]:
        """The tests with their places; noted where there are too few."""
        given = self.document.get("test", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self.note("tests are written as [[test]] with title, rows and what is expected", "test")
            return []
        trials = []
        for place, each in enumerate(given):
            trial, problems = read_trial(each, table)
            for key, problem in problems:
                self.note(problem, "test", place, key)
            if trial is not None:
                trials.append((place, trial))
        if given and not any("opens_on_day" in each or "closes_on_day" in each for each in given):
            self.note("no test opens the rule: add a [[test]] with opens_on_day", "test", 0)
        return trials

    def run(self, rule: Rule, trials: list[tuple[int, Trial]]) -> None:
        for (place, _), failure in zip(trials, failures(rule, [each for _, each in trials]), strict=True):
            if failure is not None:
                self.note(failure, "test", place)


def _without(names: Iterable[str], others: Iterable[str]) -> list[str]:
    return [name for name in names if name not in set(others)]
