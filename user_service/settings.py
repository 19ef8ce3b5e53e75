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
    login_attempts_per_account: int = 10
    default_region: str = "US"
    max_sessions_per_user: int = 100
    redis_url: str | None = field(default=None, repr=False)
    ratelimit_enabled: bool = True
    limits: Mapping[str, Rate] = field(default_factory=dict)
    cors_origins: tuple[str, ...] = ()
    smtp_url: str | None = field(default=None, repr=False)
    mail_from: str | None = None
    require_email_verification: bool = False
    link_base_url: str | None = None
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


# What each of them means to an operator. `make docs` makes the README's table of these, with the defaults in force.
MEANINGS = {
    "APP_ENV": "`production`, `development` or `testing`",
    "DATABASE_URL": "PostgreSQL or an SQLite file",
    "MASTER_KEYS": "the key-encryption keys, `id:base64-of-32-bytes`, comma-separated, current first",
    "PUBLIC_URL": "where clients reach the service",
    "JWT_ISSUER": "the claim `iss` of the tokens",
    "JWT_AUDIENCE": "the claim `aud` of the access tokens",
    "ACCESS_TOKEN_SECONDS": "how long an access token lives",
    "REFRESH_TOKEN_SECONDS": "how long a refresh token lives, from its issue",
    "SESSION_SECONDS": "when a session ends for good, from its log-in",
    "REFRESH_TOKEN_ROTATION": "`false`: the refresh token stays valid until it expires",
    "REFRESH_REUSE_GRACE_SECONDS": "how long a replaced refresh token gets the same successor, 0 to 300",
    "MAX_SESSIONS_PER_USER": "beyond it the oldest ends",
    "BCRYPT_ROUNDS": "the cost of a password's hash",
    "PASSWORD_MIN_LENGTH": "15 characters are advised while there is no second factor",
    "LOGIN_ATTEMPTS_PER_ACCOUNT": "wrong passwords in a row before [delays](docs/limits.md) begin, 1 to 100",
    "DEFAULT_REGION": "of phone numbers without a country code",
    "REDIS_URL": "shared counters of [limits](docs/limits.md)",
    "RATELIMIT_ENABLED": "`false` switches the limits off, for load tests",
    "LIMITS": "limits other than the [table's](docs/limits.md): `log-in-address=300/minute, register-all=1000/minute`",
    "CORS_ORIGINS": "whose pages may call the API: `https://shop.example.com, https://app.example.com`",
    "SMTP_URL": "the server of [mail](#mail): `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`",
    "MAIL_FROM": "the sender of mail: `Shop <no-reply@example.com>`",
    "REQUIRE_EMAIL_VERIFICATION": "`true`: who has not verified the address cannot log in",
    "LINK_BASE_URL": "where mailed links lead, a front end of yours",
    "TRUSTED_PROXIES": "how many hops of `X-Forwarded-For` are believed",
    "PORT": "where it listens",
    "BIND": "on which address",
    "WEB_CONCURRENCY": "worker processes",
    "DATABASE_POOL_SIZE": "connections in each of a worker's two pools",
    "DATABASE_PREPARE": "`false` behind a transaction-pooling PgBouncer before 1.21",
    "LOG_LEVEL": "`DEBUG`, `INFO`, `WARNING` or `ERROR`",
}
