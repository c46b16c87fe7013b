"""Settings: everything comes from the environment, with defaults that run on one machine."""

from __future__ import annotations

import gc
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from rtcadmin import environment as env
from rtcadmin import logs

# Nearly all that a start makes stays: Python would look through it for cycles again and again.
gc.set_threshold(10_000, 20, 20)

BASE_DIR = Path(__file__).resolve().parent.parent
DATA = Path(env.text("RTCADMIN_DATA", str(BASE_DIR / "var"))).absolute()
# Sessions and sealed secrets are in there: nobody else on this machine may look.
DATA.mkdir(parents=True, exist_ok=True, mode=0o700)

# --- Secrets ------------------------------------------------------------------------------------
SECRET_KEY = env.kept_secret("RTCADMIN_SECRET_KEY", DATA / "secrets", "secret-key")
# Hex keys of 32 bytes for stored secrets, the sealing one first; older ones only open what they
# sealed.
SEALING_KEYS = env.kept_secret("RTCADMIN_SEALING_KEYS", DATA / "secrets", "sealing-keys")

# --- Web ----------------------------------------------------------------------------------------
DEBUG = False
# The address that administrators and clients use; https:// turns secure cookies, HSTS and
# redirects on.
PUBLIC_URL = env.text("RTCADMIN_PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
# Provisioning links may have an address of their own.
LINK_URL = env.text("RTCADMIN_LINK_URL", PUBLIC_URL).rstrip("/")
ALLOWED_HOSTS = env.words("RTCADMIN_ALLOWED_HOSTS", "127.0.0.1,localhost")
ENVIRONMENT = env.text("RTCADMIN_ENVIRONMENT")
_SECURE = PUBLIC_URL.startswith("https://")
CSRF_TRUSTED_ORIGINS = sorted({PUBLIC_URL, LINK_URL})
SECURE_SSL_REDIRECT = _SECURE and env.flag("RTCADMIN_SSL_REDIRECT", default=True)
# Health probes come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SECURE_HSTS_SECONDS = 31_536_000 if _SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _SECURE
SECURE_HSTS_PRELOAD = _SECURE
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _SECURE
SESSION_COOKIE_NAME = "__Host-session" if _SECURE else "rtcadmin-session"
CSRF_COOKIE_NAME = "__Host-csrf" if _SECURE else "rtcadmin-csrf"
SESSION_COOKIE_AGE = 8 * 3600
SESSION_SAVE_EVERY_REQUEST = False
CSRF_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
# Only these may say where a request came from, and whether over TLS.
TRUSTED_PROXIES = env.networks("RTCADMIN_TRUSTED_PROXIES")
if _header := env.text("RTCADMIN_PROXY_SSL_HEADER"):
    if not TRUSTED_PROXIES:
        raise ImproperlyConfigured(
            "RTCADMIN_PROXY_SSL_HEADER is believed only of proxies in RTCADMIN_TRUSTED_PROXIES, "
            "which is empty. Set it to the proxy's address, such as 127.0.0.1."
        )
    SECURE_PROXY_SSL_HEADER = (_header, "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_htmx",
    "django_filters",
    "django_celery_beat",
    "axes",
    "csp",
    "provisioning",
]
MIDDLEWARE = [
    "provisioning.web.proxies.TrustedProxies",
    # Before the next one, so that even its refusals carry the policy.
    "csp.middleware.CSPMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "provisioning.web.middleware.RequestId",
    "provisioning.web.middleware.DatabaseBusy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "provisioning.web.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
]
ROOT_URLCONF = "rtcadmin.urls"
WSGI_APPLICATION = "rtcadmin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "provisioning.web.shell.shell",
            ],
            "libraries": {"console": "provisioning.web.templatetags.console"},
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    [
                        "django.template.loaders.filesystem.Loader",
                        "django.template.loaders.app_directories.Loader",
                    ],
                )
            ],
        },
    }
]
# A new version of the files has new addresses, so browsers may keep them: no page meets old styles.
STATIC_URL = f"static/{env.fingerprint(BASE_DIR / 'static', BASE_DIR / 'requirements.txt')}/"
STATIC_ROOT = DATA / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# Serves straight from static/ as well, so that no collectstatic run is needed on a single machine.
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 365 * 24 * 3600

