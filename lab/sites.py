"""The invented company's sites: where they are, how people are called there, which numbers ring."""

import unicodedata
from dataclasses import dataclass, field

# What Unicode does not take apart into a letter and its accent, and what no mail address holds.
UNDECOMPOSED = str.maketrans({"ł": "l", "Ł": "L", "ß": "ss"} | dict.fromkeys("' .", ""))


@dataclass(frozen=True)
class NumberBlock:
    """`count` numbers in E.164: `prefix` and then a serial number of `digits` digits."""

    prefix: str
    digits: int
    count: int


@dataclass(frozen=True)
class Site:
    """A site; names are pairs (as written there, as in a mail address)."""

    locality: str
    office: str
    country: str
    country_name: str
    share: int
    numbers: tuple[NumberBlock, ...]
    mobiles: tuple[NumberBlock, ...]
    given_names: tuple[tuple[str, str], ...] = field(repr=False)
    surnames: tuple[tuple[str, str], ...] = field(repr=False)


def _names(text: str) -> tuple[tuple[str, str], ...]:
    """Reads `Name` (`_` for a space), or `Name=ascii` where stripping accents does not do."""
    pairs = (word.replace("_", " ").partition("=") for word in text.split())
    return tuple((name, ascii_name or _ascii(name)) for name, _, ascii_name in pairs)


def _ascii(name: str) -> str:
    spelled = unicodedata.normalize("NFKD", name.translate(UNDECOMPOSED))
    return "".join(letter for letter in spelled if letter.isascii())


# Numbers that regulators keep free for fiction: Ofcom 020 7946 0xxx and 07700 900xxx; NANPA
# 555-01xx; ARCEP 01 99 00 xx xx and 06 39 98 xx xx; Bundesnetzagentur (0)30 23125 xxx and (0)171
# 39200 xx. Spain, Poland, Brazil and Japan keep none: those blocks are plausible, nothing more.
SITES = (
    Site(
        "London", "King's Cross", "GB", "United Kingdom", 6,
        (NumberBlock("+442079460", 3, 1000),),
        (NumberBlock("+447700900", 3, 1000),),
        _names(
            "Oliver Amelia Harry Isla George Ava Noah Emily Jack Sophie Leo Grace Arthur Freya "
            "Oscar Poppy Muhammad Aisha Archie Siân Rhys Niamh Priya Callum"
        ),
        _names(
            "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Wright Walker Evans "
            "Thompson White Hughes Khan Lewis Clarke MacDonald O'Brien Begum Fraser Singh"
        ),
    ),
    Site(
        "Berlin", "Alexanderplatz", "DE", "Germany", 4,
        (NumberBlock("+493023125", 3, 1000),),
        (NumberBlock("+4917139200", 2, 100),),
        _names(
            "Jürgen Björn Lukas Hannah Jörg Käthe Felix Lena Maximilian Sören Emma Günther Mia "
            "Annegret Şevval Mehmet Jannik Ulrike"
        ),
        _names(
            "Müller Schmidt Schneider Weiß Fischer Wagner Schäfer Koch Şahin Großmann Krüger "
            "Hoffmann von_der_Heide Köhler Öztürk Zimmermann Lang"
        ),
    ),
    Site(
        "Paris", "La Défense", "FR", "France", 3,
        (NumberBlock("+3319900", 4, 10000),),
        (NumberBlock("+3363998", 4, 10000),),
        _names(
            "Chloé Léa Jean-Luc Hélène François Zoé Noémie Mathis Gaël Inès Thérèse Loïc Amélie "
            "Hugo Benoît"
        ),
        _names(
            "Dubois Lefèvre Moreau Garçon Béranger Roux N'Diaye Le_Goff Chevalier Müller-Durand "
            "Perrin d'Aubigné Gauthier"
        ),
    ),
    Site(
        "Madrid", "Chamartín", "ES", "Spain", 2,
        (NumberBlock("+3491000", 4, 10000),),
        (NumberBlock("+3460000", 4, 10000),),
        _names(
            "José María Íñigo Begoña Álvaro Lucía Javier Núria Andrés Sofía Martín"
        ),
        _names(
            "García Núñez Muñoz López Peña Rodríguez de_la_Cruz Fernández Ibáñez Ortega Sáez "
            "Güell Vidal"
        ),
    ),
    Site(
        "Warsaw", "Mokotów", "PL", "Poland", 2,
        (NumberBlock("+4822000", 4, 10000),),
        (NumberBlock("+4850000", 4, 10000),),
        _names(
            "Łukasz Małgorzata Paweł Agnieszka Michał Bożena Stanisław Zofia Jędrzej Elżbieta "
            "Wojciech"
        ),
        _names(
            "Kowalski Wiśniewska Wójcik Dąbrowski Zieliński Łuczak Nowak Gołębiewska Święch "
            "Brzęczyszczykiewicz"
        ),
    ),
    Site(
        "São Paulo", "Paulista", "BR", "Brazil", 2,
        (NumberBlock("+55112000", 4, 10000),),
        (NumberBlock("+551190000", 4, 10000),),
        _names(
            "João Antônio Letícia Conceição Thiago Gabriela Luís Júlia Rafael Débora Caetano"
        ),
        _names(
            "Gonçalves Araújo Simões Magalhães da_Silva Oliveira dos_Santos Carvalho Assunção "
            "Guimarães Pereira Brandão"
        ),
    ),
    Site(
        "Tokyo", "Marunouchi", "JP", "Japan", 2,
        (NumberBlock("+8135000", 4, 10000),),
        (NumberBlock("+81901000", 4, 10000),),
        _names(
            "健=Takeshi 美咲=Misaki 翔太=Shota さくら=Sakura 大輔=Daisuke 陽子=Yoko 直樹=Naoki "
            "由美=Yumi 拓也=Takuya 愛=Ai 誠=Makoto"
        ),
        _names(
            "佐藤=Sato 鈴木=Suzuki 高橋=Takahashi 田中=Tanaka 伊藤=Ito 渡辺=Watanabe "
            "山本=Yamamoto 中村=Nakamura 小林=Kobayashi 加藤=Kato 吉田=Yoshida 山田=Yamada"
        ),
    ),
    Site(
        "Austin", "Domain", "US", "United States", 3,
        (NumberBlock("+151255501", 2, 100), NumberBlock("+173755501", 2, 100)),
        (NumberBlock("+132555501", 2, 100),),
        _names(
            "James Mary John Patricia Tyler Jasmine DeShawn Ashley Brandon Maria Ethan Madison "
            "Logan Hailey Carlos Destiny Travis"
        ),
        _names(
            "Miller Davis Garcia Martinez Anderson Jackson Washington Nguyen Hernandez Moore "
            "Young McAllister Baker St._James Rivera Carter Brooks Kim Ramirez"
        ),
    ),
)  # fmt: skip
