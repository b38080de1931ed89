"""The JSON that each command prints with `--json`: every key, and what it says. Stable: keys are added, not changed.

`docs/cli.md` is generated from this table, and a test holds the commands to it. `a.b` is a key in an object, `a[].b` one in
the objects of a list, `{name}` stands for any name.
"""

from __future__ import annotations

from typing import get_args

from ctxwindow.tiers.policy import Method

__all__ = ["ERROR", "JSON"]

_COUNT = {
    "model": "the model counted for",
    "input_tokens": "tokens of the request; all that counts",
    "low": "it is at least that",
    "high": "and at most that",
    "source": "`exact`, `anchored` (exact up to the last reply, the rest estimated) or `estimated`",
    "doubt": "why the size that the API last reported is not believed, or null; `low` and `high` hold that size too",
    "window": "tokens of the model's context window",
    "max_output": "tokens a reply may have",
    "free": "`window` - `input_tokens`",
    "by.system": "tokens of the system prompt",
    "by.tools": "of tool definitions",
    "by.messages": "of texts, calls and results",
    "by.thinking": "of thinking that counts",
    "by.images": "of images",
    "by.documents": "of documents",
    "by.overhead": "of everything else: the sum of `overheads`. `input_tokens` is the sum of `by`",
    "overheads.{name}": "tokens of frames and hidden prompts, by name; `unseen`: system prompt and tools of a session, "
    "which its file does not hold; `placeholders`: what stands for cleared blocks; `unexplained`: what the API reported "
    "beyond the parts; `correction`: what its reports teach about the estimates since",
    "not_counted.{rule}": "tokens that are sent and do not count, by the rule behind that",
    "blocks[].path": "with `--blocks`: where the block stands (`messages.3.content.1`)",
    "blocks[].kind": "its type",
    "blocks[].tokens": "tokens it has, whether or not they count",
    "blocks[].disposition": "`counted`, or why it does not count: `stripped`, `cleared`, `expired`, `compacted`, `dropped`, "
    "`unreadable`, `ignored`, `outside`, `deferred`",
    "blocks[].rule": "the rule behind that",
    "blocks[].exact": "whether its tokens are exact",
}

_FINDING = {
    "rule": "id of the rule, as in [rules](rules.md)",
    "path": "where it is broken (`messages.3.content.1`)",
    "message": "what is wrong, as the API would say it where that is documented",
    "remedy": "what to do",
}

_CHECK = {
    "ok": "whether no rule is broken that the API answers with an error",
    **{f"violations[].{key}": text for key, text in _FINDING.items()},
    **{f"warnings[].{key}": text for key, text in _FINDING.items()},
    "thinking[].path": "with `--previous`: a thinking block",
    "thinking[].valid": "whether it stands behind the same conversation as when it was created",
    "thinking[].reason": "why not, or a remark, or null",
    "thinking[].state": "`valid`, `stale` (what stands before it changed), `missing_predecessor` (the thinking before it was "
    "left out), `unreadable` (by this model), `unknown` (the request before does not tell) or `ignored` (a compaction "
    "block follows)",
    "thinking[].kind": "what changed before it, in the API's words (BIND-07), or null",
    "thinking[].pattern": "how, as far as one look tells, or null",
    "thinking[].rule": "the rule behind `state`, or null",
    "model": "the model checked for",
    "messages": "messages in the request",
    "notes[]": "what the reader mended, left out or could not know",
    "fix.path": "with `--fix`, else `fix` is null: where the repaired body was written",
    "fix.ok": "whether it breaks no rule",
    "fix.repairs[].what": "one change, in the order in which they were made",
    "fix.repairs[].rule": "the rule that asked for it",
    "fix.repairs[].path": "where it stood in FILE",
    "fix.repairs[].why": "why it had to be done",
    **{f"fix.violations[].{key}": f"still wrong: {text}" for key, text in _FINDING.items()},
}

_ROW = {
    "number": "number of the request, from 1",
    "turn": "number of its turn, from 1",
}

