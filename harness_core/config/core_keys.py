"""The keys that core owns, as JSON Schema (2020-12): the one source for reading, defaults, editors and docs/config.md.

Four definitions mean more than JSON Schema can say and are read specially (see `shape`): `duration`, `size`, `text` (any
single value, taken as it was written) and `value` (the same, or `{secret: …}`).
"""

from __future__ import annotations

from typing import Any

from harness_core.config.durations import DURATION_PATTERN, SIZE_PATTERN
from harness_core.contracts.run import LogSettings

Schema = dict[str, Any]

FREE: Schema = {"^x-": {}}
"""Keys for anchors and for other tools, in every mapping whose keys are core's."""

NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
PROFILE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"
_PORT_NUMBER: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_LOGS = LogSettings()


def _ref(name: str, description: str, **more: Any) -> Schema:
    return {"$ref": f"#/$defs/{name}", "description": description, **more}


def _mapping(properties: Schema, description: str, **more: Any) -> Schema:
    closed: Schema = {"type": "object", "properties": properties, "patternProperties": FREE, "additionalProperties": False}
    return {**closed, "description": description, **more}


DEFINITIONS: Schema = {
    "duration": {
        "type": ["number", "string"],
        "minimum": 0,
        "pattern": DURATION_PATTERN,
        "patternErrorMessage": "Write 500ms, 2s, 1m30s, 2h, or a number of seconds.",
        "description": "`500ms`, `2s`, `1m30s`, `2h`, or a number of seconds.",
    },
    "size": {
        "type": ["integer", "string"],
        "minimum": 0,
        "pattern": SIZE_PATTERN,
        "patternErrorMessage": "Write 64MiB, 1GB, or a number of bytes.",
        "description": "`64MiB`, `1GB`, or a number of bytes.",
    },
    "text": {"type": ["string", "number", "boolean"], "description": "Text; numbers and words such as `yes` stay as written."},
    "value": {
        "anyOf": [
            {"$ref": "#/$defs/text"},
            {
                "type": "object",
                "properties": {"secret": _ref("text", "The value; masked wherever it would be shown.")},
                "required": ["secret"],
                "additionalProperties": False,
                "description": "A secret.",
            },
        ],
        "description": "Text, or `{secret: …}`.",
    },
    "words": {
        "anyOf": [{"$ref": "#/$defs/text"}, {"type": "array", "items": {"$ref": "#/$defs/text"}, "minItems": 1}],
        "description": "A list, or a string that is split as a shell would.",
    },
    "condition": {"enum": ["started", "healthy", "completed"]},
}

TOP: Schema = {
    "version": {
        "type": "string",
        "enum": ["1", "1.0"],
        "default": "1.0",
        "description": "The version of this format.",
        "examples": ["1.0"],
    },
    "name": {
        "type": "string",
        "pattern": NAME_PATTERN,
        "description": "The project's name: lower-case letters, digits, `_`, `.` and `-`; default: the folder's name.",
        "examples": ["shop"],
    },
    "description": {"type": "string", "default": "", "description": "A sentence for people."},
    "include": {
        "anyOf": [
            {"type": "string", "minLength": 1, "format": "path"},
            {"type": "array", "items": {"type": "string", "minLength": 1, "format": "path"}},
        ],
        "default": [],
        "description": "Files whose keys count as if they were written here, unless they are; paths as seen from this file.",
        "examples": ["../shared/db.yaml", ["db.yaml", "queue.yaml"]],
    },
    "settings": _mapping(
        {
            "startup_timeout": _ref(
                "duration", "Default of every service's `startup_timeout`.", default="60s", exclusiveMinimum=0
            ),
            "shutdown_timeout": _ref("duration", "Default of every service's `stop.timeout`.", default="10s"),
            "health_check_interval": _ref("duration", "Default of every check's `interval`.", default="10s", exclusiveMinimum=0),
        },
        "Defaults for all services.",
        default={},
        examples=[{"startup_timeout": "2m"}],
    ),
    "networks": {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/network"},
        "default": {},
        "description": "Where things stand and how they reach each other, by name.",
        "examples": [{"local": {"type": "local"}}],
    },
    "services": {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/service"},
        "description": "What should run, by name: lower-case letters, digits, `_`, `.` and `-`, at most 63.",
        "examples": [{"api": {"type": "process", "command": "./api"}}],
    },
}

