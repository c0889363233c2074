"""Sources of templates that no file may have, or that fail for some leads; and what leads may say of themselves."""

from services.nurture.domain.templates import NODES_MAX

BOMBS = {
    "a text repeated": "{{ 'x' * 10**9 }}",
    "a list repeated": "{{ [1] * 10**9 }}",
    "a power": "{{ 10**10**10 }}",
    "a format by %": "{{ '%1000000000d' % 1 }}",
    "a format by name": "{{ '{:>1000000000}'.format(1) }}",
    "a filter that pads": "{{ 'x'|center(1000000000) }}",
    "a filter that indents": "{{ 'x'|indent(1000000000) }}",
    "a filter that doubles, often": "{{ 'a'" + "|replace('a', 'aa')" * 25 + " }}",
    "a filter by name": "{{ [1]|map('center', 1000000000) }}",
    "a range": "{% for i in range(10**9) %}{% endfor %}",
    "a function of Jinja's": "{{ lipsum(10**6) }}",
    "a macro that calls itself": "{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "a loop that calls itself": "{% for x in lead recursive %}{{ loop(lead) }}{% endfor %}",
    "a variable that grows": "{% set x = 'x' %}{% for a in lead %}{% set x = x ~ x %}{% endfor %}",
    "another template": "{% include 'secrets' %}",
    "another template's macros": "{% import 'secrets' as s %}",
    "another template's frame": "{% extends 'secrets' %}",
    "deep loops": "{% for a in lead %}" * 25 + "{% endfor %}" * 25,
    "deep parentheses": "{{ " + "(" * 500 + "1" + ")" * 500 + " }}",
    "deep conditions": "{% if lead %}" * 40 + "{% endif %}" * 40,
    "a chain of signs": "{{ " + "-" * 1_000 + "1 }}",
    "a chain of names": "{{ lead" + ".x" * 1_000 + " }}",
    "a number too long to read": "{{ " + "9" * 5_000 + " }}",
    "too many parts": "{{ lead }}" * NODES_MAX,
    "no end": "{{ lead",
}

FAIL_FOR_SOME = {
    "loops in loops": "{% for a in company.name %}{% for b in company.name %}.{% endfor %}{% endfor %}",
    "a loop over a long text": "{% for a in lead.requirements.timeline %}{% if a %}{% endif %}{% endfor %}",
    "a text joined by a text": "{{ lead.requirements.timeline | join(lead.requirements.timeline) }}",
    "more than a body may have": "{{ lead.requirements.timeline }}" * 20,
    "ten to a large power": "{{ 1 | round(1000000000, 'ceil') }}",
    "a sum of what can't be summed": "{{ lead.score + company.name }}",
    "a division by nothing": "{{ lead.score / 0 }}",
}

SSTI = (
    *("{{ 7 * 7 }}", "{{7*7}}", "{% for a in (1, 2) %}x{% endfor %}", "{# gone #}", "${7*7}", "#{7*7}"),
    *(
        "{{ lead.__class__.__mro__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{% raw %}",
        "%}{{ 1 }}",
    ),
)

ENDS = (
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\v",
    "\f",
    "\x1c",
    "\x1d",
    "\x1e",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b",
    "\x7f",
    "\ud800",
)