_REQUEST = {
    **_ROW,
    "model": "the model it went to",
    "forecast": "tokens expected before it was sent",
    "low": "lower bound of that",
    "high": "upper bound of that",
    "source": "how the forecast was made; as for `count`",
    "actual": "tokens the API reported, or null where it did not or they are doubted",
    "error": "(forecast - actual) / actual, or null where there is nothing to compare",
    "read": "tokens read from the cache",
    "written": "tokens written to the cache",
    "uncached": "tokens neither read nor written",
    "output": "tokens of the reply where the recording knows the final number, or null",
    "cost": "dollars by recorded usage, or null",
    "cost_forecast": "dollars expected for its prompt before it was sent, or null",
    "cost_error": "(forecast - actual) / actual of the prompt's dollars, or null where there is nothing to compare",
    "by.{category}": "what filled it, as for `count`",
    "after_compaction": "whether the client that recorded it had just compacted",
    "doubt": "why the recorded usage is not believed, or null",
}

_PAYBACK = {
    "without": "dollars for a prompt without it, read from the cache, or null where no price is known",
    "first": "dollars for the first prompt after it, written anew where it changed, or null",
    "then": "dollars for each later one, or null",
    "paid": "dollars for the edit itself; 0: not known",
    "sends": "after so many requests it has cost no more than none would have; null: never, or no price is known",
}

_GROUP = {
    "name": "its name",
    "items": "requests of a turn; blocks of a tool or kind",
    "tokens": "tokens billed for a turn, prompts again with each request; tokens of the blocks, once",
    "prompt": "dollars as a part of prompts",
    "output": "dollars for generating it",
    "dollars": "all together",
    "unknown": "requests of a turn of which something is not known",
}

_SPENDING = {
    "dollars": "all that is known to be charged, or null",
    "by.{what}": "dollars by what was bought: `uncached`, `read`, `written_5m`, `written_1h`, `output`; `compaction`, "
    "`advisor_message`, `web_search`. `dollars` is the sum",
    "thinking": "the part of `by.output` that was thinking, or null where no usage tells it",
    "unpriced": "requests whose cost is not known at all",
    "unknown.{what}": "requests of which this is not in the cost: a field of the usage, or words",
    "forecast_error": "median absolute error of the forecasts of the cost of prompts, as a share, or null",
    **{f"turns[].{key}": f"each turn: {text}" for key, text in _GROUP.items()},
    **{f"tools[].{key}": f"each tool, the dearest first: {text}" for key, text in _GROUP.items()},
    **{f"kinds[].{key}": f"each kind of block, the dearest first: {text}" for key, text in _GROUP.items()},
    "edits[].send": "each compaction by the client that recorded it: the first request after it",
    "edits[].before": "tokens of the request before it",
    "edits[].after": "tokens of the first one after it",
    **{f"edits[].payback.{key}": text for key, text in _PAYBACK.items()},
    "edits[].sent": "requests since, that one included",
}

_BLOCK = {
    "path": "the block (`messages.3.content.1`, messages of the thread counted from 0), or the name of what is no block",
    "kind": "its type; `system`, `tool` for a definition, `overhead` for what is no block",
    "tool": "the tool that it is a call, a result or the definition of, or null",
    "tokens": "in the last request that carried it",
    "sends": "requests that carried it",
    "prompt": "dollars as a part of prompts",
    "output": "dollars for generating it",
    "dollars": "both",
}

