"""People of many places, as each would fill in the forms. Invented by hand, apart from what `flask seed` makes."""

from dataclasses import dataclass
from typing import Any

Address = str | dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Resident:
    """`e164` is the phone's normal form, None where it is written as nobody abroad could dial it."""

    locale: str
    username: str
    name: str
    phone: str
    e164: str | None
    address: Address
    new_phone: str
    new_address: Address
    email: str = ""

    @property
    def mailbox(self) -> str:
        return self.email or f"{self.username}@example.com"

    @property
    def profile(self) -> dict[str, Any]:
        return {"name": self.name, "phone": self.phone, "shipping_address": self.address}

    @property
    def changes(self) -> dict[str, Any]:
        return {"phone": self.new_phone, "shipping_address": self.new_address}


def parts(country: str, *given: str, **more: str) -> Address:
    """A structured address, with the members alone that somebody filled in."""
    members = dict(zip(("line1", "city", "postal_code", "region", "line2"), given, strict=False)) | more
    return {**{member: text for member, text in members.items() if text}, "country": country}


WEST = (
    Resident(
        locale="en-US",
        username="TheaMcK",
        name="Thea Quinn-O’Dowd McKinley III",
        phone="(217) 555-0142 ext. 7",
        e164="+12175550142",
        address=parts("US", "PSC 802 Box 14", "FPO", "09499-0014", "AE"),
        new_phone="+1 217.555.0187",
        new_address="Thea McKinley\nR.R. 2, Box 118\nSpringfield, IL  62704-9412",
    ),
    Resident(
        locale="fr-CA",
        username="maelle.cote",
        name="Maëlle Côté-L’Heureux",
        phone="514 555-0164",
        e164="+15145550164",
        address=parts("CA", "4, rue de l’Église", "L’Île-Bizard", "h9c 1g9", "QC", "app. 3½"),
        new_phone="+1 (418) 555-0111 #22",
        new_address="Maëlle Côté\na/s Dépanneur du Coin\n12, rang 3 Ouest\nSt-Éloi QC  G0L 2V0",
        email="maëlle.côté@bücher.example",
    ),
    Resident(
        locale="es-MX",
        username="itzel_n",
        name="Itzel Xóchitl Núñez Ibáñez",
        phone="+52 55 5123 4567",
        e164="+525551234567",
        address=parts("MX", "Calz. México-Tacuba s/n, Int. 4-B", "Miguel Hidalgo", "11320", "CDMX", "Col. Popotla"),
        new_phone="(951) 51 2 34 56",
        new_address="Domicilio conocido, junto a la presidencia\nSan Juan Ñumí, Oax.\nC.P. 69560",
    ),
    Resident(
        locale="pt-BR",
        username="pedro.alcantara",
        name="Pedro Henrique Sebastião Maria Gonçalves de Assunção e Albuquerque Cavalcanti Wanderley "
        "Magalhães de Araújo Conceição dos Santos Brandão Ribeiro da Câmara Coutinho Neto",
        phone="+55 (21) 98765-4321",
        e164="+5521987654321",
        address=parts("BR", "Rua São João d’El-Rei, s/nº", "Paço do Lumiar", "65130-000", "MA", "Quadra 7, Lote 12"),
        new_phone="021 98765 4321",
        new_address="Comunidade Ribeirinha Nossa Senhora do Ó\nMargem esquerda do Rio Negro\nBarcelos – AM\n69700-000",
    ),
    Resident(
        locale="cy-GB",
        username="rhys-ap-g",
        name="Rhŷs ap Gwyn Ŵyn-Llŷr",
        phone="+44 (0)29 2018 0345",
        e164="+442920180345",
        address=parts("GB", "Tŷ’r Ysgol", "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogoch", "LL61 5UJ"),
        new_phone="029 2018 0345 x12",
        new_address="Fferm y Garn,\nnr. Cwmystwyth,\nABERYSTWYTH\nsy23 4ad",
    ),
    Resident(
        locale="ga-IE",
        username="siobhan.nic",
        name="Siobhán Nic Ḋiarmada O'Shea",
        phone="01 671 2345",
        e164=None,
        address=parts("IE", "Bóthar na Leacan, An Spidéal", "Co. na Gaillimhe", "H91 K2PN"),
        new_phone="+353 (0)1 671-2345",
        new_address="The pink house past the church,\nBallyvaughan,\nCo. Clare",
        email="siobhán.o'shea@example.com",
    ),
    Resident(
        locale="fr-FR",
        username="noemie",
        name="Noémie d’Œuvré-Lætitia Faÿ",
        phone="02.61.91.12.34",
        e164=None,
        address=parts("FR", "3 bis, rue de l’Abbé-de-l’Épée", "L’Haÿ-les-Roses", "94240", line2="Bât. B, 2ᵉ gauche"),
        new_phone="+33 2 61 91 56 78",
        new_address="Mme Faÿ\nLieu-dit « Le Trou »\nBP 12\n05 100 Val-des-Prés CEDEX 9",
    ),
    Resident(
        locale="de-DE",
        username="juergen.groess",
        name="Jürgen Größ-Weißenböck gen. von der Heyde",
        phone="030/23125-0",
        e164=None,
        address=parts("DE", "Straße des 17. Juni 135–137, Aufgang C", "Berlin", "10623", line2="c/o Ümit Öz"),
        new_phone="+49 (0) 30 / 23 12 5 - 42",
        new_address="Jürgen Größ\nPostfach 10 01 02\n99001 Erfurt",
        email="jürgen.größ@straße.example",
    ),
    Resident(
        locale="is-IS",
        username="thordis",
        name="Þórdís Ægisdóttir",
        phone="551 2345",
        e164=None,
        address=parts("IS", "Skólavörðustígur 12, 2. hæð", "Reykjavík", "101"),
        new_phone="+354 551 2345",
        new_address="Hús með rauðu þaki, þrjár kindur í garði\nBúðardalur\nÍsland",
    ),
    Resident(
        locale="sv-SE",
        username="ake.ostlund",
        name="Åke Östlund af Ängsö",
        phone="070-174 06 05",
        e164=None,
        address=parts("SE", "Ågatan 7 B, 3 tr ög", "Östersund", "831 30", line2="lgh 1302"),
        new_phone="+46 (0)70-174 06 31",
        new_address="Åke Östlund\nPl 5320\n933 91 ARVIDSJAUR",
    ),
    Resident(
        locale="pl-PL",
        username="grzegorz.b",
        name="Grzegorz Brzęczyszczykiewicz-Żółć",
        phone="+48 22 621-02-03",
        e164="+48226210203",
        address=parts("PL", "ul. Świętej Jadwigi Śląskiej 3/5 m. 7", "Łódź", "90-001"),
        new_phone="601 234 567",
        new_address="Chrząszczyżewoszyce 4\npow. Łękołody\n38-999 Łękołody",
    ),
    Resident(
        locale="el-GR",
        username="eleni_x",
        name="Ελένη Χατζηϊωάννου",
        phone="+30 2310 234 567",
        e164="+302310234567",
        address=parts("GR", "Λεωφ. Κωνσταντίνου Καραμανλή 12Α", "Θεσσαλονίκη", "546 42"),
        new_phone="697 123 4567",
        new_address="Ελένη Χ.\nΠοστ Ρεστάντ\n840 02 ΟΪΑ ΣΑΝΤΟΡΙΝΗΣ",
        email="Ελένη.Χ@ταχυδρομείο.example",
    ),
    Resident(
        locale="uk-UA",
        username="vyacheslav",
        name="В’ячеслав Ґудзь-Їжакевич",
        phone="+380 (44) 279-12-34",
        e164="+380442791234",
        address=parts("UA", "вул. Б. Хмельницького, буд. 5-А, кв. 17", "Кам’янець-Подільський", "32300"),
        new_phone="067 123 45 67",
        new_address="с. Ґоголів, вул. Зелена, 3\nКиївська обл.\n07452",
        email="вячеслав@пошта.example",
    ),
    Resident(
        locale="ru-KZ",
        username="aigerim",
        name="Айгерім Ёлкина-Әбдіқалықова",
        phone="8 (727) 250-35-35",
        e164=None,
        address=parts("KZ", "пр-т Абылай хана, д. 10, корп. 2, кв. 5", "Алматы", "050000"),
        new_phone="+7 727 250 35 35",
        new_address="аул Қарақол, көше Ұлы Жеңіс, 7-үй\nАқмола облысы",
    ),
    Resident(
        locale="ka-GE",
        username="nino.chq",
        name="ნინო ჭყონია",
        phone="+995 555 12 34 56",
        e164="+995555123456",
        address=parts("GE", "შოთა რუსთაველის გამზირი №12, ბინა 4", "თბილისი", "0108"),
        new_phone="599 12-34-56",
        new_address="სოფელი უშგული\nმესტიის მუნიციპალიტეტი\nსაქართველო",
    ),
    Resident(
        locale="hy-AM",
        username="hayk",
        name="Հայկ Տեր-Մկրտչեան",
        phone="+374 10 52 34 56",
        e164="+37410523456",
        address=parts("AM", "Մեսրոպ Մաշտոցի պողոտա 5, բն. 14", "Երևան", "0002"),
        new_phone="(091) 12-34-56",
        new_address="գ․ Գառնի, 3-րդ փողոց, տուն 8\nԿոտայքի մարզ",
    ),
    Resident(
        locale="tr-TR",
        username="isil.ilgin",
        name="Işıl İlgin Kılıçdağıoğlu",
        phone="0 532 123 45 67",
        e164=None,
        address=parts("TR", "Kılıçali Paşa Mah. Iğdır Sk. No: 7/İ", "Beyoğlu", "34425", "İstanbul", "Kat 3, D: 5"),
        new_phone="+90 (212) 212 34 56",
        new_address="Işıl İlgin\nÇınarlı Köyü, no 3\nEğil / DİYARBAKIR",
        email="ışıl.İlgin@posta.example",
    ),
)
