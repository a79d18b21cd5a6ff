# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Notices questions that are not in English, by their function words and their letters.

The patterns and the noun table are English. A question in another language would not be understood,
or worse, half of it would; so it is refused with a sentence that says why.
"""

from __future__ import annotations

import re
import unicodedata

from spatialgeo_ros.errors import BadRequestError

#: Function words, and the commonest words of questions about space, that are no English words.
_WORDS: dict[str, frozenset[str]] = {
    "German": frozenset(
        "wie weit ist sind der das dem den des ein eine einen einem einer und oder wo welche"
        " welcher welches wieviel viele gibt es zwischen von vom zum zur bis nach entfernt"
        " entfernung abstand breit hoch gross groß tief links rechts neben hinter vor auf unter"
        " über mir dich mich ich du ihr sie wir im am nicht mit für näher weiter größer kleiner"
        " stuhl tisch tür siehst kannst bitte".split()
    ),
    "French": frozenset(
        "où quelle quel est sont le la les un une des du et ou entre à au aux combien loin distance"
        " de gauche droite devant derrière sur sous dans près il elle y a t cette ce mon ma est ce"
        " que qui plus grand grande haut haute large vois tu vous je chaise porte".split()
    ),
    "Spanish": frozenset(
        "qué que cuánto cuánta cuántos cuántas cuanto cuantos cuantas dónde donde está esta están"
        " estan el la los las un una unos unas y o entre hay lejos distancia de del desde hasta"
        " izquierda derecha delante detrás sobre debajo cerca cuál cual es son más mas alto ancho"
        " silla mesa puerta por favor mi".split()
    ),
    "Italian": frozenset(
        "quanto quanta quanti quante dove è il lo gli le uno una e di del della dal dalla tra fra"
        " lontano lontana distanza sinistra destra davanti dietro sopra sotto vicino quale sono c"
        " ci più alto alta largo sedia tavolo porta dista per favore mia".split()
    ),
    "Portuguese": frozenset(
        "qual quanto quantos quantas onde está estão o os as um uma e ou entre há longe distância"
        " de do da dos das até esquerda direita frente atrás sobre embaixo perto são mais alto"
        " cadeira mesa porta por favor fica".split()
    ),
    "Dutch": frozenset(
        "hoe ver is de het een en of tussen waar welke hoeveel staat van naar tot afstand links"
        " rechts achter voor op onder boven naast zijn er breed hoog groot dichterbij stoel tafel"
        " deur ik je mij".split()
    ),
    "Polish": frozenset(
        "jak daleko jest są gdzie ile który która od do między i czy na pod za przed obok lewo"
        " prawo odległość krzesło stół drzwi w z".split()
    ),
}
#: Words of the lists above that English questions hold too.
_ENGLISH = frozenset(
    "is a i o e y an am the of on or do does did as at in to and distance large grand no me my men"
    " die was war so man hat also bald far from how what where which who it its you we between left"
    " right door table chair  there here are can has have this that with for by under over"
    " near next behind front wide high tall deep long big small many much close closer two one"
    " de la le lo per t en er van bin wand rest art gut arm hut land mast pin tag hand".split()
)
#: Fewer words than these may be names.
_LEAST_WORDS = 2


def check_readable(question: str) -> None:
    """Refuse a question that holds no word, or that is in another language.

    Raises:
        BadRequestError: it is; the message says how to ask.
    """
    if language := other_language(question):
        raise BadRequestError(
            f"this question looks {language}: in English, please, for example 'how far is the "
            "chair?'"
        )
    if not re.search(r"\w", question.replace("<image>", "")):
        raise BadRequestError("the question is empty: ask for example 'how far is the chair?'")


def other_language(question: str) -> str:
    """Return the language a question seems to be in, "" for English or what cannot be told."""
    letters = [letter for letter in question if letter.isalpha()]
    strange = sum(not unicodedata.name(letter, "LATIN").startswith("LATIN") for letter in letters)
    if letters and strange > len(letters) / 2:
        return "not English"
    words = re.findall(r"[^\W\d_]+", question.lower())
    best, most = "", 0
    for language, known in _WORDS.items():
        foreign = sum(word in known and word not in _ENGLISH for word in words)
        english = sum(word in _ENGLISH and word not in known for word in words)
        if foreign >= max(_LEAST_WORDS, english) and foreign > most:
            best, most = language, foreign
    return best