_INSPECT = {
    "path": "the file",
    "format": "`claude_code`, `request` or `messages`",
    "thread": "id of the thread that is shown",
    "threads[].id": "every thread of the file",
    "threads[].sidechain": "whether it is a subagent's",
    "threads[].steps": "its messages",
    "models.{model}": "requests by model",
    "messages": "messages",
    "turns": "turns",
    "rounds": "replies with tool calls",
    "compactions": "compactions by the client that recorded it",
    "sidechains": "threads of subagents",
    "window[]": "tokens of each request: as reported, else as forecast",
    "peak": "the largest of them",
    "by.{category}": "what fills the last one, as for `count` (estimated)",
    "cost": "dollars by recorded usage, or null",
    "cache_hit_ratio": "share of the prompt tokens read from the cache, or null",
    "accuracy.compared": "forecasts that could be compared",
    "accuracy.median": "median absolute error, as a share, or null",
    "accuracy.p95": "95th percentile of the absolute error, or null",
    "accuracy.within_bounds": "share of the actual sizes between `low` and `high`, or null",
    "notes[]": "what the reader mended, left out or could not know",
    **{f"requests[].{key}": f"with `--forecast`: {text}" for key, text in _REQUEST.items()},
    "next.tokens": "with `--forecast`: tokens of one more request, without what will be new; `next` is null where none was sent",
    "next.warm": "with `--forecast`: dollars for its prompt with the last one in the cache, or null",
    "next.cold": "with `--forecast`: the same with nothing in it, or null",
    **{
        f"next.halving.{key}": f"with `--forecast`: bringing it down to half, or null where system prompt and tools are more: {text}"
        for key, text in _PAYBACK.items()
    },
    **{f"spending.{key}": f"with `--cost`: {text}" for key, text in _SPENDING.items()},
    **{f"blocks[].{key}": f"with `--blocks`: {text}" for key, text in _BLOCK.items()},
}

_SEND = {
    **_ROW,
    "epoch": "number of its epoch, from 0",
    "window": "tokens it occupies",
    "low": "at least",
    "high": "at most",
    "source": "as for `count`",
    "unmanaged_window": "tokens it would have without management",
    "edits[].method": f"a method of the policy ({', '.join(f'`{name}`' for name in get_args(Method))}); `restart`, where the "
    "next model cannot take the server's compaction; `switch`, what another model cannot read; `pin`, what was pinned and has "
    "no share of the room",
    "edits[].first": "index of the first message it touches",
    "edits[].end": "index after the last",
    "edits[].freed": "tokens it frees",
    "edits[].why": "why it is made",
    "cost": "modelled dollars, reply included, or null where no price is known",
    "unmanaged_cost": "the same without management",
    "read": "tokens read from the cache, modelled",
    "valid": "whether it breaks no rule",
    "violations[]": "rule and path of each that it breaks",
    "actual": "tokens the API reported where this very request was recorded, or null",
    "survival.used": "identifiers the reply uses that appeared before",
    "survival.on_wire": "of these, present in the request",
    "survival.recallable": "of these, present in the request or found in the record",
    "thinking.kept": "thinking blocks that the model reads, of those that it would read without management",
    "thinking.lost": "those it does not read",
}

_TOTALS = {
    "model": "the model it ran on",
    "messages": "messages in the record",
    "sends": "requests",
    "turns": "turns",
    "cost": "modelled dollars, those for summaries included, or null",
    "summaries_cost": "the part of it that was paid for summaries and compactions, or null",
    "unmanaged_cost": "the same without management",
    "cost_ratio": "`cost` / `unmanaged_cost`, or null",
    "overflows": "1 when a request could not be made to fit, which ends the replay",
    "violations": "rules broken by the requests",
    "epochs": "epochs",
    "compactions": "summaries",
    "spills": "results kept outside the window",
    "edits.{method}": "edits by that method",
    "thinking_kept": "thinking blocks that the model read, over all requests, of those that it would read without management",
    "thinking_lost": "those it did not read",
    "thinking_blocks": "distinct thinking blocks that some request would have read without management",
    "thinking_blocks_lost": "of these, those that were missing from at least one such request",
    "window_mean": "tokens of a request, on the mean",
    "peak_window": "tokens of the largest request",
    "unmanaged_peak": "the same without management",
    "cache_hit_ratio": "share of the prompt tokens read from the cache, modelled",
    "reference_survival": "share of identifiers used again that were present in the request, 1 where no reply used one, null where nothing was sent",
    "reference_survival_recallable": "share present in the request or recallable, or null likewise",
    "lossless": "whether everything that was fed reads back equal",
    "refused": "messages of the recording that the API would refuse; not fed, named in `notes`",
    "laws.{law}": "laws that the run checked on itself, and whether they held",
}