NODE: Schema = _mapping(
    {
        "name": {"type": "string", "minLength": 1, "description": "What `host:` of a service says.", "examples": ["box"]},
        "host": {"type": "string", "minLength": 1, "description": "The address.", "examples": ["10.0.0.7"]},
        "port": {**_PORT_NUMBER, "default": 22, "description": "The SSH port."},
        "ssh_user": {"type": "string", "minLength": 1, "description": "Who to log in as; default: as ssh would."},
        "ssh_key": {"type": "string", "format": "path", "description": "The private key; default: as ssh would."},
    },
    "A host.",
    required=["name", "host"],
)

NETWORK: Schema = _mapping(
    {
        "type": {"enum": ["local", "lan", "wireguard"], "description": "What kind of network it is."},
        "description": {"type": "string", "default": "", "description": "A sentence for people."},
        "subnet": {"type": "string", "description": "Its addresses.", "examples": ["10.0.0.0/24"]},
        "interface": {"type": "string", "description": "The network interface on this machine.", "examples": ["wg0"]},
        "config": {"type": "string", "format": "path", "description": "For wireguard: the tunnel's configuration file."},
        "nodes": {"type": "array", "items": NODE, "default": [], "description": "The hosts in it."},
    },
    "One network.",
    required=["type"],
    examples=[{"type": "lan", "nodes": [{"name": "box", "host": "10.0.0.7", "ssh_user": "deploy"}]}],
)

PORT: Schema = _mapping(
    {
        "name": {
            "type": "string",
            "pattern": r"^[a-z0-9][a-z0-9_-]{0,31}$",
            "description": "What `${service.port.NAME}` says; default: `default` for the first port, the number for others.",
            "examples": ["http"],
        },
        "port": {
            "anyOf": [_PORT_NUMBER, {"type": "string"}],
            "description": "The port that the service listens on; `auto`: chosen by harness, stable across restarts.",
            "examples": [8080, "auto"],
        },
        "host": {**_PORT_NUMBER, "description": "The port on the host that publishes it; default: chosen by harness."},
        "protocol": {
            "type": "string",
            "pattern": r"^[a-z][a-z0-9+.-]{0,31}$",
            "description": "The URL scheme; default: the name if it is `http`, `https`, `ws`, `wss`, `grpc`, `udp`, else `tcp`.",
            "examples": ["http"],
        },
    },
    "A port.",
    required=["port"],
)

HEALTH: Schema = {
    "interval": _ref(
        "duration",
        "Time between two probes; default: `settings.health_check_interval`.",
        default="10s",
        exclusiveMinimum=0,
    ),
    "timeout": _ref("duration", "After this a probe counts as failed.", default="5s", exclusiveMinimum=0),
    "retries": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10_000,
        "default": 3,
        "description": "So many failed probes in a row make a service unhealthy.",
    },
    "successes": {
        "type": "integer",
        "minimum": 1,
        "maximum": 10_000,
        "default": 1,
        "description": "So many good probes in a row make it healthy.",
    },
    "start_period": _ref("duration", "After a start, failed probes don't count for so long.", default="0s"),
    "on_failure": {
        "enum": ["none", "restart"],
        "default": "none",
        "description": "What happens when a healthy service becomes unhealthy: nothing, or a restart by its policy.",
    },
}

