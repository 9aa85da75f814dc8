"""Texts in another language than the real rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from synthkd.corpora.schema import candidate_schema
from synthkd.errors import RecipeError
from synthkd.filters.language import Language, language_of
from synthkd.kinds.base import SourceText
from synthkd.kinds.labelled_text.kind import LabelledTextKind

ENGLISH = "Why is my card not working in this shop, and what can I do?"
SENTENCES = {
    "de": "Warum ist meine Karte nicht mehr gültig und wie kann ich eine neue bekommen?",
    "fr": "Pourquoi est-ce que ma carte ne fonctionne pas dans ce magasin ?",
    "es": "No puedo usar mi tarjeta en la tienda y no sé qué hacer con el pago.",
    "it": "Perché la mia carta non funziona e come posso fare per averne una?",
    "pt": "O meu cartão não funciona e eu não sei como fazer o pagamento.",
    "nl": "Waarom werkt mijn kaart niet en hoe kan ik een nieuwe krijgen van de bank?",
    "sv": "Varför fungerar inte mitt kort och hur kan jag få ett nytt från banken?",
    "pl": "Nie mogę zapłacić moją kartą w sklepie i nie wiem, co to jest.",
    "tr": "Kartım neden çalışmıyor ve ben bu sorun için ne yapabilirim?",
}


def kind(*real: str) -> LabelledTextKind:
    made = LabelledTextKind()
    made.real = [SourceText(text, "refund", "") for text in real]
    return made


def reason(text: str, of: LabelledTextKind, rule: Language | None = None) -> str | None:
    rule = rule or Language()
    rule.check_kind(of)
    rows = pa.RecordBatch.from_pylist(
        [{"text": text, "label": "refund"}], schema=candidate_schema(of)
    )
    return rule.reject(rows, of)[0]


@pytest.mark.parametrize(("code", "text"), SENTENCES.items())
def test_a_sentence_in_another_language_is_rejected(code: str, text: str) -> None:
    assert reason(text, kind(ENGLISH)) == f"looks like {code}, not en"


@pytest.mark.parametrize(("code", "text"), SENTENCES.items())
def test_a_sentence_in_the_language_of_the_real_rows_passes(code: str, text: str) -> None:
    assert language_of([text]) == code
    assert reason(text, kind(text)) is None
    assert reason(ENGLISH, kind(text)) is not None


def test_another_script_is_rejected() -> None:
    assert reason("Почему моя карта не работает?", kind(ENGLISH)) == "written in Cyrillic letters"
    assert reason("我的卡不能用了", kind("我的卡丢了", "カードをなくしました")) is None


def test_a_foreign_name_and_a_text_of_no_small_words_pass() -> None:
    assert reason("Can I pay in the shop Москва with my card?", kind(ENGLISH)) is None
    assert reason("Refund!", kind(ENGLISH)) is None


def test_without_real_rows_the_prompt_tells_the_language() -> None:
    rule = Language()
    rule.use_prompt("Schreibe eine Nachricht, die ein Kunde an die Bank schickt.", ())
    assert reason(ENGLISH, kind(), rule) == "looks like en, not de"


def test_without_anything_that_tells_the_language_the_rule_is_refused() -> None:
    with pytest.raises(RecipeError, match="no real rows tell the language"):
        Language().check_kind(kind())
    with pytest.raises(RecipeError, match="unknown language"):
        Language(language="xx")
