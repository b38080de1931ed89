"""What the API accepts, strips and binds: a module a family, a function a rule, its id in the registry."""

from ctxwindow.rules.diagnosis import ThinkingState
from ctxwindow.rules.prefix import prefix_report
from ctxwindow.rules.registry import check_end, check_message, check_rule, cuts, find_violations, may_cut, rule, rules
from ctxwindow.rules.report import Report, check
from ctxwindow.rules.retention import stripped, stripped_before
from ctxwindow.rules.rule import Finding, Rule, Violation
from ctxwindow.rules.shape import is_misshapen
from ctxwindow.rules.view import API_VERSION, Enforcement, View

__all__ = [
    "API_VERSION",
    "Enforcement",
    "Finding",
    "Report",
    "Rule",
    "ThinkingState",
    "View",
    "Violation",
    "check",
    "check_end",
    "check_message",
    "check_rule",
    "cuts",
    "find_violations",
    "is_misshapen",
    "may_cut",
    "prefix_report",
    "rule",
    "rules",
    "stripped",
    "stripped_before",
]
