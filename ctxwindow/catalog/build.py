"""Writing the shipped `models.json` from the facts file: `python -m ctxwindow.catalog.build SOURCE`.

The result depends on the facts file and `amendments` alone, byte for byte. A word or key of a model that is not
understood stops the build: a number that is silently left out would be a wrong number later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from ctxwindow.catalog import amendments
from ctxwindow.catalog.build_prices import RATES, prices
from ctxwindow.catalog.build_tables import tables
from ctxwindow.catalog.document import Document
from ctxwindow.catalog.lookup import names_of
from ctxwindow.errors import CtxwindowError, HistoryError

__all__ = ["build", "main"]

SCHEMA_VERSION = 1
SHIPPED = Path(__file__).with_name("models.json")

_PREFIX_CHECKS = {
    "none": "no",
    "default on for accounts created >= 2026-08-31; opt-in on older accounts": "new_accounts",
    "every account": "all_accounts",
    "CONFLICT: none (docs 2026-10-10) vs every account on listed platforms (docs 2026-11)": "conflict",
}
_INTERLEAVED = {
    "no": "no",
    "beta interleaved-thinking-2025-05-14": "beta",
    "automatic with adaptive": "adaptive",
    "automatic": "automatic",
}
_DISPLAY = {None: None, "full text (pre-summary)": "full", "summarized": "summarized", "omitted": "omitted"}
_PRIOR_TURNS = {"n/a (no thinking)": "none", "last_turn_only": "last_turn_only", "keep_all": "keep_all"}
_OFF_EFFORT_CAP = {None: None, "high": "high", "high (between_tools)": "high"}
_SAMPLING = {"accepted": True, "400 on non-default": False}
_OVER_WINDOW = {"accepted; stop_reason model_context_window_exceeded": True, "400 error": False}
_BETA_FLAG = {"beta": True, True: True, False: False}
_PLATFORM_IDS = {"bedrock_id", "bedrock_id_alt", "vertex_id", "foundry_id"}
# Section of a model's row -> the keys that this build reads or, with reason, leaves out: "rule" and "in_force" of a
# long-context price say in words what PriceTier and the dates in `amendments` say.
_KEYS: dict[str, set[str]] = {
    "lifecycle": {"state", "deprecated_on", "retires_on", "not_before", "retired_on", "replacement"},
    "context_window": {"default", "with_beta", "beta_header", "note"},
    "max_output": {"sync", "beta", "beta_header", "batch_300k_beta"},
    "thinking": {
        *("accepts", "when_omitted", "always_on", "display_default", "prior_turns_default", "interleaved"),
        *("effort_levels", "effort_default", "off_effort_cap"),
    },
    "thinking_binding": {"prefix_check", "account_bound", "reads_from"},
    "features": {
        *("context_editing", "compaction_20260112", "compaction_on_demand", "mid_conversation_system"),
        *("mid_conversation_tool_changes", "per_message_effort", "prefill", "context_awareness"),
        *("forced_tool_choice", "sampling_params", "task_budgets", "input_plus_max_tokens_over_window"),
    },
    "tool_prompt_tokens": {"auto_none", "any_tool"},
    "price": {*RATES, "batch_multiplier", "us_inference_multiplier", "fast", "long_context", "inferred_unconfirmed"},
}
_ROW_KEYS = {
    *("id", "display_name", "line", "released", "aliases", *_PLATFORM_IDS, *_KEYS),
    *("cache_min_tokens", "image_tier", "tokenizer", "src", "notes"),
}
_BATCH_OUTPUT = 300_000  # beta output-300k-2026-03-24 (request_limits.batch.long_output_beta)


def build(facts: bytes) -> bytes:
    """The content of `models.json` for the content of a facts file.

    Raises:
        HistoryError: the facts file is not JSON, of another schema, or says something that is not understood.
    """
    try:
        read = msgspec.json.decode(facts, type=dict[str, Any])
        if read.get("schema_version") != SCHEMA_VERSION:
            raise HistoryError(
                f"schema_version is {read.get('schema_version')!r}, this build reads {SCHEMA_VERSION}.",
                path="schema_version",
                remedy="Use the version of ctxwindow that belongs to this facts file.",
            )
        document = msgspec.convert(_document(read), Document)
    except KeyError as missing:
        raise HistoryError(
            f"a key or word that the build does not find or know: {missing}.",
            remedy="Correct the facts file, or teach ctxwindow.catalog.build what the word means.",
        ) from missing
    except msgspec.DecodeError as problem:  # of which ValidationError is one
        raise HistoryError(f"not a facts file: {problem}.", remedy="Correct the facts file.") from problem
    _check_names(document)
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _document(facts: dict[str, Any]) -> dict[str, Any]:
    sources = {key: {"what": row["what"], "as_of": row["as_of"]} for key, row in facts["sources"].items()}
    return {
        "schema_version": SCHEMA_VERSION,
        "generated": facts["generated"],
        "newest_source": facts["newest_official_page_read"],
        "sources": dict(sorted({**sources, **amendments.EXTRA_SOURCES}.items())),
        "models": [_model(row) for row in sorted(facts["models"], key=lambda row: (row["released"], row["id"]))],
        **tables(facts),
        "src": amendments.TABLE_SOURCES,
    }


def _model(row: dict[str, Any]) -> dict[str, Any]:
    """One model of the facts in the shape of `ModelProfile`."""
    _check_keys(row)
    tokenizers = amendments.TOKENIZERS[row["tokenizer"]]
    lifecycle, binding = row["lifecycle"], row["thinking_binding"]
    model = {key: row[key] for key in ("id", "display_name", "line", "released", "aliases", "vertex_id", "foundry_id")}
    model |= {key: lifecycle[key] for key in ("state", "deprecated_on", "retires_on", "not_before", "retired_on")}
    model |= {
        "replacement": lifecycle["replacement"],
        # An alternative id may carry a remark in parentheses.
        "bedrock_ids": [name.partition(" ")[0] for name in (row["bedrock_id"], *row["bedrock_id_alt"]) if name],
        "window": row["context_window"]["default"],
        "max_output": row["max_output"]["sync"],
        "max_output_batch": _BATCH_OUTPUT if row["max_output"]["batch_300k_beta"] else None,
        "thinking": _thinking(row["thinking"]),
        "prefix_check": _PREFIX_CHECKS[binding["prefix_check"]],
        "account_bound": binding["account_bound"],
        "reads_from": binding["reads_from"],
        "features": _features(row["features"]),
        "cache_min_tokens": row["cache_min_tokens"],
        "image_tier": row["image_tier"],
        "tokenizer": tokenizers.get(row["id"], tokenizers[""]),
        "tool_prompt": row["tool_prompt_tokens"],
        "prices": prices(row),
        "src": _sources(row["src"]),
        "notes": _notes(row),
    }
    for decision in amendments.DECISIONS:
        if decision.model == row["id"]:
            _decide(model, decision)
    return model


def _check_keys(row: dict[str, Any]) -> None:
    """Nothing may be in a row that is not read."""
    sections = [("", row, _ROW_KEYS), *((name, row[name], keys) for name, keys in _KEYS.items())]
    for name, section, keys in sections:
        if unread := sorted(section.keys() - keys):
            raise HistoryError(
                f"the build does not read {', '.join(unread)}.",
                path=f"{row['id']}.{name}".rstrip("."),
                remedy="Teach ctxwindow.catalog.build the new keys.",
            )


def _thinking(thinking: dict[str, Any]) -> dict[str, Any]:
    """`accepts` holds remarks such as `enabled (deprecated)`."""
    accepts = [kind.partition(" ") for kind in thinking["accepts"]]
    return {
        "accepts": [kind for kind, _, _ in accepts],
        "deprecated": [kind for kind, _, remark in accepts if remark == "(deprecated)"],
        "when_omitted": thinking["when_omitted"],
        "always_on": thinking["always_on"],
        "display_default": _DISPLAY[thinking["display_default"]],
        "prior_turns": _PRIOR_TURNS[thinking["prior_turns_default"]],
        "interleaved": _INTERLEAVED[thinking["interleaved"]],
        "effort_levels": thinking["effort_levels"] or [],
        "effort_default": thinking["effort_default"],
        "off_effort_cap": _OFF_EFFORT_CAP[thinking["off_effort_cap"]],
    }


def _features(features: dict[str, Any]) -> dict[str, Any]:
    same = (
        "context_editing",
        "compaction_on_demand",
        "mid_conversation_system",
        "prefill",
        "context_awareness",
        "forced_tool_choice",
        "task_budgets",
    )
    return {key: features[key] for key in same} | {
        "compaction_threshold": features["compaction_20260112"],
        "mid_conversation_tool_changes": _BETA_FLAG[features["mid_conversation_tool_changes"]],
        "per_message_effort": _BETA_FLAG[features["per_message_effort"]],
        "sampling_params": _SAMPLING[features["sampling_params"]],
        "over_window_accepted": _OVER_WINDOW[features["input_plus_max_tokens_over_window"]],
    }


def _sources(src: dict[str, str]) -> dict[str, str]:
    """The source of every field of the profile."""
    made = {}
    for field, (keys, otherwise) in amendments.FIELD_SOURCES.items():
        read = next((src[key] for key in keys if key in src), otherwise)
        made[field] = amendments.REWORDED_SOURCES.get(read, read)
    if "prior_turns" in src:
        made["thinking"] += f"; RULES RET-01 (prior turns: {src['prior_turns']})"
    if "effort" in src:
        made["thinking"] += f"; {src['effort']} (effort)"
    return made


def _notes(row: dict[str, Any]) -> list[str]:
    """The facts' remarks on a model, what past betas allowed, and how conflicts were decided."""
    notes = [amendments.REWORDED_NOTES.get(note, note) for note in row["notes"]]
    if row["context_window"]["note"]:
        notes.append(f"window: {row['context_window']['note']}")
    output = row["max_output"]
    if output["beta"]:
        notes.append(f"max_output: {output['beta']} with the beta {output['beta_header']}")
    if guess := row["price"].get("inferred_unconfirmed"):
        notes.append(f"PRICE-01: no price is published; {guess['input']}/{guess['output']} is inferred and not used")
    return [*notes, *amendments.EXTRA_NOTES.get(row["id"], ())]