# --- Database -----------------------------------------------------------------------------------
DATABASES = {"default": env.database(env.text("RTCADMIN_DATABASE_URL"), DATA / "rtcadmin.sqlite3")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Sign-in ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "provisioning.ConsoleUser"
AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
    "rtcadmin.ldap_login.DirectoryBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("username", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "overview"
LOGOUT_REDIRECT_URL = "sign-in"
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
# Whoever goes on trying neither prolongs the wait of others nor adds to what is kept of it.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_LOCKOUT_CALLABLE = "provisioning.web.console.sign_in.locked_out"
AXES_USERNAME_CALLABLE = "provisioning.web.console.attempts.counted_name"
AXES_SENSITIVE_PARAMETERS = ["username", "password", "token"]
AXES_ENABLE_ACCESS_FAILURE_LOG = False
# Who signed in is in the audit log.
AXES_DISABLE_ACCESS_LOG = True
AXES_VERBOSE = False

# --- Celery -------------------------------------------------------------------------------------
# Without a broker URL messages are files on this machine: right for one machine, needs no other
# service. Messages only wake workers; the work itself, its leases and attempts are in the database.
CELERY_BROKER_URL = env.text("RTCADMIN_BROKER_URL", "filesystem://")
CELERY_BROKER_USE_SSL = env.broker_tls(CELERY_BROKER_URL)
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {}
if CELERY_BROKER_URL.startswith("filesystem:"):
    _messages, _control = DATA / "broker" / "messages", DATA / "broker" / "control"
    for _folder in (_messages, _control):
        _folder.mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_messages),
        "data_folder_out": str(_messages),
        "control_folder": str(_control),
        "polling_interval": 0.1,
    }
elif CELERY_BROKER_URL.startswith(("redis:", "rediss:")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Longer than any task may take, so that nothing is delivered again while it is worked on.
        "visibility_timeout": 7200,
        # Whoever saves something waits no longer than this for a broker that is down.
        "socket_connect_timeout": 2,
        "socket_timeout": 3,
    }
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
# Most tasks wait for another machine: more of them than processors do no harm.
CELERY_WORKER_CONCURRENCY = int(env.number("RTCADMIN_WORKER_CONCURRENCY", 4))
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# A task that lost its broker goes on: its lease keeps others from doing the same.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# No soft limit: an exception at any place is worse than an end that the leases are made for.
CELERY_TASK_TIME_LIMIT = 300
RUN_TIME_LIMIT = 3600
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BEAT_SCHEDULER = "rtcadmin.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = 2
CELERY_TIMEZONE = "UTC"

