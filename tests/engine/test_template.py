"""A template is rendered as transformers renders it, reaches nothing, and stops before it takes time or memory."""

from __future__ import annotations

from datetime import datetime

import pytest

pytest.importorskip("jinja2")
from twofold.engine.template import render
from twofold.errors import ConfigError

DOUBLING = "{% set ns = namespace(x='a' * 1000) %}{% for i in range(90) %}"
HOSTILE = {
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a macro for ever": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a power": "{{ 10 ** 10 ** 10 }}",
    "a product": "{{ 'a' * 10000000000 }}",
    "a list of lists": "{{ ([['a' * 1000] * 1000] * 1000) | tojson | length }}",
    "padding": "{{ 'x'.ljust(10000000000) }}",
    "formatting": "{{ '%10000000000d' % 1 }}",
    "formatting by method": "{{ '{:>10000000000}'.format(1) }}",
    "adding": DOUBLING + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "joining": DOUBLING + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "joining a list": DOUBLING + "{% set ns.x = [ns.x, ns.x] | join %}{% endfor %}",
    "replacing": DOUBLING + "{% set ns.x = ns.x | replace('a', ns.x) %}{% endfor %}",
    "replacing by method": DOUBLING + "{% set ns.x = ns.x.replace('a', ns.x) %}{% endfor %}",
    "capturing": DOUBLING + "{% set y %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = y %}{% endfor %}",
    "nesting": DOUBLING + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    "putting out": "{% for i in range(99999) %}{{ messages[0].content }}{% endfor %}",
    "python inside": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "python through a function": "{{ raise_exception.__globals__['render'] }}",
    "python through a method": "{{ messages.append.__self__ }}",
    "changing what it is given": "{{ messages.append(1) }}",
    "files": "{% include '/etc/passwd' %}",
    "no such filter": "{{ messages | center(10) }}",
    "broken": "{% if %}",
    "deep": "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "missing": "{{ messages[7].content.text }}",
    "refusing": "{{ raise_exception('roles must alternate') }}",
}


@pytest.mark.slow
@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_goes_too_far_is_refused_with_words(template):
    with pytest.raises(ConfigError, match="chat template"):
        render(template, {"messages": [{"content": "x" * 1000}]})


CALLS = [{"type": "function", "function": {"name": "f", "arguments": {"é": [1, 2]}}}]
MESSAGES = [
    {"role": "system", "content": " Be  brief. "},
    {"role": "user", "content": 'Hi <b> & "you"\n'},
    {"role": "assistant", "content": "", "tool_calls": CALLS},
]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "x": "é<>"}}}]
TEMPLATES = {
    "white space": """{%- for m in messages -%}
  {{ m.role }}: {{ m['content'] | trim }}
{%- endfor -%}
{% if add_generation_prompt %}A:{% endif %}""",
    "loop controls": """{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}
{{ m.role ~ '|' ~ m.content ~ loop.index }}{% break %}{% endfor %}""",
    "tools": """{%- if tools %}
    {%- for t in tools %}{{ t | tojson }}
{{ t | tojson(indent=2) }}{%- endfor %}{%- endif %}""",
    "counting": """{% set ns = namespace(n=0) %}{% for m in messages if m.role == 'user' %}{% set ns.n = ns.n + 1 %}
{% endfor %}{{ ns.n }}""",
    "macros": """{% macro say(m) %}<{{ m.content.strip() }}>{% endmacro %}
{% for m in messages[::-1] %}{{ say(m) }}{% endfor %}""",
    "generation": "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}",
    "filters": """{{ messages | map(attribute='role') | join(', ') }}
{{ messages | selectattr('role', 'equalto', 'user') | list | length }}""",
    "methods": "{{ messages[0].content.split('.')[0].lstrip() + bos_token if messages[0].role == 'system' else '' }}",
    "calls": """{% for t in messages[2].tool_calls %}{{ t.function.arguments | items | list }}
{{ t.function.name is string }}{% endfor %}""",
    "what is missing": """{{ undefined_thing is defined }}{{ messages[0].nothing or 'none' }}{{ undefined_thing }}
{{ messages[1:] | length }}{{ 'Be' in messages[0].content }}""",
    "numbers": "{% for i in range(3) %}{{ i * 2 - 1 }}{{ i // 2 }}{{ 7 % (i + 1) }}{{ 'ab' * i }}{% endfor %}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_templates_give_what_transformers_gives(template):
    pytest.importorskip("transformers")
    from transformers.utils.chat_template_utils import render_jinja_template

    given = {"bos_token": "<s>", "add_generation_prompt": True, "tools": TOOLS}
    expected = render_jinja_template(conversations=[MESSAGES], chat_template=template, **given)[0][0]
    assert render(template, {"messages": MESSAGES, "documents": None, **given}) == expected


def test_the_time_is_an_argument():
    assert render("{{ strftime_now('%d %b %Y') }}", {}, datetime(2026, 2, 3)) == "03 Feb 2026"
