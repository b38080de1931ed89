from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctxwindow.window import markup
from ctxwindow.window.markup import call_markup, count_inside, count_tool, named_result, only_result, tool_markup
from ctxwindow.window.tokens import Tokenizer, count_text, have_exact

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "Ciudad"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "Get the weather — now.", "input_schema": SCHEMA}

TOKENIZERS: st.SearchStrategy[Tokenizer] = st.sampled_from(["v3", "v4.7", "v4.8"])


def test_a_tool_is_one_object_with_its_keys_sorted() -> None:
    shown = tool_markup({**TOOL, "cache_control": {"type": "ephemeral"}, "strict": True})
    assert shown.startswith('\n<function>{"description": "Get the weather \\u2014 now.", "name": "get_weather", ')
    assert shown.endswith('"required": ["city"], "type": "object"}}</function>')
    assert '{"description": "Ciudad", "type": "string"}' in shown


def test_the_order_in_which_a_schema_is_written_costs_nothing() -> None:
    turned = {**TOOL, "input_schema": dict(reversed(SCHEMA.items()))}
    assert tool_markup(turned) == tool_markup(TOOL)


def test_an_empty_description_is_left_out() -> None:
    assert tool_markup({**TOOL, "description": ""}) == tool_markup({"name": "get_weather", "input_schema": SCHEMA})
    assert "description" not in tool_markup({"name": "x"})


def test_values_of_a_call_are_strings_or_json() -> None:
    shown = call_markup({"name": "f", "input": {"path": "a.py", "lines": [1, 2], "deep": {"é": None}}})
    assert 'name="path">a.py</' in shown
    assert 'name="lines">[1, 2]</' in shown
    assert 'name="deep">{"\\u00e9": null}</' in shown
    assert call_markup({"name": "f", "input": "odd"}).count("parameter") == 0


def test_results_name_their_tool_where_there_are_several() -> None:
    assert only_result("42", error=False) == "\n<function_results>42</function_results>"
    assert "<error>broken</error>" in only_result("broken", error=True)
    assert named_result("f", "42", error=False) == "\n<result>\n<name>f</name>\n<output>42</output>\n</result>"


@pytest.mark.skipif(not have_exact(), reason="the estimator does not add up to the token")
@given(st.text(max_size=30), st.text(max_size=30), TOKENIZERS)
def test_pieces_of_markup_may_be_counted_apart(name: str, result: str, tokenizer: Tokenizer) -> None:
    """No token spans a line break and something else, so what begins with one adds up."""
    call = call_markup({"name": name, "input": {"a": result}})
    answer = only_result(result, error=False)
    whole = markup.CALL_BREAK + markup.CALLS_OPEN + call + markup.CALLS_CLOSE + answer
    around = count_inside(markup.CALL_BREAK + markup.CALLS_OPEN + markup.CALLS_CLOSE, tokenizer)
    parts = around + count_inside(call, tokenizer) + count_inside(answer, tokenizer)
    assert count_inside(whole, tokenizer) == parts


@given(st.text(max_size=60), TOKENIZERS)
def test_inside_costs_at_most_the_mark_less(text: str, tokenizer: Tokenizer) -> None:
    inside = count_inside(text, tokenizer)
    assert 0 <= inside.low <= inside.tokens <= inside.high
    if inside.exact and text:
        assert abs(inside.tokens - count_text(text, tokenizer).tokens) <= text.count("\n") + 3


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=6,
    )
)
def test_any_schema_has_a_size(schema: Any) -> None:
    assert json.loads(tool_markup({"name": "f", "input_schema": schema}).split(">", 1)[1].removesuffix("</function>"))
    assert count_tool({"name": "f", "input_schema": schema}, "v3").tokens > 0
