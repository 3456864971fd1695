"""The extensions this version has, by the name that `dbc/manifest.toml` calls them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from decoders.gbt32960.report import Extension
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS

EXTENSIONS: Final[Mapping[str, Extension]] = MappingProxyType({"shanghai-bus": SHANGHAI_BUS})
