from __future__ import annotations

import random
from itertools import islice

import pytest

from twofold.data.builtin import factbook, sotu
from twofold.data.quality import fault, preset, trim

LIGHT, WEB = preset("prose", "auto"), preset("web", "auto")
SYLLABLES = ["ra", "ne", "to", "li", "ka", "mo", "su", "ve", "di", "po", "gar", "len", "tim", "bor"]


def page(sentences=30, seed=0):
    draw = random.Random(seed)

    def word():
        return "".join(draw.choices(SYLLABLES, k=draw.randint(2, 3)))

    return "\n".join(f"The {word()} {word()} that {word()} {word()} and the {word()} of {word()} {word()}."
                     for _ in range(sentences))


def test_an_ordinary_page_passes_every_rule():
    assert fault(page(), WEB) is None


@pytest.mark.parametrize(("text", "rule"), [
    ("ok", "too short"),
    ("12 34 56 78 ab c " * 40, "few letters"),
    ("A" * 5000 + " and a few words", "endless runs"),
    ("caf\ufffd cr\ufffdme " * 20, "garbled"),
    ("\n".join([*(["Home page of the village"] * 20), page(20)]), "repeated lines"),
    ("to be or not to be that is " * 40, "one phrase again and again"),
    (" ".join(page(12).split()) + " " + " ".join(page(4).split()), "repeated phrases"),
    (page(3), "words not 50"),
    (" ".join("internationalisation" + str(i) for i in range(80)), "mean word length"),
    (page().replace(" that", " # # that"), "signs # and …"),
    ("\n".join("- " + line for line in page().split("\n")), "bullet lines"),
    ("\n".join(line[:-1] + "…" for line in page().split("\n")), "lines that end in …"),
    (page().replace(" the", " & 12 34"), "words without a letter"),
    (page().replace("The", "Yon").replace("the", "yon").replace("that", "yon").replace("and", "nor"), "fewer than two"),
    (page() + "\nLorem ipsum dolor sit amet.", "holds 'lorem ipsum'"),
    (page() + "\nif (x) { return y }", "holds '{'"),
    (page().replace(".", ","), "fewer than five sentences"),
    (page(10) + "\n" + "\n".join(line[:-1] for line in page(90, 1).split("\n")), "lines that end in punctuation"),
    ("\n".join([*page(10).split("\n"), *(f"a{i} word." for i in range(30))]), "lines of 30 characters"),
    (page(), None),
])
def test_each_rule_names_what_it_found(text, rule):
    found = fault(text, WEB)
    assert (found is None) if rule is None else (found or "").startswith(rule), found


def test_a_page_of_another_language_has_its_own_common_words():
    german = page().replace("The", "Der").replace("the", "der").replace("that", "das").replace("and", "und")
    assert fault(german, WEB) is None


@pytest.mark.parametrize("text", [
    "短い文章です。川は静かに流れていた。" * 30, "Привет, мир. Как дела?", "x = 1  # a comment here",
])
def test_light_rules_let_every_script_and_code_pass(text):
    assert fault(text, LIGHT) is None


@pytest.mark.slow
def test_light_rules_keep_the_almanac_whole_and_web_rules_would_not():
    countries = list(islice(factbook(), 20))
    assert [d.id for d in [*islice(sotu(), 20), *countries] if fault(d.text, preset(d.kind, "auto"))] == []
    assert sum(bool(fault(d.text, preset("facts", "web"))) for d in countries) == len(countries)


def test_no_rules_keep_everything():
    assert fault("", preset("web", "none")) is None


def test_lines_about_cookies_and_of_two_words_are_trimmed():
    text = "Read more\n\nThe river kept its course.\nThis site uses cookies to know you.\nPlease enable JavaScript now."
    assert trim(text) == "\nThe river kept its course."
