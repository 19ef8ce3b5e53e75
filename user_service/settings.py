"""What the operator decides, as one immutable value. `config.py` reads it from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from user_service.doors import Rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Every time is in seconds. `master_keys` maps key ids to 32 bytes, the current one first;
    `limits` holds those of docs/limits.md that are not as the table says, by name."""

    app_env: str
    database_url: str = field(repr=False)
    master_keys: Mapping[str, bytes] = field(repr=False)
    public_url: str
    jwt_issuer: str
    jwt_audience: str
    access_token_seconds: int = 900
    refresh_token_seconds: int = 604_800
    session_seconds: int = 2_592_000
    refresh_token_rotation: bool = True
    refresh_reuse_grace_seconds: int = 30
    bcrypt_rounds: int = 12
    password_min_length: int = 8
    default_region: str = "US"
    max_sessions_per_user: int = 100
    redis_url: str | None = field(default=None, repr=False)
    ratelimit_enabled: bool = True
    limits: Mapping[str, Rate] = field(default_factory=dict)
    trusted_proxies: int = 0
    port: int = 8000
    bind: str = "127.0.0.1"
    web_concurrency: int = 2
    database_pool_size: int = 8
    database_prepare: bool = True
    log_level: str = "INFO"

    @property
    def is_development(self) -> bool:
        return self.app_env == "development"

    @property
    def refresh_audience(self) -> str:
        """The audience of refresh tokens: the one URL that takes them."""
        return f"{self.public_url}/token/refresh"
