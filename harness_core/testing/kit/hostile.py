"""HOSTILE: texts that break whatever quotes once too often, or once too seldom."""

from __future__ import annotations

HOSTILE = {
    "plain": "plain",
    "empty": "",
    "space": "two  words ",
    "tab": "a\tb",
    "newline": "first\nsecond\n",
    "dollar": "$HOME ${HOME} $(echo no) `echo no`",
    "single-quote": "it's",
    "double-quote": 'say "no"',
    "backslash": "a\\b\\\\c\\n\\",
    "leading-dash": "-n",
    "double-dash": "--",
    "glob": "* ? [a-z] {a,b} ~",
    "shell": "a; b && c || d | e > f < g & h # i !1",
    "percent": "%s %d %% %",
    "equals": "KEY=value",
    "accents": "é ü 漢字 🙂",
    "quotes-in-quotes": "'\"'\"'",
}