RESTART: Schema = _mapping(
    {
        "policy": {
            "type": "string",
            "enum": ["no", "on-failure", "always", "unless-stopped"],
            "default": "on-failure",
            "description": "When an ended run is followed by another; default for a oneshot: `no`.",
        },
        "backoff": _ref("duration", "The first pause; it doubles each time, with jitter.", default="500ms"),
        "max_backoff": _ref("duration", "The longest pause.", default="60s"),
        "max_restarts": {
            "type": "integer",
            "minimum": 0,
            "maximum": 1_000_000,
            "default": 5,
            "description": "More restarts than this within `window` make the service `failed`.",
        },
        "window": _ref("duration", "The time in which restarts are counted.", default="60s", exclusiveMinimum=0),
    },
    "The policy in full.",
)

STOP: Schema = _mapping(
    {
        "signal": _ref("text", "The signal that asks it to end; default: what the place prefers, mostly TERM.", examples=["INT"]),
        "timeout": _ref("duration", "After this it is killed; default: `settings.shutdown_timeout`.", default="10s"),
        "command": _ref("words", "Runs inside the service's place before the signal.", examples=["nginx -s quit"]),
    },
    "How the service is asked to end.",
    default={},
    examples=[{"signal": "INT", "timeout": "30s"}],
)

LIMITS: Schema = _mapping(
    {
        "memory": _ref("size", "Memory of the whole tree.", exclusiveMinimum=0, examples=["512MiB"]),
        "cpu": {"type": "number", "exclusiveMinimum": 0, "maximum": 100_000, "description": "Cores.", "examples": [1.5]},
        "pids": {"type": "integer", "minimum": 1, "maximum": 10_000_000, "description": "Processes.", "examples": [100]},
        "nofile": {"type": "integer", "minimum": 1, "maximum": 10_000_000, "description": "Open files.", "examples": [4096]},
    },
    "Upper bounds; default: none of ours.",
    default={},
    examples=[{"memory": "512MiB", "pids": 100}],
)

LOGS: Schema = _mapping(
    {
        "merge": {"type": "boolean", "default": _LOGS.merge, "description": "One stream for stdout and stderr: exact order."},
        "max_size": _ref("size", "Output is kept in segments of this size.", default=_LOGS.max_size, exclusiveMinimum=0),
        "keep": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": _LOGS.keep, "description": "Segments kept."},
        "keep_runs": {
            "type": "integer",
            "minimum": 0,
            "maximum": 10_000,
            "default": _LOGS.keep_runs,
            "description": "Finished runs whose output is kept.",
        },
    },
    "How output is kept.",
    default={},
    examples=[{"max_size": "4MiB", "keep": 2}],
)

