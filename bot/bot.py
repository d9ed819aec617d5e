"""The running bot: its parts and its life, and what the control channel asks of it.

Put together in `bot/main.py`. All methods are called from the event loop's thread; what blocks goes
to worker threads.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import asdict
from typing import Any

import psutil

from bot.composition import open_vectors
from bot.config import Config, read_config
from bot.control import Control
from bot.ending import End, end_of
from bot.erasing import Erasing
from bot.errands import Errands
from bot.feedback import Scoring, score_by_the_hour, scoring_of
from bot.healing import Healing
from bot.intake import BATCH, Intake
from bot.jobs import building_memory
from bot.logs import Logs, log_trace
from bot.messages import Trace
from bot.order_desk import OrderDesk
from bot.patience import patiently
from bot.pipeline import Pipeline, settings_in
from bot.platforms.discord import DiscordPlatform
from bot.platforms.discord_connection import NO_INVITATION, ONLINE
from bot.platforms.local import PERSONA_ID, LocalPlatform
from bot.platforms.platform import LoginsUsedUpError, Platform, wall_clock_ms
from bot.playground import Conversation, told
from bot.protocol import ExitCode
from bot.rehearsal_plan import Wanted
from bot.rehearsal_stage import Parts
from bot.rehearsals import Rehearsals
from bot.resting import Resting
from bot.schedule import back_up_by_schedule
from bot.serving import Serving
from bot.style import Style, making_style_card
from storage.database import Database
from storage.errors import MynahError
from storage.paths import Home
from storage.records import ChannelRecord, MemberRecord, community_name
from storage.settings import Settings, Value
from storage.verdict_store import LIVE

log = logging.getLogger(__name__)

DAY_MS = 24 * 60 * 60 * 1000
KEPT_MS = 31 * DAY_MS
"""How long verdicts and statistics are kept."""

MINUTE_S = 60.0
DRAIN_S = 5.0
"""How long a reply that is being written may still take when the bot is asked to stop."""
CLOSE_S = 1.5
"""How long going offline may take after that; the network may be gone."""

PERIODS = {"24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS}


class Bot:
    """One home's bot on Discord. `run` lives until somebody ends it or something final happens."""

    def __init__(
        self,
        home: Home,
        database: Database,
        config: Config,
        token: str,
        logs: Logs,
        on_end: Callable[[End], None] = lambda end: None,
    ) -> None:
        """Opens nothing. Everything handed in is closed by whoever opened it.

        `on_end` is called when the bot begins to end.
        """
        self.home = home
        self.database = database
        self.platform: DiscordPlatform
        self.pipeline: Pipeline
        self.intake: Intake
        self._config = config
        self.serving = Serving(home, database, lambda: self.settings)
        self._token = token
        self._logs = logs
        self._control = Control(home.data_storage, self)
        self._phase = "loading"
        self._talk: Conversation | None = None
        self._pipelines: tuple[Pipeline, ...] = ()
        """Both, once the model is loaded."""
        self._began_s = time.monotonic()
        self._changing = asyncio.Lock()
        """One change of the settings at a time: the last one that was read counts."""
        self._on_end = on_end
        self._end: End | None = None
        self._ending: asyncio.Future[None]
        self._small_tasks: set[asyncio.Task[None]] = set()
        self._errands: Errands
        self._rehearsals: Rehearsals
        self._erasing = Erasing(home, database)
        self._resting = Resting(home.data_storage, self.serving.keeper)
        self.scoring: Scoring
        self._style = Style(home, database)
        self._channel_rows: Mapping[int, Mapping[str, str]] = {}
        """What counts in single channels instead of the settings."""

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> End:
        """Open the control channel, load the model, live on Discord until the end.

        Where that comes while the model is loading, its thread is left behind.
        """
        self._ending = asyncio.get_running_loop().create_future()
        endpoint = await self._control.start()
        self._logs.keep_secret(endpoint.key)
        try:
            await self._load_and_live()
        finally:
            self.end(End(ExitCode.CRASHED, "Mynah's bot went down; the log says more."))
            end = self._end or End(ExitCode.CRASHED)
            log.info("The bot ends. %s", end.reason, extra={"code": int(end.code)})
            await self._control.close(end.code, end.reason)
        return end

    def end(self, end: End) -> None:
        """Begin to end. The first one that says so is heard, but who stops a restart, too."""
        is_stop = end.code is ExitCode.DONE
        if self._end is None or (is_stop and self._end.code is ExitCode.RESTART):
            self._end = end
            self._on_end(end)
        if not self._ending.done():
            self._ending.set_result(None)

    async def _load_and_live(self) -> None:
        loading = asyncio.create_task(self._load())
        await _first_of(loading, self._ending)
        try:
            if self._ending.done():
                loading.cancel()
                return
            try:
                loading.result()
            except MynahError as error:
                self.end(end_of(error))
                return
            self._put_together()
            await self._live()
        finally:
            is_in_order = self._end is not None and self._end.code is not ExitCode.CRASHED
            leaving = [asyncio.to_thread(self.serving.trial.leave)] if is_in_order else []
            await _within(CLOSE_S, *leaving, self.serving.close())

    async def _load(self) -> None:
        try:
            await asyncio.to_thread(self._style.read)
        except MynahError as error:  # the persona stands without the card
            log.warning("The style card is not used. %s", error)
        self._channel_rows = await patiently(self.database.channel_config_rows)
        self.scoring = await asyncio.to_thread(scoring_of, self.home, self.database)
        await self._resting.follow()
        await self.serving.load()

    def _put_together(self) -> None:
        self._errands = Errands(self.home, self.database, lambda: self.settings, self._forget)
        desk = OrderDesk(self, self._errands)
        self.platform = DiscordPlatform(
            settings=lambda: self.settings,
            tell=lambda one: None if self._rehearsals.takes(one) else desk.tell(one),
            read_until=self._read_until,
            count_identify=self._count_identify,
            on_phase=self._enter,
            orders=desk.orders,
        )
        local = LocalPlatform(server=community_name(self.database.channels()), label="window")
        self.pipeline = self._pipeline(self.platform)
        playground = self._pipeline(local, transcript_since_ms=local.started_ms)
        self._talk = Conversation(playground, self.database)
        self._pipelines = (self.pipeline, playground)
        self.serving.read_for(*self._pipelines)
        self._rehearsals = Rehearsals(
            self.home,
            self.serving.keeper,
            self.platform,
            self._rehearsal_parts,
            soon=self.soon,
            tell=self._control.tell,
            yield_to=lambda: self.intake.drained(),
        )
        self.intake = Intake(
            self.pipeline,
            self.database,
            ended=self._note_trace,
            failed=self._note_error,
            forget=self._forget,
            unquote=self._unquote,
            rights_changed=self._note_rights,
            heard=self._rehearsals.hear,
            scoring=self.scoring,
        )

    def _rehearsal_parts(self) -> Parts:
        return Parts(
            database=self.database,
            lender=self.serving.keeper,
            recall=self.serving.recall,
            style=self._style,
            settings=self.settings,
            channel_rows=self._channel_rows,
            own_id=self.platform.own_id or PERSONA_ID,
        )

    def _pipeline(self, platform: Platform, transcript_since_ms: int = 0) -> Pipeline:
        pipeline = Pipeline(
            database=self.database,
            model=self.serving.keeper,
            recall=self.serving.recall,
            platform=platform,
            settings=self.settings,
            style=self._style,
            transcript_since_ms=transcript_since_ms,
        )
        pipeline.channel_rows = self._channel_rows
        return pipeline

    async def _live(self) -> None:
        """Take in and answer until the end; then let what is being written be finished."""
        discord = asyncio.create_task(self.platform.run(self._token))
        fetching = self._errands.fetch_by_schedule(self.platform.history)
        backups = back_up_by_schedule(self.home, lambda: self.settings, self._errands.run_job)
        healing = Healing(
            self.serving.recall,
            lambda: open_vectors(self.home, self.settings),
            lambda: self._errands.run_job("memory", building_memory(self.home)),
        ).run()
        lasting = (
            *(self.intake.run(), self._keep_house(), self.serving.run()),
            self._rehearsals.run(),
            self._resting.run(),
            score_by_the_hour(self.scoring),
        )
        style = self._style.run(
            self._read_anew,
            lambda: self._errands.run_job("style", making_style_card(self.home)),
        )
        personas = self._style.files.watch(self._read_anew)
        works = (*lasting, fetching, backups, healing, style, personas, self._erasing.run())
        self.soon(self._read_what_was_said())
        others = [asyncio.create_task(work) for work in works]
        self._control.ready()
        try:
            await _first_of(discord, self._ending, *others)
            for task in (discord, *others):
                if task.done() and not self._ending.done():
                    self.end(_end_of(task))
        finally:
            await self._wind_up(discord, others)

    async def _read_what_was_said(self) -> None:
        """Have the model read the transcripts of before the start, while nobody asks yet."""
        limit = self.settings.whole("channels_read_along")
        ids = await patiently(self.database.channels_in_context, limit)
        channels = {c.channel_id: c for c in await patiently(self.database.channels)}
        for channel in [channels[i] for i in reversed(ids) if i in channels]:
            if channel.is_allowed:
                self.pipeline.reader.note(channel)

    async def _wind_up(self, discord: asyncio.Task[None], others: list[asyncio.Task[None]]) -> None:
        """Close everything, within about DRAIN_S + 2 x CLOSE_S whatever hangs."""
        self.platform.stop_listening()
        closing = (self._errands, self._erasing, self._rehearsals)
        await _within(DRAIN_S, self.intake.drained(), *(one.close() for one in closing))
        for task in others:
            task.cancel()
        for pipeline in self._pipelines:
            await pipeline.reader.close()
        await _within(CLOSE_S, self.platform.close())
        discord.cancel()
        await asyncio.wait({discord, *others}, timeout=CLOSE_S)

    def _enter(self, phase: str) -> None:
        if phase == NO_INVITATION:
            phase = f"{phase}: {self.platform.invite_url()}"
        if phase != self._phase:
            log.info("Now: %s.", phase)
            self._phase = phase
            self._control.vitals_changed()

    async def _keep_house(self) -> None:
        """Every minute: how long it was up; and what is old goes."""
        since_s = time.monotonic()
        while True:
            await asyncio.sleep(MINUTE_S)
            now_s = time.monotonic()
            if self._phase == ONLINE:
                # A laptop that slept was not up.
                up_s = min(now_s - since_s, 2 * MINUTE_S)
                await self._count("up_s", up_s)
            since_s = now_s
            try:
                await asyncio.to_thread(self._take_away_what_is_old)
            except MynahError as error:
                log.warning("What is old is still kept. %s", error)

    def _take_away_what_is_old(self) -> None:
        before_ms = wall_clock_ms() - KEPT_MS
        self.database.trim_verdicts(before_ms)
        self.database.trim_statistics(before_ms)
        self.database.trim_rehearsed(before_ms)

    # -- what the platform asks ---------------------------------------------------------------

    async def _read_until(self, channel_id: int) -> int | None:
        return await patiently(self.database.cursor, LIVE, channel_id)

    async def _count_identify(self) -> None:
        """Before each login to the gateway: none is made uncounted. Raises LoginsUsedUpError."""
        now_ms = wall_clock_ms()
        made = await patiently(self.database.statistics_since, "identify", now_ms - DAY_MS)
        allowed = self.settings.whole("identifies_a_day")
        if len(made) >= allowed:
            frees_ms = made[len(made) - allowed][0] + DAY_MS
            raise LoginsUsedUpError(allowed, (frees_ms - now_ms) / 1000)
        await patiently(self.database.add_statistic, "identify", 1.0, now_ms)

    # -- counting -----------------------------------------------------------------------------

    def _note_trace(self, trace: Trace) -> None:
        log_trace(trace)
        if trace.error:
            self._note_error()
        elif trace.sent is not None:
            self.serving.trial.note_reply()

    def _note_error(self) -> None:
        self.soon(self._count("error", 1.0))

    async def _count(self, name: str, value: float) -> None:
        try:
            await asyncio.to_thread(self.database.add_statistic, name, value, wall_clock_ms())
        except MynahError as error:
            log.warning("A figure was not kept. %s", error)

    def soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside everything else; what goes wrong in it is logged."""
        task = asyncio.create_task(work)
        self._small_tasks.add(task)
        task.add_done_callback(self._small_task_done)

    def _small_task_done(self, task: asyncio.Task[None]) -> None:
        self._small_tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Something beside the conversation failed.", exc_info=error)

    # -- settings -----------------------------------------------------------------------------

    @property
    def settings(self) -> Settings:
        """What counts now: stored, with the environment on top."""
        return self._config.settings

    async def set_setting(self, name: str, text: str) -> Value:
        """Store a setting and apply it. Raises SettingError with the range."""
        async with self._changing:
            value = await asyncio.to_thread(self.database.set_config, name, text)
            await self._read_settings()
        return value

    async def set_in_channel(self, channel_id: int, name: str, text: str | None) -> Settings:
        """Give a channel a value of its own, or None: take it away. Returns what counts there now.
        Raises SettingError."""
        async with self._changing:
            await asyncio.to_thread(self.database.set_channel_config, channel_id, name, text)
            await self._read_settings()
        return await asyncio.to_thread(self.settings_in, channel_id)

    def settings_in(self, channel_id: int) -> Settings:
        """What counts in a channel. Blocking."""
        channel = self.database.channel(channel_id) or ChannelRecord(channel_id, 0, "", "")
        return settings_in(channel, self.settings, self._channel_rows)

    def personas(self) -> list[str]:
        """The persona files that there are."""
        return self._style.files.names()

    def persona_in(self, channel: ChannelRecord) -> str:
        """For people: which of them counts in a channel."""
        settings = settings_in(channel, self.settings, self._channel_rows)
        return self._style.told(settings, channel)

    async def reload(self) -> None:
        """Read the settings again; live ones count from the next message on."""
        async with self._changing:
            await self._read_settings()

    async def _read_settings(self) -> None:
        before = self.settings
        self._config = await asyncio.to_thread(read_config, self.home, self.database)
        for warning in self._config.warnings:
            log.warning("%s", warning)
        self._logs.set_level(self.settings.text("log_level"))
        self._channel_rows = await asyncio.to_thread(self.database.channel_config_rows)
        for pipeline in self._pipelines:
            pipeline.settings = self.settings
            pipeline.channel_rows = self._channel_rows
        if self._pipelines:
            self._rehearsals.note_settings()
        self._read_anew()  # the persona may be another
        self.serving.note_settings()
        is_elsewhere = before.listed_channels() != self.settings.listed_channels()
        if self._pipelines and is_elsewhere:
            await self.platform.rescan()

    def _read_anew(self) -> None:
        for pipeline in self._pipelines:
            pipeline.reader.read_anew()

    # -- what the control channel asks --------------------------------------------------------

    @property
    def phase(self) -> str:
        return self._phase

    async def stats(self) -> Mapping[str, Any]:
        summaries = await asyncio.to_thread(self.summaries)
        is_up = bool(self._pipelines)
        return {
            "phase": self._phase,
            "uptime_s": round(time.monotonic() - self._began_s, 1),
            "lag_p99_ms": self._control.lag.lag().p99_ms,
            "memory_bytes": psutil.Process().memory_info().rss,
            "model": self.serving.keeper.name,
            "serving": self.serving.status(),
            "personas": self._style.files.states(self._personas_named()),
            "waiting": self.intake.waiting if is_up else 0,
            "discord": self.platform.status() if is_up else {},
            "statistics": {name: asdict(one) for name, one in summaries.items()},
        }

    def _personas_named(self) -> set[str]:
        """The persona files that the settings and those of the channels name."""
        rows = self._channel_rows.values()
        return {self.settings.text("persona_file"), *(row.get("persona_file", "") for row in rows)}

    def summaries(self) -> Mapping[str, Any]:
        """The figures of 24 hours, 7 and 30 days. Blocking."""
        now_ms = wall_clock_ms()
        return {
            name: self.database.summary(now_ms - span_ms, now_ms)
            for name, span_ms in PERIODS.items()
        }

    async def say(self, text: str, *, again: bool, fresh: bool) -> Mapping[str, Any]:
        if self._talk is None:
            raise MynahError("The model is still being loaded; ask again in a moment.")
        if fresh:
            await self._talk.clear()
        trace = await (self._talk.again() if again else self._talk.say(text))
        log_trace(trace)
        answer = told(trace)
        return {**answer, "trace": {**answer, "model": self.serving.keeper.name}}

    async def stop(self, reason: str) -> None:
        self.end(End(ExitCode.DONE, reason or "Stopped."))

    async def restart(self) -> None:
        self.end(End(ExitCode.RESTART, "Restarting, as asked."))

    async def deploy(self, version_id: str, force_by: str, force_why: str) -> None:
        """Have a version of the model answer from now on. Raises MynahError where it cannot, or has
        not passed what is asked of it, and then what answered before does."""
        await self.serving.deploy(version_id, force_by, force_why)
        if not await patiently(self.database.how_rehearsed, version_id):
            log.warning(
                "%s was not rehearsed: python scripts/rehearse.py run shows what it would say.",
                version_id,
            )

    async def follow(self) -> None:
        """Have what the settings and the registry name now answer."""
        await self.serving.follow()

    async def rest(self) -> bool:
        """Give the model's memory to a training, or have it back; whether it rests now."""
        return await self._resting.follow()

    def quieten(self, channel_id: int, until_ms: int) -> None:
        """Say nothing in the channel until then."""
        self.pipeline.quieten(channel_id, until_ms)
        self._rehearsals.quieten(channel_id, until_ms)

    async def rehearse(self, wanted: Wanted) -> None:
        """Rehearse recorded channels in silence; returns at the end. Raises MynahError."""
        if not self._pipelines:
            raise MynahError("The model is still being loaded; ask again in a moment.")
        await self._rehearsals.replay(wanted)

    async def stop_rehearsal(self) -> None:
        """End a rehearsal that is going on."""
        if self._pipelines:
            self._rehearsals.stop_replay()

    async def exclude(self, member_id: int, is_excluded: bool) -> None:
        """At once: what they said is in no transcript any more."""
        await patiently(self._exclude, member_id, is_excluded)
        self._leave_out(member_id, is_excluded)
        if is_excluded:
            await self.drop_words_of(member_id)

    def _leave_out(self, member_id: int, is_excluded: bool) -> None:
        for pipeline in self._pipelines:
            pipeline.exclude(member_id, is_excluded)
        if self._pipelines:
            self._rehearsals.exclude(member_id, is_excluded)

    async def drop_words_of(self, member_id: int) -> None:
        """Nothing they said up to now is in a transcript, the persona or a cache any more."""
        if self._style.exclude(member_id):
            self._forget_persona()
        # First what was judged before and may be on its way into a transcript just now.
        self._forget(await patiently(self._said_lately, member_id))
        self._forget(await patiently(self.database.drop_context_of_author, member_id))

    def _exclude(self, member_id: int, is_excluded: bool) -> None:
        """Somebody may be left out before they said anything."""
        if self.database.member(member_id) is None:
            name = f"member {member_id}"
            self.database.upsert_members([MemberRecord(member_id, name, name, False, is_excluded)])
        self.database.set_excluded(member_id, is_excluded)

    def _said_lately(self, member_id: int) -> set[int]:
        ids: set[int] = set()
        for channel in self.database.channels():
            recent = self.database.recent_messages(channel.channel_id, BATCH)
            ids.update(m.message_id for m in recent if m.author_id == member_id)
        return ids

    async def forget(self, member_id: int) -> None:
        """At once: a member who is being forgotten stands in no transcript and no cache any more,
        and what they say is not read. The database knows already; what is derived follows."""
        pending = await patiently(self.database.erasures)
        self._leave_out(member_id, True)
        if self._pipelines:
            self._rehearsals.forget_member(member_id)
        for one in pending:
            if one.member_id == member_id:
                self._forget(one.message_ids)
                await patiently(self.database.drop_context, one.message_ids)

    def _forget_persona(self) -> None:
        for pipeline in self._pipelines:
            pipeline.reader.forget_persona()
        if self._pipelines:
            self._rehearsals.forget_persona()

    def _unquote(self, message_ids: Collection[int]) -> None:
        """The persona quotes these no more."""
        if self._style.forget(message_ids):
            self._forget_persona()

    def _note_rights(self) -> None:
        """Who may read which channel is different now."""
        if self._style.note_rights():
            self._forget_persona()

    def _forget(self, message_ids: Collection[int]) -> None:
        self._unquote(message_ids)
        for pipeline in self._pipelines:
            pipeline.forget(message_ids)
        if self._pipelines:
            self._rehearsals.forget(message_ids)
        self._erasing.soon()

    async def verdicts(self, limit: int) -> list[dict[str, Any]]:
        rows = await asyncio.to_thread(self.database.verdicts, limit)
        return [asdict(row) for row in rows]


async def _first_of(*waited_for: asyncio.Future[Any]) -> None:
    await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)


async def _within(seconds: float, *works: Coroutine[Any, Any, None]) -> None:
    """Do these side by side; what is not done in time is cancelled, and what fails is logged."""
    tasks = [asyncio.create_task(work) for work in works]
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        if not task.done():
            task.cancel()
        elif not task.cancelled() and (error := task.exception()) is not None:
            log.error("Something could not be closed.", exc_info=error)


def _end_of(task: asyncio.Task[None]) -> End:
    """What it means that one of the bot's lasting tasks ended. Raises what is not foreseen."""
    try:
        task.result()
    except MynahError as error:
        return end_of(error)
    return End(ExitCode.CRASHED, "The connection to Discord ended by itself.")
