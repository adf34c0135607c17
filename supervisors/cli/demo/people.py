"""Who lives in a made-up world: names in the scripts of those who bear them, where they live, what they care about."""

from random import Random
from typing import Final

from msgspec import Struct


class Culture(Struct, frozen=True):
    """Where names come from."""

    language: str  # BCP 47
    zones: tuple[str, ...]  # IANA
    given: tuple[tuple[str, str], ...]  # a name, and how it is spelled in a user id
    family: tuple[str, ...]
    is_family_first: bool = False
    between: str = " "


class Topic(Struct, frozen=True):
    """What somebody posts about."""

    tags: tuple[str, ...]
    openings: tuple[str, ...]
    things: tuple[str, ...]


class Person(Struct, frozen=True):
    user: str
    name: str
    bio: str
    language: str
    zone: str
    topic: int


def _spelled(text: str) -> tuple[tuple[str, str], ...]:
    """Of `name=id name=id`."""
    pairs = (one.partition("=") for one in text.split())
    return tuple((name, spelled or name.lower()) for name, _, spelled in pairs)


CULTURES: Final = (
    Culture(
        "en",
        ("Europe/London", "America/New_York", "Australia/Sydney"),
        _spelled("Ann Bob Grace Oliver Ruby Jack Zoe Theo Nora Miles"),
        ("Hughes", "Walker", "Reid", "Okafor", "Bennett", "Murray", "Doyle", "Fletcher"),
    ),
    Culture(
        "de",
        ("Europe/Berlin", "Europe/Vienna"),
        _spelled("Jürgen=juergen Käthe=kaethe Lukas Mia Søren=soeren Anneliese Björn=bjoern"),
        ("Müller", "Weiß", "Schröder", "Krüger", "Vogel", "Lindström"),
    ),
    Culture(
        "fr",
        ("Europe/Paris", "America/Montreal"),
        _spelled("Chloé=chloe Noël=noel Zélie=zelie Hugo Anaïs=anais"),
        ("Lefèvre", "Moreau", "Garçon", "Dubois", "Bélanger"),
    ),
    Culture(
        "tr",
        ("Europe/Istanbul",),
        _spelled("Işıl=isil Çağlar=caglar Gül=guel Emre Şebnem=sebnem"),
        ("Yılmaz", "Öztürk", "Şahin", "Çelik"),
    ),
    Culture(
        "vi",
        ("Asia/Ho_Chi_Minh",),
        _spelled("Linh Đức=duc Hương=huong Thảo=thao Minh"),
        ("Nguyễn", "Trần", "Phạm", "Đặng"),
        is_family_first=True,
    ),
    Culture(
        "uk",
        ("Europe/Kyiv",),
        _spelled("Дмитро=dmytro Юлія=yuliia Жанна=zhanna Григорій=hryhorii Богдан=bohdan"),
        ("Шевченко", "Ткачук", "Лисенко", "Бондар"),
    ),
    Culture(
        "el",
        ("Europe/Athens",),
        _spelled("Δήμητρα=dimitra Θανάσης=thanasis Φωτεινή=foteini Λευτέρης=lefteris"),
        ("Παπαδόπουλος", "Γεωργίου", "Δημητρίου", "Φωκάς"),
    ),
    Culture(
        "ar",
        ("Africa/Cairo", "Asia/Amman"),
        _spelled("ليلى=layla يوسف=yusuf فاطمة=fatima عمر=omar نور=nour"),
        ("الخطيب", "حداد", "المصري", "نجار"),
    ),
    Culture(
        "he",
        ("Asia/Jerusalem",),
        _spelled("נועה=noa איתן=eitan תמר=tamar אורי=uri"),
        ("לוי", "כהן", "פרץ", "שפירא"),
    ),
    Culture(
        "hi",
        ("Asia/Kolkata",),
        _spelled("अनन्या=ananya अर्जुन=arjun प्रिया=priya विक्रम=vikram"),
        ("शर्मा", "पटेल", "सिंह", "गुप्ता"),
    ),
    Culture(
        "zh",
        ("Asia/Shanghai", "Asia/Taipei", "Asia/Singapore"),
        _spelled("伟=wei 芳=fang 秀英=xiuying 子轩=zixuan 雨桐=yutong"),
        ("王", "李", "张", "陈", "林"),
        is_family_first=True,
        between="",
    ),
    Culture(
        "ja",
        ("Asia/Tokyo",),
        _spelled("花子=hanako 太郎=taro 陽菜=hina 健太=kenta 美咲=misaki"),
        ("佐藤", "鈴木", "高橋", "田中"),
        is_family_first=True,
    ),
    Culture(
        "ko",
        ("Asia/Seoul",),
        _spelled("민준=minjun 서연=seoyeon 지우=jiwoo 하은=haeun"),
        ("김", "이", "박", "최"),
        is_family_first=True,
        between="",
    ),
    Culture(
        "es",
        ("Europe/Madrid", "America/Mexico_City", "America/Bogota"),
        _spelled("Íñigo=inigo Lucía=lucia José=jose Ximena Núria=nuria"),
        ("García", "Núñez", "Ibáñez", "Muñoz"),
    ),
)