_COLUMN = {
    "kind": "`baseline` or `policy`",
    "name": "`unmanaged`, `threshold`, `sliding` (with its budget where there are several), or the policy as it was named",
    "sends": "requests",
    "cost": "modelled dollars, those for summaries included, or null",
    "summaries_cost": "the part of it that was paid for summaries and compactions, or null",
    "cost_ratio": "`cost` to that of `unmanaged`, or null, as where a replay ended early",
    "threshold_ratio": "`cost` to that of `threshold`, or null",
    "overflows": "requests that do not fit; the first ends the replay of a policy",
    "violations": "rules broken by the requests; those of a baseline are not checked",
    "edits.{method}": "edits by that method; `slide` where the start of a sliding window moves",
    "epochs": "runs of requests that only grow at their end",
    "cache_hit_ratio": "share of the prompt tokens read from the cache, modelled",
    "thinking_kept": "thinking blocks that the model reads, over all requests, of those that it would read without management",
    "thinking_lost": "those it does not read",
    "thinking_blocks": "distinct thinking blocks that some request would have read without management",
    "thinking_blocks_lost": "of these, those that are missing from at least one such request",
    "window_mean": "tokens of a request, on the mean",
    "window_peak": "tokens of the largest, one that is only compacted included",
    "used": "identifiers that replies use and that had appeared before",
    "on_wire": "of these, present in the request",
    "recallable": "of these, present in the request or recallable; a baseline can recall nothing",
    "reference_survival": "`on_wire` / `used`, 1 where that is 0, null where nothing was sent",
    "reference_survival_recallable": "`recallable` / `used`, 1 where that is 0, null where nothing was sent",
}

_OVERFLOW = {
    "error": "`WindowOverflow`",
    "message": "what does not fit",
    "rule": "the rule",
    "path": "null",
    "remedy": "what to do",
    "need": "tokens of the smallest request that could be sent, output included",
    "limit": "tokens of the budget",
    "floor.{part}": "tokens of the parts that cannot shrink",
}

_REPLAY = {
    "path": "the file",
    "thread": "id of the thread that was replayed",
    **{f"sends[].{key}": text for key, text in _SEND.items()},
    **{f"totals.{key}": text for key, text in _TOTALS.items()},
    "notes[]": "what the reader mended, left out or could not know",
    **{f"overflow.{key}": f"null, or what ended the replay: {text}" for key, text in _OVERFLOW.items()},
}

_REPLAYS = {
    **_REPLAY,
    "model": "with several policies: the model that the session begins on",
    "turns": "with several policies: turns",
    **{
        f"columns[].{key}": f"with several policies, in place of `sends`, `totals` and `overflow`: {text}"
        for key, text in _COLUMN.items()
    },
}

_DEMO = {
    **_REPLAY,
    "recall.query": "a text that a reply used after it had left the window; `recall` is null where there is none",
    "recall.path": "where a search found it",
    "recall.kind": "type of that block",
    "recall.message": "index of its message",
    "recall.lines[]": "the line that holds it, and its neighbours",
    "reopened_equal": "whether all messages read back equal from the database",
}

_EMULATE = {
    "url": "where it listens, for the `base_url` of a client; printed once, as soon as it does",
    "host": "the address in it",
    "port": "the port in it",
}

JSON: dict[str, dict[str, str]] = {
    "count": _COUNT,
    "check": _CHECK,
    "inspect": _INSPECT,
    "replay": _REPLAYS,
    "emulate": _EMULATE,
    "demo": _DEMO,
}
"""Command -> key -> what it says."""

ERROR = {
    "error": "name of the exception",
    "message": "what is wrong, one sentence, no content of the file",
    "rule": "id of the rule behind it, or null",
    "path": "where: file and line, file and message, option or key; or null",
    "remedy": "what to do, or null",
}
"""What is printed instead where the input cannot be used (exit code 2)."""
