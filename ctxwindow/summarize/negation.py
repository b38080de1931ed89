"""The words that turn a sentence into its opposite, or bind it to an exception.

One flat table for several languages: whether a word is read in the wrong language does not matter, because a quotation and
what it quotes are read by the same table, and only have to agree.
"""

from __future__ import annotations

import re

__all__ = ["marks"]

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")

_NOT = frozenset(
    _WORD.findall("""
    not never no nor neither none nothing nobody cannot without except unless avoid stop dont cant wont isnt arent doesnt didnt
    shouldnt mustnt
    nicht nie niemals kein keine keinen keinem keiner keines nichts ohne weder
    ne pas jamais sans aucun aucune rien ni sauf
    nunca jamás sin ningún ninguna ninguno nada tampoco salvo
    non mai senza nessuno nessuna niente
    não sem nenhum nenhuma nem
    niet nooit geen zonder
    inte ikke aldrig aldri utan uden uten ingen inga inget
    nie nigdy bez żaden
    не нет никогда без нельзя ні немає
    değil asla hiçbir
    لا ليس لم لن بدون
    नहीं मत बिना
    """)
)
_ONLY = frozenset(
    _WORD.findall("""
    only solely exclusively until
    nur ausschließlich seulement uniquement solo sólo solamente únicamente soltanto apenas somente só alleen slechts
    bara endast kun tylko только sadece فقط केवल
    """)
)
# Scripts without blanks between words, and endings: found anywhere.
_NOT_INSIDE = (
    *("不", "没", "沒", "別", "别", "勿", "禁止", "无", "無"),
    *("ない", "ません", "なく", "ずに", "なし"),
    *("않", "안 ", "없", "지 마", "지마", "금지"),
)
_ONLY_INSIDE = ("只", "仅", "僅", "だけ", "のみ", "しか", "만 ")


def marks(text: str) -> tuple[tuple[str, str], ...]:
    """The negations and limits of a text in their order, each as its kind (`not`, `only`) and the word it stands before."""
    words = [word.replace("\u2019", "'") for word in _WORD.findall(text.casefold())]
    found = []
    for word, after in zip(words, [*words[1:], ""], strict=False):
        if word.startswith("n'"):  # French: n'effacez
            found.append(("not", word[2:]))
        elif word in _NOT or word.endswith("n't"):
            found.append(("not", after))
        elif word in _ONLY:
            found.append(("only", after))
    for kind, inside in (("not", _NOT_INSIDE), ("only", _ONLY_INSIDE)):
        found += [(kind, part) for part in inside for _ in range(text.count(part))]
    return tuple(found)