TOPICS: Final = (
    Topic(
        ("coffee", "espresso", "mornings"),
        ("Finally dialled in", "Nothing beats", "Trying out", "Somebody recommended"),
        ("a light roast from Huila", "the old moka pot", "a new grinder", "cold brew with orange peel"),
    ),
    Topic(
        ("cycling", "gravel", "outdoors"),
        ("60 km before breakfast, and then", "Rode home along", "A puncture, two dogs and", "Who joins me for"),
        ("the river path", "the long climb", "Sunday's loop", "the coast road"),
    ),
    Topic(
        ("books", "reading", "poetry"),
        ("Could not put down", "Half-way through", "Gave up on", "Read aloud to the cat:"),
        ("a novel about lighthouses", "three hundred pages of letters", "a slim book of poems", "the sequel"),
    ),
    Topic(
        ("music", "vinyl", "live"),
        ("Still humming", "On repeat since Monday:", "Front row for", "Found in a crate:"),
        ("the second encore", "a record from 1974", "a choir from next door", "that bass line"),
    ),
    Topic(
        ("cooking", "bread", "homemade"),
        ("First try at", "Grandmother was right about", "The neighbours asked for more of", "Burnt, but loved:"),
        ("sourdough with rye", "dumplings", "the lentil soup", "plum cake"),
    ),
    Topic(
        ("photography", "film", "street"),
        ("Waited an hour for", "One roll, one keeper:", "Light leaks and", "Early enough for"),
        ("fog over the bridge", "the market at dawn", "a heron on a bollard", "an empty tram"),
    ),
    Topic(
        ("code", "python", "opensource"),
        ("Deleted more than I wrote:", "A bug from 2019, found thanks to", "Today I learned about", "Small joys:"),
        ("a property test", "structured concurrency", "one index too few", "a clean diff"),
    ),
    Topic(
        ("garden", "plants", "bees"),
        ("Look who is back:", "Too early for", "Gave away", "The first of the year:"),
        ("the bees", "tomatoes", "twelve courgettes", "a stubborn fig"),
    ),
    Topic(
        ("football", "matchday", "grassroots"),
        ("Lost 4:3, and yet", "Under floodlights:", "Ninetieth minute,", "Nobody expected"),
        ("that free kick", "our keeper", "the under-12s", "rain like this"),
    ),
    Topic(
        ("travel", "trains", "slow"),
        ("Eleven hours with", "Missed the connection, found", "Window seat and", "Postcard from"),
        ("a night train", "the border station", "two chess players", "the end of the line"),
    ),
)
COMMENTS: Final = (
    "This made my day.",
    "Where was that?",
    "I need to try this.",
    "Same here!",
    "Say more, please.",
    "Beautiful.",
    "Ha, classic.",
    "So jealous right now.",
    "Count me in.",
    "素敵ですね",
    "¡Qué bonito!",
    "Wunderschön.",
    "جميل جدا",
)
REPLIES: Final = ("Thank you!", "Next time, come along.", "It really was.", "I'll tell you on Sunday.", "Exactly that.")


def person(number: int, random: Random) -> Person:
    """One of them; the user id says nothing that it must not: names return, numbers don't."""
    culture = random.choice(CULTURES)
    (given, spelled), family = random.choice(culture.given), random.choice(culture.family)
    names = (family, given) if culture.is_family_first else (given, family)
    topic = random.randrange(len(TOPICS))
    first, second = random.sample(TOPICS[topic].tags, 2)
    return Person(
        user=f"{spelled}{number}",
        name=culture.between.join(names),
        bio=random.choice(
            (f"{first}, {second} and little else", f"mostly {first}", f"here for #{first} and #{second}", "")
        ),
        language=culture.language,
        zone=random.choice(culture.zones),
        topic=topic,
    )
