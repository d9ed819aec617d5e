"""Who may hear what was said elsewhere: in which channels a channel's words may come up again."""

from __future__ import annotations

from storage.records import ChannelRecord, Readers

_ANYBODY = Readers(everyone=True)


def may_be_recalled_in(source: ChannelRecord, target: ChannelRecord) -> bool:
    """Whether all who may read `target` may surely read `source`, by what is stored of both.

    A channel's own words may come up in it and in its threads; a thread's in its channel and in the
    other threads there, unless it is private or nobody said what it is. Elsewhere both must be of
    one server, and nobody who reads the target may be kept out of the source; where the target's
    readers are not known, they may be anybody. Whoever asks in the target reads it by that.
    """
    if source.channel_id in (target.channel_id, target.parent_id):
        return True
    if source.readers is None or source.readers.is_private:
        return False
    if source.parent_id is not None and source.parent_id in (target.channel_id, target.parent_id):
        return True
    is_one_server = source.guild_id == target.guild_id
    return is_one_server and source.readers.includes_all(target.readers or _ANYBODY)


def may_be_quoted_in(source: ChannelRecord | None, target: ChannelRecord) -> bool:
    """The same for the style card's exchanges, which are of the common rooms alone: where nobody
    said who reads the source, they may be."""
    if source is None or source.readers is None:
        return True
    return may_be_recalled_in(source, target)
