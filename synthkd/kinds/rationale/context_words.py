"""Words and signs around a number that change its reading: bounds, joins, reasons, months."""

from __future__ import annotations

from synthkd.text.normal_forms import word_set

#: Words that begin a reason: the answer ends before them.
REASONS = word_set("because since as so if when where which that who")
#: Words that join two numbers.
JOINS = word_set("and or to through thru until till versus vs")
#: Signs that join two numbers.
JOINING_SIGNS = frozenset(",;&|-+~…/")
#: Words between a number and another that is not part of it.
FUNCTION_WORDS = word_set(
    "for per in at after before of on from with within every each than then but not rather instead"
    " is are was were be been he she they it we i you his her their its our your left has have had"
    " gives give gave gets get costs cost makes make made needs need uses use takes take spent"
    " spends the all only more less fewer out into during about around over under off total by"
    " because since as so if when while where which who that"
)
#: Words before a number that make it another number, or a bound.
BEFORE = word_set(
    "half twice thrice double triple quadruple third quarter between from least most than over"
    " under above below beyond exceeds exceeding not never no root squared cubed log ln sin cos tan"
    " exp sqrt factorial version v point per or until"
)
#: Words before a minus sign with a space behind it that is a sign.
LEADS = word_set(
    "is was be are equals equal exactly about approximately to a so thus therefore answer get"
)
#: Words behind a number that make it another number, or a bound.
BEHIND = word_set(
    "squared cubed factorial divided multiplied modulo mod choose below negative tens grand point"
    " pi score gross"
)
#: Words behind `or` that make a number a bound.
BOUNDS = word_set("more less fewer greater higher lower above below under over up")
#: Names of months, which make a number a date.
MONTHS = word_set(
    "January February March April May June July August September October November December Jan Feb"
    " Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec"
)
#: Signs that make a number a bound or a range.
COMPARING = frozenset("<>≤≥≦≧≠±∓≪≫‰‱")
