"""Settings: `ODOCARE_*` from the environment, read once; docs/settings.md lists them."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What an operator can set. Everything has a default that runs the local stack under `home`."""

    model_config = SettingsConfigDict(env_prefix="ODOCARE_", frozen=True, extra="forbid")

    home: Path = Field(default=Path(".odocare"), description="folder of the local stack, its keys and caches")
    database_url: SecretStr | None = Field(
        default=None, description="an existing PostgreSQL 17 with TimescaleDB, instead of the local one"
    )
    mqtt_url: SecretStr | None = Field(
        default=None, description="an existing broker as mqtt://user:password@host:port, for `odocare ingest`"
    )
    simulator_mqtt_url: SecretStr | None = Field(
        default=None, description="the same broker for the development-only identity of test fleets"
    )
    mqtt_ca: Path | None = Field(
        default=None, description="PEM: whom to trust over mqtts://; default: the system's authorities"
    )
    mqtt_certificate: Path | None = Field(
        default=None, description="PEM chain that is shown to the broker over mqtts://, instead of a password"
    )
    mqtt_key: Path | None = Field(
        default=None, description="PEM key of that certificate, where it is not in the same file"
    )
    fixtures: Path | None = Field(default=None, description="folder of real captures, for the demo and tests")
    site: str = Field(
        default="odocare.local", description="names this installation; part of every trigger's id"
    )
    http_host: str = Field(default="127.0.0.1", description="address `odocare serve` listens on")
    http_port: int = Field(
        default=8460, ge=0, le=65535, description="port of `odocare serve`; 0 takes a free one"
    )
    cache: Path | None = Field(
        default=None,
        description="folder of compiled code; else `cache` under `home`, for `decode` `~/.cache/odocare`",
    )
    decode_kernel: bool = Field(
        default=True,
        description="decode by compiled code, many times as fast as by numpy, for the memory that LLVM takes",
    )
    gbt32960_host: str = Field(
        default="127.0.0.1", description="address `odocare ingest --gbt32960` listens on for terminals"
    )
    gbt32960_connections: int = Field(
        default=10_000, ge=1, le=1_000_000, description="terminals connected at once; more are turned away"
    )
    gbt32960_certificate: Path | None = Field(
        default=None, description="PEM chain; with it terminals are listened for over TLS"
    )
    gbt32960_private_key: Path | None = Field(
        default=None, description="PEM key of that certificate, where it is not in the same file"
    )
    codebooks: Path | None = Field(
        default=None,
        description="folder of a maker's own codebooks and signals, beside those that are shipped",
    )
    key_file: Path | None = Field(
        default=None, description="32 bytes that seal refused messages; made under `home` when absent"
    )
    fault: str | None = Field(
        default=None,
        description="for fault experiments only: `odocare ingest` kills itself there, as `before_commit:7`",
    )
