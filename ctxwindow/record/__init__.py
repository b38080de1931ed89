"""What happened: blocks, messages, turns and rounds, events, canonical form, fingerprints, and the names in a text."""

from ctxwindow.record.blocks import BlockType, Family, block_type, known_types
from ctxwindow.record.canonical import canonical_message, canonical_tools, same_message
from ctxwindow.record.events import Event, decode_event, encode_event
from ctxwindow.record.fingerprint import Fingerprint, Prefix, content_key, fingerprint
from ctxwindow.record.identifiers import identifier_set, identifiers_of, known_identifiers
from ctxwindow.record.intake import from_json, intake, plain_json, to_json
from ctxwindow.record.turns import Outline, Round

__all__ = [
    "BlockType",
    "Event",
    "Family",
    "Fingerprint",
    "Outline",
    "Prefix",
    "Round",
    "block_type",
    "canonical_message",
    "canonical_tools",
    "content_key",
    "decode_event",
    "encode_event",
    "fingerprint",
    "from_json",
    "identifier_set",
    "identifiers_of",
    "intake",
    "known_identifiers",
    "known_types",
    "plain_json",
    "same_message",
    "to_json",
]