# --- Provisioning: leases, sweeps and time-outs, all in seconds ---------------------------------
PUSH_LEASE = env.number("RTCADMIN_PUSH_LEASE", 60)
PUSH_SLICE = env.number("RTCADMIN_PUSH_SLICE", 30)
PUSH_PATIENCE = env.number("RTCADMIN_PUSH_PATIENCE", 240)
PUSH_ATTEMPTS = int(env.number("RTCADMIN_PUSH_ATTEMPTS", 3))
PUSH_BACKOFF = env.number("RTCADMIN_PUSH_BACKOFF", 5)
# How often a rollout is looked after, who does it for how long, and how long a stage may take until
# it is in effect.
ROLLOUT_EVERY = env.number("RTCADMIN_ROLLOUT_EVERY", 5)
ROLLOUT_LEASE = env.number("RTCADMIN_ROLLOUT_LEASE", 120)
ROLLOUT_PATIENCE = env.number("RTCADMIN_ROLLOUT_PATIENCE", 900)
SWEEP_EVERY = env.number("RTCADMIN_SWEEP_EVERY", 15)
HEALTH_EVERY = env.number("RTCADMIN_HEALTH_EVERY", 30)
# How often the live registrations of every store are read.
REGISTRATIONS_EVERY = env.number("RTCADMIN_REGISTRATIONS_EVERY", 60)
# How often it is looked for what is wrong, and how long a message is tried to be delivered.
ALERTS_EVERY = env.number("RTCADMIN_ALERTS_EVERY", 30)
ALERT_PATIENCE = env.number("RTCADMIN_ALERT_PATIENCE", 24 * 3600)
ALERT_TIMEOUT = env.number("RTCADMIN_ALERT_TIMEOUT", 10)
# How often everything at a managed store is compared, to find drift.
RECONCILE_EVERY = env.number("RTCADMIN_RECONCILE_EVERY", 3600)
# How often every SIP server is probed, and how soon again after something was pushed. A probe waits
# so long for one answer, and takes no longer than its patience for all of them.
PROBE_EVERY = env.number("RTCADMIN_PROBE_EVERY", 24 * 3600)
PROBE_PAUSE = env.number("RTCADMIN_PROBE_PAUSE", 600)
PROBE_TIMEOUT = env.number("RTCADMIN_PROBE_TIMEOUT", 6)
PROBE_PATIENCE = env.number("RTCADMIN_PROBE_PATIENCE", 60)
# Where workers take calls that SIP servers send through the probes' gateway, over UDP.
PROBE_GATEWAY = env.place("RTCADMIN_PROBE_GATEWAY")
SYNC_LEASE = env.number("RTCADMIN_SYNC_LEASE", 120)
# What a SCIM client writes within so long is read at once.
SCIM_PAUSE = env.number("RTCADMIN_SCIM_PAUSE", 1)
SERVER_CONNECT_TIMEOUT = env.number("RTCADMIN_SERVER_CONNECT_TIMEOUT", 3)
SERVER_TOTAL_TIMEOUT = env.number("RTCADMIN_SERVER_TOTAL_TIMEOUT", 10)
# Whom the DNS records of SIP domains are asked of, as address or address:port; this machine's own
# where there is none. One look-up may take so many seconds.
DNS_SERVERS = env.words("RTCADMIN_DNS_SERVERS")
DNS_TIMEOUT = env.number("RTCADMIN_DNS_TIMEOUT", 3)
LDAP_CONNECT_TIMEOUT = env.number("RTCADMIN_LDAP_CONNECT_TIMEOUT", 5)
LDAP_READ_TIMEOUT = env.number("RTCADMIN_LDAP_READ_TIMEOUT", 30)
# SQLite files of SIP servers are opened only below this folder.
SQLITE_STORES = Path(env.text("RTCADMIN_SQLITE_STORES", str(DATA / "stores"))).absolute()
# Servers and directories on this machine itself are refused unless allowed here.
ALLOW_LOOPBACK = env.flag("RTCADMIN_ALLOW_LOOPBACK")
# Ports of the console itself, which no server or source may name on this machine.
CONSOLE_PORTS = [int(port) for port in env.words("RTCADMIN_CONSOLE_PORTS", "8000")]

# --- Mail, which only alerts are sent by ---------------------------------------------------------
EMAIL_HOST = env.text("RTCADMIN_MAIL_HOST")
EMAIL_PORT = int(env.number("RTCADMIN_MAIL_PORT", 587))
EMAIL_HOST_USER = env.text("RTCADMIN_MAIL_USER")
EMAIL_HOST_PASSWORD = env.text("RTCADMIN_MAIL_PASSWORD")
_MAIL_TLS = env.text("RTCADMIN_MAIL_TLS", "starttls")
if _MAIL_TLS not in ("starttls", "tls", "none"):
    raise ImproperlyConfigured(f"RTCADMIN_MAIL_TLS is starttls, tls or none, not {_MAIL_TLS!r}.")
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL_TLS == "starttls", _MAIL_TLS == "tls"
EMAIL_TIMEOUT = ALERT_TIMEOUT
DEFAULT_FROM_EMAIL = env.text("RTCADMIN_MAIL_FROM", f"rtcadmin@{EMAIL_HOST or 'localhost'}")

# --- Language, time, logs -----------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = env.text("RTCADMIN_TIME_ZONE", "UTC")
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"console": {"()": "rtcadmin.logs.Formatter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "console"}},
    "root": {"handlers": ["console"], "level": env.text("RTCADMIN_LOG_LEVEL", "INFO")},
    "loggers": {
        "axes": {"level": "WARNING"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # Its errors quote search filters, and with them what was typed as a user name.
        "django_auth_ldap": {"level": "CRITICAL"},
        # It warns at every message that a broker of files has no host name.
        "kombu.connection": {"level": "ERROR"},
    },
}
logs.configure()
