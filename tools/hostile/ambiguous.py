"""Answers that hold digits and are no rating: signs, ranges, scales, units, thoughts, templates."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

SIGNS = (
    "+", "-", "\u2212", "\u2013", "±", "~", "≈", "<", ">", "<=", "≥", "#", "$", "№", "@", "==",
    "√", "*",
)  # fmt: skip
UNITS = (
    "%", " %", "/9", "/10", " / 9", " out of 9", " of 9", " von 9", " points", " pts", "°", "px",
    "k", "th", "st", "x", "²", "\u2075", "½", "!", "?", "+", "-", "ish", "/", "⁄9", "‰", "±1",
    " ± 1", "(±1)", " (high)", "e0", "e1", ":1", "'", '"', "″", "\u20dd", "\ufe0f\u20e3",
    " stars", "★", "分", "点", "e",
)  # fmt: skip
FRACTIONS = (
    ".0", ".5", ",5", ".25", "·5", "٫5", " 1/2", "¾", "..", "…", ".5.1", "'000", ",000", " 000",
)  # fmt: skip
RANGES = (
    "-", "–", "—", "~", "..", "...", " to ", " bis ", " or ", " and ", " - ", " – ", "〜", "～",
    "/", "|", " vs ", ":", "→", "->", " x ", "×", "^", "&",
)  # fmt: skip
SCALES = (
    "On a scale of 1-9, ", "On a scale of 1 to 9: ", "From 1 to 9, ", "(1-9) ", "[1-9]: ",
    "1 = low, 9 = high. ", "Scale 1..9. ", "Auf einer Skala von 1 bis 9: ", "Between 1 and 9: ",
    "Out of 9: ", "Using 1, 9: ", "1-9? ", "SAM (1,9): ", "从1到9：", "Range: 1, 9\n", "0-100: ",
    "Likert 7: ",
)  # fmt: skip
TEMPLATES = (
    "<valence>, <arousal>", "{valence}, {arousal}", "V, A", "[1-9], [1-9]", "X, Y", "_, _",
    "?, ?", "{v}, 3", "7, <arousal>", "<digit 7>, <digit 3>", "Valence: 1-9, Arousal: 1-9",
    "Valence: [7], Arousal: [3]", "$7, $3", "Valence: {7}, Arousal: {3}", "(7), (3)", "<7>, <3>",
    "7, _", "_7_, _3_", "%d, %d", "%7, %3", "7, N/A", "d7, d3",
)  # fmt: skip
QUOTED = (
    '"{}"', "'{}'", "“{}”", "«{}»", "> {}", "you wrote {}", "e.g. {}", "Example: {}", "not {}",
    "(e.g. {})", "{} ...", "`{}`", "The sign says {}", "{} is what you asked for",
    "Answer with {}", "The answer is not {}", "{}, or less", "less than {}", "{} minus 1",
    "about {}", "~{}", "[{}]", "({})", "{{{}}}", "maybe {}", "I'd say {}", "{}?", "-{}",
)  # fmt: skip
UNFINISHED = (
    "<think>{}", "<think>\n{}\n", "so {} <think>", "{}</think>", "<think>a</think><think>{}",
    "<THINK>{}", "<think>{}</thin", "<think>{}<think>", "{} </think> ", "</think>\n<think>{}",
    "<thinking>{}", "<thought>{}", "<|begin_of_box|>{}", "{}<|end_of_box|>", "<answer>{}",
    "{}</answer>", "<|begin_of_box|><think>{}<|end_of_box|>", "<|channel|>analysis<|message|>{}",
    "[THINK]{}", "<seed:think>{}", "◁think▷{}",
)  # fmt: skip
OTHER_DIGITS = (
    "\uff17", "\u0667", "\u096d", "⑦", "➐", "\u2077", "\u2087", "Ⅶ", "七", "seven", "VII", "𝟕",
    "7\u0331", "O", "l",
)  # fmt: skip
OTHER_NUMBERS = (
    "0", "10", "12", "70", "100", "99", "00", "07", "007", "1000.0", "1e1", "0x7", "0b1", "none",
    "n/a", "null", "nan", "inf", "", "V", "high", "true", "??",
)  # fmt: skip
COUNTED = (
    "between {0} and {1}", "{0}~{1}", "from {0} to {1}", "{0}", "{0}{1}", "{0}, {1}, {2}", "{0}, ",
    "{0} {1} {2}", ", {0}", "{0},, {1}", "Arousal: {0}, Valence: {1}", "Valence: {0}",
    "Arousal: {0}", "Valence: {0}, Valence: {1}", "{0}\t{1}\t1", "{0}, {1} or {1}, {0}",
    "Valence: {0}, Arousal: {1}, Dominance: 5", "valence{0}arousal{1}", "{0}, {1}\n{1}, {0}",
    "{0}+{1}",
)  # fmt: skip
FRAMES = (
    "{}, {}", "{},{}", "{} {}", "{};{}", "{}\n{}", "{}\uff0c{}", "Valence: {}, Arousal: {}",
    "**{}, {}**", "valence {}\narousal {}", "Valence={}; Arousal={}.",
    "<|begin_of_box|>{}, {}<|end_of_box|>", "<answer>{}, {}</answer>", "<think>so</think>{}, {}",
    "**Valence:** {}\n**Arousal:** {}",
)  # fmt: skip
LISTED = (
    "1. {}\n2. {}", "1) {}\n2) {}", "(1) {} (2) {}", "- {}\n- {}", "* {}\n* {}", "1: {}\n2: {}",
    "1. {}, {}", "#1 {} #2 {}", "a) {} b) {}", "1. Valence: {}\n2. Arousal: {}", "• {}\n• {}",
    "1\\. {}\n2\\. {}", "i. {} ii. {}", "| {} | {} |", "1st: {}, 2nd: {}", "{}.\n{}.", "{}. {}",
    "{}) {}",
)  # fmt: skip


def digit(chance: Random) -> str:
    return str(chance.randint(1, 9))


def plain_pair(chance: Random) -> str:
    return chance.choice(FRAMES[:6]).format(digit(chance), digit(chance))


def spoiled(chance: Random) -> str:
    """A digit that is another number, or none, by what stands at it."""
    one = digit(chance)
    ways: tuple[Callable[[], str], ...] = (
        lambda: chance.choice(SIGNS) + one,
        lambda: one + chance.choice(UNITS),
        lambda: one + chance.choice(FRACTIONS),
        lambda: one + chance.choice(RANGES) + digit(chance),
        lambda: chance.choice(OTHER_DIGITS),
        lambda: chance.choice(OTHER_NUMBERS),
        lambda: "." + one,
    )
    return chance.choice(ways)()


def _one_spoiled(chance: Random) -> str:
    pair = [digit(chance), spoiled(chance)]
    if chance.random() < 0.3:
        pair[0] = spoiled(chance)
    chance.shuffle(pair)
    return chance.choice(FRAMES).format(*pair)


def _counted(chance: Random) -> str:
    numbers = [digit(chance) for _ in range(3)]
    form = chance.choice(COUNTED).format(*numbers)
    return form.replace("~", chance.choice(RANGES))


def _on_a_scale(chance: Random) -> str:
    scale = chance.choice(SCALES)
    rest = chance.choice((plain_pair(chance), "", spoiled(chance)))
    return scale + rest if chance.random() < 0.7 else f"{rest} {scale.strip()}"


WAYS: dict[str, Callable[[Random], str]] = {
    "signs, units, decimals, fractions": _one_spoiled,
    "ranges and counts": _counted,
    "a scale in passing": _on_a_scale,
    "list numbers": lambda chance: chance.choice(LISTED).format(digit(chance), digit(chance)),
    "templates": lambda chance: chance.choice(TEMPLATES),
    "quotations": lambda chance: chance.choice(QUOTED).format(plain_pair(chance)),
    "unfinished thoughts": lambda chance: chance.choice(UNFINISHED).format(plain_pair(chance)),
}


def ambiguous(chance: Random) -> tuple[str, str]:
    """The kind and the text of an answer that is no rating."""
    kind = chance.choice(list(WAYS))
    return kind, WAYS[kind](chance)


def ambiguous_json(chance: Random) -> str:
    """A reasoned answer in which one rating, at least, is no whole digit from 1 to 9."""
    pair = [digit(chance), spoiled(chance)]
    chance.shuffle(pair)
    if chance.random() < 0.5:
        pair = [one if one.isdigit() and len(one) == 1 else f'"{one}"' for one in pair]
    ratings = [f'"valence": {pair[0]}', f'"arousal": {pair[1]}']
    fields = [*ratings, '"words": ["calm"]', '"scale": "1-9"']
    if chance.random() < 0.5:
        chance.shuffle(fields)
    wraps = ("{}", "```json\n{}\n```", "Here: {}", "<think>7, 3</think>{}", "<answer>{}</answer>")
    return chance.choice(wraps).format("{" + ", ".join(fields) + "}")
