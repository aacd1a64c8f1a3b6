"""The launcher of `process`: every service is a child of the keeper, never of the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness_core.contracts.command import Command
from harness_core.contracts.errors import LaunchFailed, StateTooNew, Unreachable
from harness_core.contracts.execution import Launcher, ProcessHandle
from harness_core.contracts.offer import Change, ChangeKind, Context
from harness_core.contracts.place import LOCAL, Place
from harness_core.contracts.run import Found, HandleState, LaunchSpec, spec_to_json
from harness_core.keeper import Client, LinkChange, NoSuchRun, Note, Refused, RunInfo, Spawn, SpawnRefused
from harness_core.keeper import Limits as KeeperLimits
from harness_core.keeper import LogSettings as KeeperLogSettings
from harness_plugin_process.account import account_of, check_may_become, environment_as
from harness_plugin_process.handle import STATE_VERSION, KeeperHandle, state_of
from harness_plugin_process.looks import Looks
from harness_plugin_process.proc import Identity, find
from harness_plugin_process.program import check_command
from harness_plugin_process.translation import in_contract_terms, refusal

PREPARE_TIMEOUT = 30.0  # a dead network mount makes every look at a file hang

MADE_BY = "harness.executor"


class ProcessLauncher(Launcher):
    """Starts processes on this machine through the keeper, which outlives us."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Client | None = None
        self._ends: list[Any] = []
        self._live: set[str] = set()
        self._looks = Looks(context)

    def place(self, config: Any) -> Place:
        """This machine."""
        return LOCAL

    async def prepare(self, spec: LaunchSpec) -> None:
        """Look at user, working directory, program and its interpreter; raises what launch would, before anything starts."""
        command, user = _command_of(spec), spec.config.get("user")
        # All that the answer depends on.
        what = (command.argv[:1], command.env.get("PATH"), command.cwd, spec.base_dir, user)
        try:
            await self._looks.at(what, lambda: _check(command, user, spec.base_dir), timeout=PREPARE_TIMEOUT)
        except TimeoutError:
            message = f"looking for the program of {spec.service!r} took longer than {PREPARE_TIMEOUT:g} s"
            raise LaunchFailed(message, hint="is a network disk gone?") from None

    async def launch(self, spec: LaunchSpec) -> ProcessHandle:
        """The handle of a new run, or of the one that has this name."""
        command = _command_of(spec)
        spawn = _spawn(spec, command)
        keeper = await self._keeper()
        with in_contract_terms():
            try:
                started = await keeper.spawn(spawn)
            except SpawnRefused as error:
                raise _explained(error, spec) from error
            except Refused as error:
                raise LaunchFailed(str(error), transient=False) from error
        for note in started.notes:
            self._context.report(spec.run, Change(ChangeKind.NOTE, note))
        return self._handle(spec, keeper, state_of(started))

    async def recover(self, spec: LaunchSpec, state: HandleState | None) -> ProcessHandle | None:
        """The run as the keeper knows it; None when it is certainly gone."""
        if state is not None and state.version > STATE_VERSION:
            raise StateTooNew(f"run {spec.run} is of a newer version of this plugin", hint="upgrade harness-plugin-process")
        keeper = await self._keeper()
        with in_contract_terms():
            try:
                info = await keeper.info(spec.run)
            except NoSuchRun:
                _check_certainly_gone(spec.run, state)
                return None
        return self._handle(spec, keeper, state_of(info))

    async def survey(self) -> Sequence[Found]:
        """Every run that the keeper holds for us, live or finished."""
        keeper = await self._keeper()
        with in_contract_terms():
            infos = await keeper.list(specs=True)
        return [_found(info) for info in infos if info.labels.get(MADE_BY) == "process"]

    async def aclose(self) -> None:
        """Stop listening to the keeper, which is the daemon's; services run on."""
        for end in self._ends:
            end()
        self._ends.clear()
        self._live.clear()
        await self._looks.aclose()

    def _handle(self, spec: LaunchSpec, keeper: Client, state: HandleState) -> KeeperHandle:
        self._live.add(spec.run)
        return KeeperHandle(spec, keeper, state, report=self._context.report, ended=self._live.discard)

    async def _keeper(self) -> Client:
        with in_contract_terms():
            client: Client = await self._context.keeper()
        if client is not self._client:
            self._client = client
            self._ends += [client.on_link(self._link_changed), client.on_note(self._noted)]
        return client

    def _link_changed(self, change: LinkChange) -> None:
        kind = ChangeKind.REACHABLE if change.up else ChangeKind.UNREACHABLE
        for run in self._live:
            self._context.report(run, Change(kind, change.cause))

    def _noted(self, note: Note) -> None:
        if note.run in self._live:
            self._context.report(note.run, Change(ChangeKind.NOTE, note.text))


def _command_of(spec: LaunchSpec) -> Command:
    if spec.command is None:
        raise LaunchFailed(f"service {spec.service!r} has no command", hint="write `command:` or `binary:`", transient=False)
    return spec.command


def _check(command: Command, user: str | int | None, base: str) -> None:
    if user is not None:
        check_may_become(account_of(user))
    check_command(command, base=base)


def _spawn(spec: LaunchSpec, command: Command) -> Spawn:
    env, user = dict(command.env), spec.config.get("user")
    if user is not None:
        account = account_of(user)
        check_may_become(account)
        env, user = environment_as(account, env), account.pw_name
    limits, logs = spec.limits, spec.logs
    return Spawn(
        project=spec.project,
        service=spec.service,
        run=spec.run,
        argv=command.argv,
        env=env,
        cwd=command.cwd or spec.base_dir,
        user=user,
        stdin=command.stdin,
        prologue=command.prologue,
        tty=command.tty,
        limits=KeeperLimits(nofile=limits.nofile, memory=limits.memory, cpu=limits.cpu, pids=limits.pids),
        logs=KeeperLogSettings(max_size=logs.max_size, keep=logs.keep, merge=logs.merge),
        labels={**spec.labels, MADE_BY: "process"},
        spec=spec_to_json(spec),
    )


def _explained(error: SpawnRefused, spec: LaunchSpec) -> LaunchFailed:
    failure = refusal(error)
    user = spec.config.get("user")
    if failure.hint is None and user is not None and error.kind in ("not-executable", "bad-cwd"):
        failure.hint = f"user {str(user)!r} must be able to enter every folder on the way to it: look at `namei -l`"
    return failure


def _check_certainly_gone(run: str, state: HandleState | None) -> None:
    """Raise Unreachable when the process of a run still lives although the keeper has forgotten it."""
    if state is None:
        return
    stored = Identity(state.data["pid"], state.data["start_ticks"], state.data["boot_id"])
    process = find(stored.pid)
    if process is not None and process.identity == stored:
        raise Unreachable(
            f"{process} of run {run} still lives, but the keeper knows nothing of it any more",
            hint=f"end it yourself (`kill {stored.pid}`); until then no second copy is started",
        )


def _found(info: RunInfo) -> Found:
    return Found(info.project, info.service, info.run, ref=f"pid {info.pid}", state=state_of(info), spec=info.spec)
