"""The rule book: all rule files read together; what is wrong with one does not keep another from running."""

from collections import Counter
from collections.abc import Mapping

from rules.reading import read_rule
from rules.rule import Rule, RuleBook, RuleProblem

__all__ = ["Rule", "RuleBook", "RuleProblem", "load"]


def load(texts: Mapping[str, str]) -> RuleBook:
    """Read rule files: name to TOML text. Nothing is raised; see `RuleBook.problems`."""
    rules: dict[str, Rule] = {}
    problems: list[RuleProblem] = []
    for file, text in texts.items():
        rule, found = read_rule(file, text)
        problems += found
        if rule is not None:
            rules[file] = rule
    count = Counter(rule.id for rule in rules.values())
    for file, rule in rules.items():
        if count[rule.id] > 1:
            others = sorted(other for other in rules if other != file and rules[other].id == rule.id)
            problems.append(RuleProblem(file, 1, f"id {rule.id!r} also stands in {', '.join(others)}"))
    alone = [rule for rule in rules.values() if count[rule.id] == 1]
    return RuleBook(
        rules=tuple(sorted(alone, key=lambda rule: rule.id)),
        problems=tuple(sorted(problems, key=lambda problem: (problem.file, problem.line, problem.message))),
    )
