"""The demo maker Odo: its models, dealers, service plans and recalls. All of it is invented."""

from dataclasses import dataclass
from typing import Final

SOURCE: Final = "demo maker, invented"
WMI: Final = "A0D"
"""World manufacturer identifier; ISO 3780 assigns no country to A0, so that no real car can have it."""


@dataclass(frozen=True, slots=True)
class Model:
    """One model as far as the simulator needs it."""

    name: str
    code: str
    """One character of the VIN."""
    fuel: str
    share_ratio: float
    """Of the fleet."""
    litre_per_100km: float
    tank_l: float
    crank_drop_v: float
    """What the starter costs a new battery at 25 °C."""

    @property
    def is_petrol(self) -> bool:
        """Petrol cars speak SAE J2012 and `odo_petrol`; the others J1939."""
        return self.fuel == "petrol"


CITY: Final = Model("Odo City", "C", "petrol", 0.52, 6.4, 45.0, 1.85)
TRAIL: Final = Model("Odo Trail", "T", "petrol", 0.33, 8.1, 55.0, 2.05)
HAULER: Final = Model("Odo Hauler", "H", "diesel", 0.15, 10.5, 80.0, 2.35)
"""A light truck on a 12 V supply whose bus is J1939."""
MODELS: Final = (CITY, TRAIL, HAULER)


@dataclass(frozen=True, slots=True)
class Dealer:
    """A place that looks after vehicles."""

    code: str
    name_zh: str
    name_en: str
    province: str
    city: str
    climate: str
    """Key of `climate.CITIES`."""
    share_ratio: float


DEALERS: Final = (
    Dealer("ODO-SH-01", "欧度上海浦东店", "Odo Shanghai Pudong", "上海市", "上海市", "shanghai", 0.19),
    Dealer("ODO-BJ-01", "欧度北京朝阳店", "Odo Beijing Chaoyang", "北京市", "北京市", "beijing", 0.17),
    Dealer("ODO-GZ-01", "欧度广州天河店", "Odo Guangzhou Tianhe", "广东省", "广州市", "guangzhou", 0.15),
    Dealer("ODO-CD-01", "欧度成都高新店", "Odo Chengdu Gaoxin", "四川省", "成都市", "chengdu", 0.14),
    Dealer("ODO-HB-01", "欧度哈尔滨道里店", "Odo Harbin Daoli", "黑龙江省", "哈尔滨市", "harbin", 0.09),
    Dealer("ODO-XA-01", "欧度西安雁塔店", "Odo Xi'an Yanta", "陕西省", "西安市", "xian", 0.10),
    Dealer("ODO-WH-01", "欧度武汉江汉店", "Odo Wuhan Jianghan", "湖北省", "武汉市", "wuhan", 0.09),
    Dealer("ODO-KM-01", "欧度昆明官渡店", "Odo Kunming Guandu", "云南省", "昆明市", "kunming", 0.07),
)


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One line of a service plan; None where a limit does not apply."""

    item: str
    op_code: str
    name_zh: str
    name_en: str
    first_km: float | None
    first_d: int | None
    every_km: float | None
    every_d: int | None


OIL: Final = PlanItem(
    "oil-and-filter", "oil-service", "更换机油和机滤", "Engine oil and filter", 5_000, 180, 10_000, 365
)
_COMMON: Final = (
    OIL,
    PlanItem("cabin-filter", "cabin-filter", "更换空调滤芯", "Cabin air filter", None, None, 20_000, 730),
    PlanItem("air-filter", "air-filter", "更换空气滤清器", "Engine air filter", None, None, 20_000, None),
    PlanItem("brake-fluid", "brake-fluid", "更换制动液", "Brake fluid", None, None, None, 730),
)
_PETROL: Final = (
    *_COMMON,
    PlanItem("spark-plugs", "spark-plugs", "更换火花塞", "Spark plugs", None, None, 40_000, 1_460),
)
_DIESEL: Final = (
    *_COMMON,
    PlanItem("fuel-filter", "fuel-filter", "更换柴油滤清器", "Fuel filter", None, None, 30_000, 730),
)


def plan_of(model: Model) -> tuple[PlanItem, ...]:
    """The service plan of a model."""
    return _PETROL if model.is_petrol else _DIESEL


@dataclass(frozen=True, slots=True)
class Recall:
    """A campaign of the demo maker, and which parking places of the fleet are in it."""

    suffix: str
    file_name: str
    title_zh: str
    title_en: str
    remedy_zh: str
    remedy_en: str
    do_not_drive: bool
    every_slot: int
    slot: int
    """In it is every vehicle with slot modulo `every_slot` equal to `slot`."""


RECALLS: Final = (
    Recall(
        "R1",
        "recall.toml",
        "燃油泵叶轮可能变形",
        "Fuel pump impeller may deform",
        "更换燃油泵总成，免费",
        "Replace the fuel pump, free of charge",
        do_not_drive=False,
        every_slot=50,
        slot=3,
    ),
    Recall(
        "R2",
        "recall-do-not-drive.toml",
        "转向中间轴螺栓可能松脱",
        "Steering intermediate shaft bolt may come loose",
        "更换并按规定力矩拧紧螺栓，免费；修复前请勿驾驶",
        "Replace and torque the bolt, free of charge; do not drive before",
        do_not_drive=True,
        every_slot=200,
        slot=7,
    ),
)
