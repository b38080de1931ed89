"""What is sent: policy, planner, one module a shrinking method, decisions."""

from ctxwindow.tiers.caching import Forecast, LastSend, forecast, prompt_bill
from ctxwindow.tiers.decisions import Compact, Count, Decision, Edit, Send, Summarize
from ctxwindow.tiers.offers import Offer
from ctxwindow.tiers.planner import Verdict, judge
from ctxwindow.tiers.policy import Hot, Method, Pins, Platform, Policy, Spill, Warm
from ctxwindow.tiers.recovery import Recovery
from ctxwindow.tiers.segment import Segment
from ctxwindow.tiers.situation import Situation
from ctxwindow.tiers.wire import Wire

__all__ = [
    "Compact",
    "Count",
    "Decision",
    "Edit",
    "Forecast",
    "Hot",
    "LastSend",
    "Method",
    "Offer",
    "Pins",
    "Platform",
    "Policy",
    "Recovery",
    "Segment",
    "Send",
    "Situation",
    "Spill",
    "Summarize",
    "Verdict",
    "Warm",
    "Wire",
    "forecast",
    "judge",
    "prompt_bill",
]