SERVICE: Schema = {
    "type": {
        "type": "string",
        "minLength": 1,
        "description": "Where and how it runs: the name of an installed executor.",
        "examples": ["process"],
    },
    "description": {"type": "string", "default": "", "description": "A sentence for people."},
    "network": {"type": "string", "description": "Where it stands: a name out of `networks`.", "examples": ["local"]},
    "env": {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/value"},
        "propertyNames": {"pattern": r"^[^=]+$"},
        "default": {},
        "description": "Environment variables; they win over `env_file`. Values stay text as written.",
        "examples": [{"PORT": "${api.port}", "DEBUG": "yes"}],
    },
    "env_file": {
        "anyOf": [
            {"type": "string", "format": "path"},
            {"type": "array", "items": {"type": "string", "format": "path"}},
        ],
        "default": [],
        "description": "Files of `NAME=value` lines; later ones win.",
        "examples": [".env.api", [".env.common", ".env.api"]],
    },
    "inherit_env": {
        "anyOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
        "default": [],
        "description": "More variables of the person who applied, besides PATH, HOME, USER, SHELL, LANG, LC_*, TZ, TMPDIR and "
        "SSH_AUTH_SOCK; `true`: all. A change of theirs restarts nothing.",
        "examples": [["AWS_PROFILE"], True],
    },
    "secrets": {
        "type": "array",
        "items": {"type": "string", "minLength": 1},
        "default": [],
        "description": "Names of variables in `env` and `env_file` that are masked, besides those that match `*PASSWORD*`, "
        "`*SECRET*`, `*TOKEN*` or `*KEY*`.",
        "examples": [["DATABASE_URL"]],
    },
    "dependencies": {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {"type": "object", "additionalProperties": {"$ref": "#/$defs/condition"}},
        ],
        "default": [],
        "description": "What must be there first: a list of services, or each with `started`, `healthy` or `completed`. "
        "In a list: `healthy` if it has a check, `completed` if it is a oneshot, else `started`.",
        "examples": [["db"], {"db": "healthy", "migrate": "completed"}],
    },
    "health_check": {
        "$ref": "#/$defs/health_check",
        "description": "How to find out whether it is well: exactly one check, and its clock.",
        "examples": [{"http": "http://${api.host}:${api.port}/health", "interval": "2s"}],
    },
    "restart": {
        "anyOf": [RESTART["properties"]["policy"], RESTART],
        "default": "on-failure",
        "description": "When and how fast it is restarted: a word, or the policy in full.",
        "examples": ["always", {"policy": "on-failure", "max_restarts": 10}],
    },
    "stop": STOP,
    "oneshot": {
        "type": "boolean",
        "default": False,
        "description": "It should finish: success is exit 0, dependents wait for it.",
    },
    "profiles": {
        "type": "array",
        "items": {"type": "string", "pattern": PROFILE_PATTERN},
        "default": [],
        "description": "It runs only when one of these is named by `--profile`, or the service itself is; without any: always.",
        "examples": [["debug"]],
    },
    "startup_timeout": _ref(
        "duration",
        "From launch to running and, with a check, healthy; default: `settings.startup_timeout`.",
        default="60s",
        exclusiveMinimum=0,
    ),
    "shutdown_timeout": _ref("duration", "The older way to write `stop.timeout`, which wins."),
    "ports": {
        "type": "array",
        "items": {"anyOf": [_PORT_NUMBER, {"type": "string"}, PORT]},
        "default": [],
        "description": 'Ports that it listens on: `5432`, `auto`, `"8080:80"` (host:service), `"53/udp"`, or a mapping.',
        "examples": [[5432], [{"name": "http", "port": "auto"}]],
    },
    "layers": {
        "type": "array",
        "items": {"$ref": "#/$defs/layer"},
        "default": [],
        "description": "What the command is wrapped in, outermost first. For executors that run commands.",
        "examples": [[{"type": "sudo", "user": "root"}]],
    },
    "labels": {
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/text"},
        "default": {},
        "description": "Free words for people and tools.",
        "examples": [{"team": "shop"}],
    },
    "limits": LIMITS,
    "logs": LOGS,
}

COMMAND: Schema = {
    "command": _ref(
        "words",
        "What to run: a list, or a string that is split as a shell would, without a shell.",
        examples=["./api --port 80", ["sh", "-c", "date"]],
    ),
    "binary": {
        "type": "string",
        "minLength": 1,
        "description": "What to run, with `args`: a program on PATH, or a path as seen from the config file.",
        "examples": ["./api"],
    },
    "args": {
        "type": "array",
        "items": {"$ref": "#/$defs/value"},
        "default": [],
        "description": "Arguments of `binary`.",
        "examples": [["--port", "${api.port}"]],
    },
    "working_dir": {
        "type": "string",
        "format": "path",
        "default": ".",
        "description": "The folder it starts in.",
        "examples": ["./api"],
    },
    "shell": {"type": "boolean", "default": False, "description": "`command` is one line for `/bin/sh -c`."},
    "stdin": {"type": "boolean", "default": False, "description": "Keep its stdin open for `harness attach`."},
    "tty": {"type": "boolean", "default": False, "description": "Give it a terminal."},
}

RESERVED = frozenset({"replicas", "update"})
"""Known, and refused with "not yet"."""

CORE_KEYS = frozenset(SERVICE) | RESERVED
"""What no executor's schema may claim, installed today or later."""

OLDER_HEALTH_KEYS = frozenset({"args"})