def _decide(model: dict[str, Any], decision: amendments.Decision) -> None:
    """Set a disputed field."""
    *path, name = decision.field.split(".")
    target = model
    for part in path:
        target = target[part]
    if target[name] != decision.facts_say:
        raise HistoryError(
            f"the facts now say {target[name]!r}, the decision on it was made when they said {decision.facts_say!r}.",
            path=f"{decision.model}.{decision.field}",
            remedy="Look at ctxwindow.catalog.amendments.DECISIONS again.",
        )
    target[name] = decision.value
    model["src"][decision.field] = decision.src
    model["notes"].append(decision.note)


def _check_names(document: Document) -> None:
    """No name may mean two models."""
    owner: dict[str, str] = {}
    for profile in document.models:
        for name in sorted(names_of(profile)):
            if owner.setdefault(name, profile.id) != profile.id:
                raise HistoryError(
                    f"{name!r} is a name of {owner[name]} and of {profile.id}.",
                    path=profile.id,
                    remedy="Correct the facts file.",
                )


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, or with `--check` compare; returns the exit code (0, 1 the file differs, 2 the facts cannot be read)."""
    parser = argparse.ArgumentParser(prog="python -m ctxwindow.catalog.build", description=__doc__.partition("\n")[0])
    parser.add_argument("source", metavar="SOURCE", type=Path, help="the facts file (catalog.json, schema_version 1)")
    parser.add_argument("-o", "--output", type=Path, default=SHIPPED, help="default: the file in the package")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if the file is not what SOURCE gives"
    )
    asked = parser.parse_args(arguments)
    try:
        made = build(asked.source.read_bytes())
        if asked.check:
            return _check(asked.output, made)
        asked.output.write_bytes(made)
    except OSError as problem:
        sys.stderr.write(f"build: {problem.filename}: {problem.strerror}\n")
        return 2
    except CtxwindowError as problem:
        sys.stderr.write(f"build: {asked.source}: {problem}\n")
        return 2
    sys.stdout.write(f"{asked.output}: {len(made):,} bytes\n")
    return 0


def _check(output: Path, made: bytes) -> int:
    """Compare the file with what should be in it."""
    there = output.read_bytes() if output.exists() else b""
    if there == made:
        sys.stdout.write(f"{output}: as built\n")
        return 0
    lines = zip(there.splitlines(), made.splitlines(), strict=False)
    first = next((number for number, (old, new) in enumerate(lines, 1) if old != new), "its end")
    sys.stderr.write(f"{output}:{first}: differs from what SOURCE gives; run the build without --check\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
