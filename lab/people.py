"""An invented company, the same at every call: people, and nested groups of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lab.sites import SITES, NumberBlock, Site

DOMAIN = "corp.example"
DIVISIONS = {
    "Customers": ("Sales", "Support", "Marketing"),
    "Products": ("Engineering", "Design", "Quality"),
    "Corporate": ("Finance", "Legal", "People Operations", "IT", "Facilities"),
}
DEPARTMENTS = tuple(name for division in DIVISIONS.values() for name in division)
WITHOUT_TELEPHONY = "Facilities"
TITLES = ("Associate", "Specialist", "Senior Specialist", "Team Lead", "Analyst", "Coordinator")
# One Nth each, counted so that the three never meet in one person below 5,000 people.
DISABLED_EVERY, NUMBERLESS_EVERY, MISWRITTEN_EVERY = 23, 11, 29
MISWRITTEN = ("{0} ext. 12", "{1} (0){2}", "n/a", "00 {3}", "{0} / mobile", "ask reception")
SITE_CYCLE = tuple(site for turn in range(6) for site in SITES if site.share > turn)


@dataclass(frozen=True)
class Person:
    """A person as the company knows them; `number` is E.164 unless somebody typed it badly."""

    uid: str
    name: str
    given_name: str
    surname: str
    mail: str
    number: str
    mobile: str
    employee_number: str
    title: str
    department: str
    site: Site
    manager: str = ""
    disabled: bool = False


@dataclass(frozen=True)
class Group:
    """A group of people (by uid) and of other groups (by name)."""

    name: str
    description: str
    people: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Company:
    people: tuple[Person, ...]
    groups: tuple[Group, ...]

    def members(self, group_name: str) -> set[str]:
        """The uids of everybody in a group, through groups within groups, cycles included."""
        groups = {group.name: group for group in self.groups}
        found: set[str] = set()
        seen: set[str] = set()
        waiting = [group_name]
        while waiting:
            name = waiting.pop()
            if name not in seen:
                seen.add(name)
                found.update(groups[name].people)
                waiting.extend(groups[name].groups)
        return found


# (name, given name, surname, uid)
ODD_NAMES = (
    ("Zoë Ünïcode", "Zoë", "Ünïcode", "zoe.unicode"),
    ("李 小龙", "小龙", "李", "xiaolong.li"),
    ("Иван Петров", "Иван", "Петров", "ivan.petrov"),
    ("محمد العربي", "محمد", "العربي", "mohamed.alarabi"),
    ('Smith, John "Jack"', "John", "Smith", "john.smith"),
    ("Siobhán O'Neil", "Siobhán", "O'Neil", "siobhan.oneil"),
    ("Plus+Sign=Equals", "Plus", "Sign", "plus.sign"),
    ("#Hash Lead", "#Hash", "Lead", "hash.lead"),
    ("Semi;colon <angle>", "Semi;colon", "<angle>", "semi.colon"),
    ("Back\\slash Name", "Back\\slash", "Name", "back.slash"),
    ("Star*(paren)", "Star*", "(paren)", "star.paren"),
    ("Q&A <b>Bold</b>", "Q&A", "<b>Bold</b>", "q.bold"),
    ("=SUM(1+1)", "=SUM", "(1+1)", "sum.formula"),
    ("Emoji 😀 User", "Emoji 😀", "User", "emoji.user"),
    (" Leading Space", " Leading", "Space", "leading.space"),
    ("Slash/Name", "Slash", "Name", "slash.name"),
    ("Madonna", "", "Madonna", "madonna"),
    (
        "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenh",
        "Hubert",
        "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenh",
        "hubert.wolfeschlegelsteinhausenbergerdorff",
    ),
)


def company(size: int = 300) -> Company:
    """The company with its first `size` people; a larger one begins with the same people."""
    people = tuple(_people(size))
    return Company(people, tuple(_groups(people)))


def collisions() -> tuple[Person, ...]:
    """Pairs of people who want the same SIP URI or the same number; no two share a uid."""
    first = company(len(DEPARTMENTS) + len(ODD_NAMES) + 8).people[-1]
    twins = {
        "same.mail": {"mail": f"Twin@{DOMAIN}"},
        "same.mail2": {"mail": f"twin@{DOMAIN}"},
        "same.number": {"number": "+442079460999"},
        "same.number2": {"number": "+442079460999"},
        "fullwidth": {"mail": f"paypal@{DOMAIN}"},
        "fullwidth2": {"mail": f"\N{FULLWIDTH LATIN SMALL LETTER P}aypal@{DOMAIN}"},
        "homoglyph": {"mail": f"apple@{DOMAIN}"},
        "homoglyph2": {"mail": f"\N{CYRILLIC SMALL LETTER A}pple@{DOMAIN}"},
    }
    return tuple(
        replace(
            first,
            uid=uid,
            name=f"Twin {uid}",
            mail=values.get("mail", f"{uid}@{DOMAIN}"),
            number=values.get("number", ""),
            employee_number=f"T{place:05d}",
        )
        for place, (uid, values) in enumerate(twins.items())
    )


def _people(size: int) -> Iterator[Person]:
    heads = dict.fromkeys(DEPARTMENTS, "")
    at_site = dict.fromkeys((site.locality for site in SITES), 0)
    taken: dict[str, int] = {}
    for place in range(size):
        site = SITE_CYCLE[place % len(SITE_CYCLE)]
        serial = at_site[site.locality]
        at_site[site.locality] += 1
        odd = place - 1 - len(DEPARTMENTS)
        if 0 <= odd < len(ODD_NAMES):
            name, given_name, surname, uid = ODD_NAMES[odd]
        else:
            name, given_name, surname, uid = _name(site, serial)
        taken[uid] = taken.get(uid, 0) + 1
        if taken[uid] > 1:
            uid = f"{uid}{taken[uid]}"
        department = DEPARTMENTS[(place - 1) % len(DEPARTMENTS)]
        title, manager = TITLES[place * 5 // 7 % len(TITLES)], heads[department]
        if place == 0:
            chief, title, manager = uid, "Chief Executive Officer", ""
        elif not manager:
            title, manager, heads[department] = f"Head of {department}", chief, uid
        ordinary = odd >= len(ODD_NAMES)
        yield Person(
            uid=uid,
            name=name,
            given_name=given_name,
            surname=surname,
            mail=f"{uid}@{DOMAIN}",
            number=_number(site, serial, place if ordinary else 0),
            mobile=_serial_number(site.mobiles, serial) if place % 3 else "",
            employee_number=f"{10_000 + place}",
            title=title,
            department=department,
            site=site,
            manager=manager,
            disabled=ordinary and place % DISABLED_EVERY == 0,
        )


def _name(site: Site, serial: int) -> tuple[str, str, str, str]:
    given_names, surnames = site.given_names, site.surnames
    turn, place = divmod(serial, len(given_names))
    given_name, given_ascii = given_names[place]
    # The turn shifts the pairing, so that a pair comes again only when all have been used.
    surname, surname_ascii = surnames[(place * 7 + turn) % len(surnames)]
    uid = f"{given_ascii}.{surname_ascii}".lower()
    family_first = site.country == "JP"
    name = f"{surname} {given_name}" if family_first else f"{given_name} {surname}"
    return name, given_name, surname, uid


def _number(site: Site, serial: int, place: int) -> str:
    number = _serial_number(site.numbers, serial)
    if not number or (place and place % NUMBERLESS_EVERY == 0):
        return ""
    if place and place % MISWRITTEN_EVERY == 0:
        form = MISWRITTEN[place // MISWRITTEN_EVERY % len(MISWRITTEN)]
        return form.format(number, number[:3], number[3:], number[1:])
    return number


def _serial_number(blocks: Sequence[NumberBlock], serial: int) -> str:
    for block in blocks:
        if serial < block.count:
            return f"{block.prefix}{serial:0{block.digits}d}"
        serial -= block.count
    return ""


def _groups(people: tuple[Person, ...]) -> Iterator[Group]:
    for department in DEPARTMENTS:
        members = tuple(person.uid for person in people if person.department == department)
        yield Group(department, f"Department {department}", people=members)
    for division, departments in DIVISIONS.items():
        yield Group(f"Division {division}", f"Division {division}", groups=departments)
    yield Group(
        "All staff",
        "Everybody, through divisions and departments",
        people=tuple(person.uid for person in people[:1]),
        groups=tuple(f"Division {division}" for division in DIVISIONS),
    )
    for site in SITES:
        members = tuple(person.uid for person in people if person.site == site)
        yield Group(f"Site {site.locality}", f"{site.office}, {site.locality}", people=members)
    facilities = [person.uid for person in people if person.department == WITHOUT_TELEPHONY]
    yield Group(
        "Telephony users",
        f"Who gets a SIP account: all but most of {WITHOUT_TELEPHONY}",
        people=(*(person.uid for person in people[:1]), *facilities[:2]),
        groups=tuple(name for name in DEPARTMENTS if name != WITHOUT_TELEPHONY),
    )
    it_people = [person.uid for person in people if person.department == "IT"]
    yield Group("Console administrators", "May do everything", people=tuple(it_people[:2]))
    yield Group("Console helpdesk", "May help people", people=tuple(it_people[2:5]))
    yield Group("Console viewers", "May look", groups=("Support",))
    first, second, third = (
        tuple(person.uid for person in people[start::97]) for start in (3, 5, 7)
    )
    yield Group("Project Aurora", "In a cycle", people=first, groups=("Project Borealis",))
    yield Group("Project Borealis", "In a cycle", people=second, groups=("Suppliers, (old) #1",))
    yield Group("Suppliers, (old) #1", "In a cycle", people=third, groups=("Project Aurora",))
    yield Group("Former contractors", "Nobody is left")
