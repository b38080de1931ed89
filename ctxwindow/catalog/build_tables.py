"""The part of `build` that concerns no single model: image and PDF numbers, built-in tools, limits, history."""

from __future__ import annotations

import re
from typing import Any

from ctxwindow.catalog import amendments
from ctxwindow.errors import HistoryError

__all__ = ["tables"]

_WINDOWS = {"200k window": 200_000, "1M window": 1_000_000}


def tables(facts: dict[str, Any]) -> dict[str, Any]:
    """Every key of `Document` that comes neither from the models nor from the head of the facts file.

    Raises:
        HistoryError: a number stands in a sentence that reads otherwise than it did.
        KeyError: the facts file lacks something, or names a tool that `amendments` does not know.
    """
    formulas = facts["token_formulas"]
    return {
        "retired_without_data": facts["retired_without_data"],
        "images": _images(formulas["image"]),
        "pdf": _pdf(formulas["pdf"]),
        "builtin_tools": _builtin_tools(formulas["tool_use"]),
        "limits": _limits(facts["request_limits"]),
        "beta_headers": [_beta_header(line) for line in facts["beta_headers"]],
        "platform_rules": facts["platform_rules"],
        "price_history": facts["price_history"],
        "conflicts": facts["conflicts"],
    }


def _number(pattern: str, sentence: str, where: str) -> int:
    """The number that `pattern` finds in a sentence of the facts."""
    found = re.search(pattern, sentence)
    if not found:
        raise HistoryError(
            f"no number like {pattern!r} in this sentence.",
            path=where,
            remedy="Correct the facts file, or teach ctxwindow.catalog.build_tables the new sentence.",
        )
    return int(found[1].replace(",", ""))


def _images(image: dict[str, Any]) -> dict[str, Any]:
    where, limits = "token_formulas.image", image["limits"]
    many = limits["many_image_rule"]
    return {
        "patch_px": _number(r"ceil\(w/(\d+)\) \* ceil\(h/\1\)", image["rule"], f"{where}.rule"),
        "tiers": {
            name: {key: tier[key] for key in ("max_edge_px", "max_tokens")} for name, tier in image["tiers"].items()
        },
        "block_tokens": _number(r"about (\d+) tokens per image block", image["wrapper"], f"{where}.wrapper"),
        "max_side_px": limits["max_dimension_px"],
        "many_images": _number(r"more than (\d+) images", many, f"{where}.limits.many_image_rule"),
        "many_images_side_px": _number(r"<= (\d+) px", many, f"{where}.limits.many_image_rule"),
        "max_per_request": {_WINDOWS[window]: count for window, count in limits["per_request"].items()},
        "max_base64_mb": limits["per_image_base64_mb"],
        "src": image["src"],
    }


def _pdf(pdf: dict[str, Any]) -> dict[str, Any]:
    where = "token_formulas.pdf.rule"
    return {
        "page_text_tokens_low": _number(r"typically ([\d,]+)-", pdf["rule"], where),
        "page_text_tokens_high": _number(r"typically [\d,]+-([\d,]+)", pdf["rule"], where),
        "max_pages": {_WINDOWS[window]: count for window, count in pdf["pages_per_request"].items()},
        "request_mb": pdf["request_mb"],
        "src": pdf["src"],
    }


def _builtin_tools(tool_use: dict[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for row in tool_use["per_tool"]:
        reading = amendments.BUILTIN_TOOLS[row["tool"]]
        if reading is None:
            continue
        tokens = row["tokens"]
        made.append(
            {
                "types": reading.types,
                "by_tokenizer": {key: tokens[name] for key, name in reading.by_tokenizer.items()},
                "by_model": {key: tokens[name] for key, name in reading.by_model.items()},
                "includes_tool_prompt": reading.includes_tool_prompt,
                "basis": reading.basis,
                "note": reading.note or row.get("note", ""),
                "src": tool_use["src"],
            }
        )
    return [*made, *amendments.EXTRA_BUILTIN_TOOLS]


def _limits(limits: dict[str, Any]) -> dict[str, Any]:
    batch = limits["batch"]
    return {
        "body_mb": limits["request_mb"],
        "messages": limits["messages_per_request"],
        "cache_breakpoints": limits["cache_breakpoints"],
        "cache_lookback_blocks": limits["cache_lookback_blocks"],
        "batch_requests": batch["max_requests"],
        "batch_expires_h": batch["expires_h"],
        "batch_results_days": batch["results_days"],
        "web_search_usd_per_1000": limits["web_search_usd_per_1000"],
        "src": limits["src"],
    }


def _beta_header(line: str) -> dict[str, Any]:
    """`NAME`, or `NAME (dead)`."""
    name, _, remark = line.partition(" ")
    return {"name": name, "dead": {"": False, "(dead)": True}[remark]}
