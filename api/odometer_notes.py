"""What was noticed about an odometer, in words for advisors: Chinese and English. Pure."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from store.anomalies import Anomaly

_WORDS: Final = {
    "odometer-start-up": (
        "启动瞬间的读数 {after} 不计，随后为 {before}",
        "Start-up reading {after} left out: then it showed {before}",
    ),
    "odometer-no-measurement": ("无效读数，不计", "No valid reading: left out"),
    "odometer-outside-its-day": (
        "读数 {after} 的时间有误，不计",
        "Reading {after} has a wrong time: left out",
    ),
    "odometer-first": ("首批读数 {after} 不可信，不计", "First reading {after} cannot be: left out"),
    "odometer-fall": ("读数回落：{before} → {after}，不计", "Fell from {before} to {after}: left out"),
    "odometer-jump": ("读数跳变：{before} → {after}，不计", "Jumped from {before} to {after}: left out"),
    "odometer-visit": (
        "工单里程 {after} 与车辆读数 {before} 不符，不计",
        "A visit's {after} contradicts the car's {before}: left out",
    ),
    "odometer-rolled-back": (
        "里程疑被调低：{before} → {after}，需人工核实",
        "Perhaps turned back: {before} → {after}; needs a check",
    ),
    "odometer-leapt": (
        "里程异常升高：{before} → {after}，需人工核实",
        "Leapt from {before} to {after}; needs a check",
    ),
    "odometer-frozen": (
        "里程表停走：车辆行驶而读数停在 {after}",
        "Stands at {after} while the car drives",
    ),
    "odometer-disagrees": (
        "里程来源不一致：{before} 与 {after}（{source}）",
        "Sources disagree: {before} and {after} ({source})",
    ),
    "odometer-replaced": (
        "里程表更换：旧表 {before} → 新表 {after}",
        "Odometer replaced: old {before} → new {after}",
    ),
    "odometer-rolled-over": (
        "里程表计满归零：{before} → {after}",
        "Odometer started again from zero: {before} → {after}",
    ),
    "odometer-unit": (
        "里程单位不符，自读数 {after} 起已换算为公里",
        "Counts another unit: converted to km from {after} on",
    ),
}
_SOURCES: Final = {
    "signals": ("车辆仪表", "cluster"),
    "can": ("车辆仪表（CAN）", "cluster (CAN)"),
    "gbt32960": ("GB/T 32960", "GB/T 32960"),
    "diagnostic": ("诊断读数", "diagnostics"),
    "high-resolution": ("高精度里程", "high-resolution distance"),
    "untold": ("早期数据", "earlier data"),
    "written": ("工单", "repair order"),
}
NEEDS_A_PERSON: Final = frozenset({"odometer-rolled-back", "odometer-leapt"})
_NOISE: Final = frozenset(
    {
        "odometer-start-up",
        "odometer-no-measurement",
        "odometer-outside-its-day",
        "odometer-fall",
        "odometer-jump",
    }
)
"""What calls for nobody, however often: one line for all of a kind and source."""
_NOTHING: Final = "–"


@dataclass(frozen=True, slots=True)
class Note:
    """One anomaly as a person reads it."""

    kind: str
    at: datetime
    until_at: datetime | None
    source: str
    source_zh: str
    source_en: str
    before_km: float | None
    after_km: float | None
    readings_n: int
    """Readings that do not count because of it."""
    needs_a_person: bool
    words_zh: str
    words_en: str
    reason: str


def notes(anomalies: Sequence[Anomaly]) -> list[Note]:
    """What was noticed, in the order given."""
    return [_note(one) for one in anomalies]


@dataclass(frozen=True, slots=True)
class Remark:
    """A line of the page: a note, or the newest of many that are alike."""

    note: Note
    times: int


def remarks(anomalies: Sequence[Anomaly]) -> list[Remark]:
    """What was noticed, the newest first, as few lines as will do; what needs a person comes first."""
    told = notes(anomalies)
    alike = Counter((one.kind, one.source) for one in told)
    found: dict[tuple[object, ...], Remark] = {}
    for one in told:
        is_noise = one.kind in _NOISE
        key: tuple[object, ...] = (one.kind, one.source) if is_noise else (one.kind, one.source, one.at)
        found.setdefault(key, Remark(one, alike[one.kind, one.source] if is_noise else 1))
    return sorted(found.values(), key=lambda one: (not one.note.needs_a_person, one.note.kind in _NOISE))


def source_words(source: str) -> tuple[str, str]:
    """Who told a reading, in Chinese and English; `fee0-17` is a J1939 group and a source address in hex."""
    if source in _SOURCES:
        return _SOURCES[source]
    group, _, address = source.upper().partition("-")
    return f"J1939 {group}，地址 {address}", f"J1939 {group}, address {address}"


def _note(one: Anomaly) -> Note:
    zh, en = _WORDS.get(one.kind, (one.kind, one.kind))
    source_zh, source_en = source_words(one.source)
    facts = {"before": _km(one.before), "after": _km(one.after)}
    return Note(
        kind=one.kind,
        at=one.happened_at,
        until_at=one.until_at,
        source=one.source,
        source_zh=source_zh,
        source_en=source_en,
        before_km=one.before,
        after_km=one.after,
        readings_n=one.readings_n,
        needs_a_person=one.kind in NEEDS_A_PERSON,
        words_zh=zh.format(source=source_zh, **facts),
        words_en=en.format(source=source_en, **facts),
        reason=one.reason,
    )


def _km(km: float | None) -> str:
    return _NOTHING if km is None else f"{km:,.0f} km"
