"""Words that made-up rows are put together from: names, places, sentences, in many scripts."""

from __future__ import annotations


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split("|"))


FIRST_NAMES = _listed(
    "Adele|Aiko|Alicia|Amélie|Anders|Bjørn|Carlos|Chiara|Daniela|Diego|Elif|Emil|Esra|Fatima|"
    "Grady|Hanna|Ines|Isaiah|Ivan|Jóhann|João|Katarzyna|Kenji|Lara|Lee|Lidia|Lynne|Małgorzata|"
    "Megan|Miriam|Nestor|Noémie|Omar|Patti|Pradeep|René|Rory|Søren|Susanna|Tomás|Ursula|Vance|"
    "Yvonne|Zoë|Łukasz|Ömer"
)
LAST_NAMES = _listed(
    "Anderson|Bergström|Campbell|Cannon|Castillo|D'Souza|Fernández|García|Gruber|Hernández|"
    "Ishikawa|Jensen|Johnson|Kowalski|Lambert|Langer|Lyon|Martin|McKay|Meyer|Müller|Nguyen|"
    "Novák|Núñez|O'Brien|Okafor|Paulsen|Petrović|Reyes|Robbins|Rossi|Sanchez|Schäfer|Singh|"
    "Smith|Stubberod|Suzuki|Truelsen|Vanderbilt|Weiß|Wilber|Yilmaz|Zimmermann|Øster"
)
COMPANY_STEMS = _listed(
    "Adventure|Alpine|Blue Yonder|Bellows|Brødrene Åkesson|Cascade|City Power|Coho|Contoso|"
    "Duwamish|Fabrikam|First Up|Fourth Coffee|Graphic|Humongous|Île-de-France|Kärcher & Söhne|"
    "Lamna|Liberty's|Litware|Lucerne|Margie's|Munson's|Nod|Northwind|Olympia|Parnell|Phone|"
    "Proseware|Relecloud|São Paulo|Southridge|Tailspin|Terra|Trey|VanArsdel|Wide World|Wingtip|"
    "Woodgrove|Škoda & Partner|Ørsted|東京|Σίγμα|Élan"
)
COMPANY_KINDS = _listed(
    "Airlines|Bank|Brewery|Coffee|Consulting|Design|Electronics|Energy|Foods|Freight|Health|"
    "Importers|Industries|Insurance|Labs|Logistics|Media|Outdoors|Pharma|Publishing|Research|"
    "Retail|Software|Sports|Telecom|Toys|Traders|Travel|Vineyards|Works"
)
COMPANY_FORMS = _listed("|AB|AG|GmbH|Inc.|Ltd|LLC|S.A.|SARL|plc")
CITIES = _listed(
    "Aarhus|Amsterdam|Ballard|Barcelona|Bergen|Berlin|Bordeaux|Dublin|Gdańsk|Göteborg|İzmir|"
    "Kyōto|Lyon|Málaga|Malmö|Milano|München|Porto|Redmond|Renton|São Paulo|Seattle|Tromsø|Zürich"
)
COUNTRIES = _listed(
    "Brazil|Denmark|France|Germany|Ireland|Italy|Japan|Netherlands|Norway|Poland|Portugal|Spain|"
    "Sweden|Switzerland|Türkiye|United Kingdom|United States"
)
STATES = _listed("BE|CA|NY|TX|WA|Île-de-France")
STREETS = _listed(
    "Main Street|Hauptstraße|Rue de la Paix|Calle Mayor|Storgatan|Via Roma|5th Avenue"
)
JOB_TITLES = _listed(
    "Accounts Manager|Coffee Master|Owner|Purchasing Assistant|Purchasing Manager|"
    "Senior International Sales Manager|Senior Purchaser|Ski Instructor|Technician"
)
SENTENCES = _listed(
    'Prefers "green" packaging.|Asked for a quote; call back.|Line one\nLine two|'
    "Tab\tseparated|Emoji 😀 and ½ price|Long-standing customer since the 1990s.|"
    "C:\\shares\\contracts|Paid in € and £|Zażółć gęślą jaźń"
)
